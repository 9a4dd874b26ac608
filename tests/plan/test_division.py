"""Trials divided between the GPUs and the cores of a machine: the whole ends as soon as it can."""

from __future__ import annotations

from itertools import product

import pytest

from survey.networks.columns import COLUMNS
from survey.networks.cost import CORE_MODEL
from survey.networks.metrics import METRICS
from survey.plan.division import Cores, Places, divided
from survey.plan.estimate import Machine, Rows, price
from survey.plan.gpu_sharing import Packing
from survey.plan.plan import Plan
from survey.workloads.cost import CostModel
from tests.support.planned import plan_of, planned

SIZES = [2**k for k in range(6, 18)]


def cores(num_cpus: int, num_gpus: float, model: CostModel = CORE_MODEL, can_train=lambda bundle: True) -> Cores:
    return Cores(Places(num_cpus, num_gpus), model, can_train)


def for_gpus(**axes) -> Plan:
    from survey.networks.search_space import SearchSpace

    grid = {"dataset": "sklearn:iris", "shape": ["rectangle"], "size": SIZES, "depth": 3, "epochs": 100, **axes}
    space = SearchSpace.model_validate({"name": "x", "repetitions": 3, "grids": [grid]})
    return plan_of([space], on_gpu=True)


def placed(plan: Plan, num_cpus: int, num_gpus: float, packing: Packing | None = None, **options) -> Plan:
    return plan.on_gpus(lambda size: 0.25, packing, cores(num_cpus, num_gpus, **options))


def whole_s(on_gpus, on_cores, num_gpus: float, num_cores: int) -> float:
    """The least time of both kinds, if the trials of the GPUs take turns and those on cores could be split."""
    gpu_s, core_s = ([bundle.cost_s for bundle in some] for some in (on_gpus, on_cores))
    return max(sum(gpu_s) / num_gpus, max(gpu_s, default=0.0), sum(core_s) / num_cores, max(core_s, default=0.0))


@pytest.mark.parametrize(("num_gpus", "num_cores"), [(1, 1), (1, 8), (2, 3), (0.5, 40)])
@pytest.mark.parametrize("speed", [0.1, 1.0, 10.0], ids=["slow cores", "cores", "fast cores"])
def test_no_other_division_is_done_much_sooner(num_gpus, num_cores, speed):
    bundles = for_gpus(size=SIZES[::2], depth=[3, 5]).bundles
    model = CostModel(tuple(s / speed for s in CORE_MODEL.seconds), CORE_MODEL.trial_s, CORE_MODEL.run_s)
    given = cores(num_cores, num_gpus, model)
    found = divided(bundles, lambda _: 1.0, given, num_cores)
    assert sorted(each.experiment.label for some in found for each in some) == sorted(
        each.experiment.label for each in bundles
    )
    costs = [(each, given.cost(each)) for each in bundles]
    best = min(
        whole_s(
            *([pair[k] for pair, choice in zip(costs, choices, strict=True) if choice == k] for k in (0, 1)),
            num_gpus,
            num_cores,
        )
        for choices in product((0, 1), repeat=len(bundles))
    )
    assert whole_s(*found, num_gpus, num_cores) <= 1.1 * best


def test_small_networks_come_to_the_cores_and_large_ones_to_the_gpus():
    plan = placed(for_gpus(), 12, 1)
    sizes = [
        {each.experiment.size for each in plan.bundles if bool(each.num_gpus) == on_gpu} for on_gpu in (True, False)
    ]
    assert all(sizes)
    assert max(sizes[1]) < min(sizes[0])
    for each in plan.bundles:
        if not each.num_gpus:
            assert each.training_s == pytest.approx(100 * CORE_MODEL.epoch_s(each.needs.work(3)))


def test_each_trial_on_a_gpu_keeps_a_core():
    plan = for_gpus()
    for num_cpus in (1, 4):
        assert all(each.num_gpus for each in placed(plan, num_cpus, 1).bundles), "four trials share the GPU"
    assert not all(each.num_gpus for each in placed(plan, 5, 1).bundles)
    few = for_gpus(size=SIZES[-2:])
    assert Places(4, 1).on_cores([[bundle._replace(num_gpus=0.25)] for bundle in few.bundles]) == 2, (
        "there are only two"
    )


def test_what_a_core_cannot_train_stays_on_the_gpus():
    plan = placed(for_gpus(), 64, 1, can_train=lambda bundle: bundle.experiment.size != SIZES[0])
    assert [each.num_gpus for each in plan.bundles if each.experiment.size == SIZES[0]] == [0.25]
    assert not all(each.num_gpus for each in plan.bundles)


def test_what_gains_by_packing_is_left_to_the_gpus_sooner():
    alone, packed = (placed(for_gpus(), 12, 1, packing) for packing in (None, Packing(4, gain=8.0, num_gpus=0.25)))
    on_cores = [sum(not each.num_gpus for each in plan.bundles) for plan in (alone, packed)]
    assert on_cores[0] > on_cores[1]


def test_every_first_part_of_a_plan_takes_both_kinds_equally_long():
    """A survey of more than 5,000 trials has several Tune runs, one after the other."""
    plan = placed(for_gpus(depth=[3, 4, 5], learning_rate=[0.1, 0.01, 0.001]), 12, 1)
    totals = [sum(each.cost_s for each in plan.bundles if bool(each.num_gpus) == on_gpu) for on_gpu in (True, False)]
    seen, longest = [0.0, 0.0], [0.0, 0.0]
    for each in plan.bundles:
        kind = int(not each.num_gpus)
        longest[kind] = max(longest[kind], each.cost_s / totals[kind])
        seen[kind] += each.cost_s / totals[kind]
        assert abs(seen[0] - seen[1]) <= sum(longest) + 1e-9
    for on_gpu in (True, False):
        costs = [each.cost_s for each in plan.bundles if bool(each.num_gpus) == on_gpu]
        assert costs == sorted(costs, reverse=True)


def test_the_price_has_the_time_of_both_and_the_whole_ends_sooner():
    def priced(plan):
        return price(plan, Rows(METRICS, False, lambda epochs: 0), COLUMNS, Machine(12, 1))

    alone, both = (priced(plan) for plan in (for_gpus().on_gpus(lambda size: 0.25), placed(for_gpus(), 12, 1)))
    assert alone.core_hours.estimate == 0 < both.core_hours.estimate
    assert both.gpu_hours.estimate < alone.gpu_hours.estimate
    assert both.wall_hours.estimate < alone.wall_hours.estimate
    assert list(both.trials) == ["1/4 GPU", "1 CPU core"]
    assert "an NVIDIA H100 and of a core that we have measured" in both.caveats[0]
    assert "core that" not in alone.caveats[0]


def test_a_plan_for_cores_alone_stays_as_it_is():
    assert {each.num_gpus for each in planned().bundles} == {0.0}
