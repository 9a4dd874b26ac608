"""The plan: what is missing, once, in a good order."""

from __future__ import annotations

import pytest

from survey.networks.cost import CORE_MODEL, Work
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import WITHOUT_VALIDATION
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.topology import layer_widths
from survey.plan.gpu_sharing import GPU_FRACTIONS, fraction_for
from survey.plan.make_plan import Bound
from survey.plan.plan import Plan
from survey.workloads.cost import CostModel
from tests.support.planned import plan_of

GIB = 1 << 30


def space(name: str = "one", repetitions: int = 4, **changes) -> SearchSpace:
    settings = {
        "dataset": "537_houses",
        "shape": "rectangle",
        "size": [256, 1024],
        "depth": 3,
        "epochs": 100,
        **changes,
    }
    return SearchSpace(name=name, repetitions=repetitions, grids=(Grid.model_validate(settings),))


def plan(*spaces: SearchSpace, **options) -> Plan:
    return plan_of(spaces, **options)


def done_of(*spaces: SearchSpace, numbers=range(4)) -> dict[int, set[int]]:
    return {e.experiment_id: set(numbers) for one in spaces for e in one.experiments()}


def trials_by_size(found: Plan) -> dict[int, tuple[int, ...]]:
    return {trial.experiment.size: trial.repetitions for trial in found.bundles}


def test_everything_is_planned_at_first():
    found = plan(space())
    assert trials_by_size(found) == {256: (0, 1, 2, 3), 1024: (0, 1, 2, 3)}
    assert (found.num_experiments, found.num_experiments_done, found.num_left_out) == (2, 0, 0)
    assert (found.num_runs, found.num_runs_done, found.num_runs_planned) == (8, 0, 8)
    names = WITHOUT_VALIDATION.names
    assert (found.epochs, found.run_epochs, found.run_epochs_planned) == ({names: 200}, {names: 800}, 800)


def test_a_trial_has_the_network_of_its_experiment():
    for trial in plan(space(size=[256, 1 << 20], shape=["trapezoid", "wide_first_2x_residual"])).bundles:
        e = trial.experiment
        assert (trial.needs.widths, trial.needs.num_free_parameters) == layer_widths(e.shape, e.size, e.depth, 8, 1)
        assert trial.num_gpus == 0


def test_what_is_done_is_not_planned():
    small, large = space().experiments()
    done = {small.experiment_id: {0, 1, 2, 3}, large.experiment_id: {1, 3}, 12345: {0}}
    found = plan(space(), done=done)
    assert trials_by_size(found) == {1024: (0, 2)}
    assert found.bundles[0].num_repetitions == 4
    assert (found.num_experiments, found.num_experiments_done) == (2, 1)
    assert (found.num_runs, found.num_runs_done, found.num_runs_planned) == (8, 6, 2)
    assert (found.run_epochs, found.run_epochs_planned) == ({WITHOUT_VALIDATION.names: 800}, 200)


def test_nothing_is_planned_when_all_is_done():
    found = plan(space(), done=done_of(space()))
    assert found.bundles == ()
    assert found.num_experiments_done == found.num_experiments == 2
    assert found.num_runs_done == found.num_runs == 8
    assert found.num_runs_planned == found.run_epochs_planned == 0


def test_more_repetitions_than_asked_for_are_no_more_than_all():
    found = plan(space(), done=done_of(space(), numbers=range(20)))
    assert found.bundles == ()
    assert found.num_runs_done == found.num_runs == 8


def test_repetitions_are_extended():
    found = plan(space(), done=done_of(space()), repetitions=6)
    assert trials_by_size(found) == {256: (4, 5), 1024: (4, 5)}
    assert all(trial.num_repetitions == 6 for trial in found.bundles)
    assert (found.num_runs, found.num_runs_done) == (12, 8)
    assert trials_by_size(plan(space(), repetitions=1)) == {256: (0,), 1024: (0,)}


def test_a_grid_is_extended():
    found = plan(space(size=[256, 512, 1024]), done=done_of(space()))
    assert trials_by_size(found) == {512: (0, 1, 2, 3)}


@pytest.mark.parametrize("swapped", [False, True])
def test_an_experiment_of_two_spaces_is_planned_once_with_the_most_repetitions(swapped):
    spaces = [space("few", 2, size=[256, 1024]), space("many", 5, size=[1024, 4096])]
    found = plan(*(reversed(spaces) if swapped else spaces))
    assert len(found.bundles) == 3
    assert trials_by_size(found) == {256: (0, 1), 1024: (0, 1, 2, 3, 4), 4096: (0, 1, 2, 3, 4)}
    assert found.num_runs == 12


def test_a_limit_takes_the_first_experiments():
    assert trials_by_size(plan(space(size=[4096, 256, 1024]), limit=2)).keys() == {4096, 256}
    assert plan(space(), limit=10).num_experiments == 2


def test_a_limit_counts_what_is_done_and_not_what_is_left_out():
    sizes = space(size=[2, 256, 1024, 4096])
    first = next(e for e in sizes.experiments() if e.size == 256)
    found = plan(sizes, limit=2, done={first.experiment_id: {0, 1, 2, 3}})
    assert found.num_left_out == 1  # no network of houses has 2 parameters
    assert found.num_experiments == 2
    assert trials_by_size(found).keys() == {1024}


def test_experiments_without_a_network_of_their_size_are_left_out():
    found = plan(space(dataset="mnist", size=[1024, 16384]))
    # mnist at depth 3: 807 parameters for 1024 miss by 21 %
    assert trials_by_size(found).keys() == {16384}
    assert found.num_left_out == 1
    assert (found.num_experiments, found.num_runs) == (1, 4)


def test_the_longest_come_first():
    found = plan(space(size=[256, 1 << 20, 1 << 14], epochs=[100, 300]))
    costs = [trial.cost_s for trial in found.bundles]
    assert costs == sorted(costs, reverse=True)
    assert [(t.experiment.size, t.experiment.epochs) for t in found.bundles][:2] == [(1 << 20, 300), (1 << 20, 100)]
    assert (found.bundles[-1].experiment.size, found.bundles[-1].experiment.epochs) == (256, 100)


def test_more_work_costs_more():
    def cost(**changes):
        (trial,) = plan(space(**{"size": 4096, **changes})).bundles
        return trial.cost_s

    assert cost(epochs=200) == pytest.approx(2 * cost(), rel=0.1), "a trial has a cost of its own"
    assert cost(size=1 << 14) > cost()
    assert cost(repetitions=8) > cost()
    assert cost(batch_size=32) > cost(batch_size=256), "each step has a cost of its own"
    assert cost(dataset="mnist", size=1 << 14) > cost(dataset="529_pollen", size=1 << 14)


def test_a_bundle_of_more_runs_needs_more_memory():
    (few,), (many,) = (plan(space(repetitions=n, size=1 << 20)).bundles for n in (1, 10))
    parameters = few.needs.num_free_parameters
    # At the least: parameters, gradients and two moments of Adam, in float32.
    assert many.bundle_bytes - few.bundle_bytes > 9 * 4 * 4 * parameters
    assert few.bundle_bytes > 20640 * 9 * 4, "and the data once"


@pytest.mark.parametrize(
    ("bundle", "gpu", "fraction"),
    [
        (0, 16 * GIB, 1.0),
        (1, 16 * GIB, 0.125),
        (GIB, 16 * GIB, 0.125),
        (3 * GIB // 2, 16 * GIB, 0.125),
        (3 * GIB // 2 + 1, 16 * GIB, 0.25),
        (2 * GIB, 16 * GIB, 0.25),
        (7 * GIB, 16 * GIB, 0.5),
        (15 * GIB, 16 * GIB, 1.0),
        (100 * GIB, 16 * GIB, 1.0),
    ],
)
def test_a_trial_has_the_least_fraction_that_holds_it(bundle, gpu, fraction):
    assert fraction_for(bundle, gpu) == fraction
    assert fraction in GPU_FRACTIONS


def test_gpu_fractions_are_grouped_and_each_group_is_longest_first():
    sizes = [256, 1 << 12, 1 << 16, 1 << 20]
    plain = plan(space(size=sizes))
    threshold = sorted(trial.bundle_bytes for trial in plain.bundles)[1]
    found = plain.on_gpus(lambda size: 0.125 if size > threshold else 0.5)
    assert [trial.num_gpus for trial in found.bundles] == [0.5, 0.5, 0.125, 0.125]
    assert [trial.experiment.size for trial in found.bundles] == [1 << 12, 256, 1 << 20, 1 << 16]
    assert {trial.num_gpus for trial in plain.bundles} == {0.0}, "the plan given stays as it is"
    assert found.num_runs == plain.num_runs


def test_contents_of_a_users_task_are_part_of_the_identity():
    from survey.tasks.loading import TaskDescription
    from survey.tasks.own import UserTask

    own = SearchSpace(
        name="own",
        grids=(Grid(dataset=("mine",), shape=("rectangle",), size=(256,), depth=(3,)),),
        tasks={"mine": UserTask(path="a.csv", target="y", kind="regression")},
    )

    def known(name):
        assert name == "mine"
        return TaskDescription("mine", "regression", 100, 8, 1, False)

    (old,), (new,) = (plan(own, contents={"mine": digest}, describe=known).bundles for digest in ("aa", "bb"))
    assert old.experiment.task_content == "aa"
    assert old.experiment.experiment_id != new.experiment.experiment_id
    done = {old.experiment.experiment_id: set(range(10))}
    assert plan(own, contents={"mine": "aa"}, describe=known, done=done).bundles == ()
    assert len(plan(own, contents={"mine": "bb"}, describe=known, done=done).bundles) == 1


def test_run_epochs_are_those_of_all_repetitions():
    (trial,) = plan(space(size=256), done={NetworkExperiment(**_houses()).experiment_id: {0}}).bundles
    assert trial.run_epochs == 300


def _houses() -> dict:
    return {"dataset": "537_houses", "shape": "rectangle", "size": 256, "depth": 3, "epochs": 100}


def test_a_trial_that_would_be_too_long_is_split_by_repetition():
    (whole,) = plan(space(size=1 << 16, repetitions=10)).bundles
    parts = plan(space(size=1 << 16, repetitions=10), bound=Bound(seconds=whole.cost_s / 2.5)).bundles
    assert sorted(part.repetitions for part in parts) == [(0, 1, 2), (3, 4, 5), (6, 7, 8, 9)]
    assert {part.num_repetitions for part in parts} == {10}
    assert sum(part.run_epochs for part in parts) == whole.run_epochs
    assert all(part.cost_s < whole.cost_s / 2 for part in parts)


def test_a_trial_that_would_not_fit_the_memory_is_split_by_repetition():
    (whole,) = plan(space(size=1 << 20, repetitions=10)).bundles
    parts = plan(space(size=1 << 20, repetitions=10), bound=Bound(memory_bytes=whole.bundle_bytes // 3)).bundles
    assert len(parts) == 4
    assert all(part.bundle_bytes <= whole.bundle_bytes // 3 for part in parts)


def test_a_split_does_not_go_below_one_run():
    parts = plan(space(size=256, repetitions=3), bound=Bound(seconds=1e-6, memory_bytes=1)).bundles
    assert sorted(part.repetitions for part in parts) == [(0,), (1,), (2,)]


def test_parts_stay_the_same_when_some_of_them_are_done():
    """So that a part that was cut short finds its checkpoint again."""
    one = space(size=1 << 16, repetitions=10)
    (whole,) = plan(one).bundles
    bound = Bound(seconds=whole.cost_s / 2.5)
    done = {whole.experiment.experiment_id: {0, 1, 2, 5}}
    assert sorted(part.repetitions for part in plan(one, bound=bound, done=done).bundles) == [(3, 4), (6, 7, 8, 9)]


def test_costs_can_be_estimated_anew():
    found = plan(space(size=[256, 1 << 16]))
    seconds = Work(*(2.0 * each for each in CORE_MODEL.seconds))
    doubled = CostModel(seconds, 2.0 * CORE_MODEL.trial_s, 2.0 * CORE_MODEL.run_s)
    again = found.with_costs(doubled)
    assert [t.cost_s for t in again.bundles] == pytest.approx([2 * t.cost_s for t in found.bundles])
