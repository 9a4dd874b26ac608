"""What a plan is said to cost, by a dry run, a pilot, and afterwards in the report."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import survey
from analysis.report.forecasts import Launch, launches
from survey.errors import InputError
from survey.launch.__main__ import command
from survey.networks.columns import COLUMNS
from survey.networks.compiled import library
from survey.networks.cost import CORE_MODEL, GPU_MODEL, Work, epoch_work
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import METRICS, WITHOUT_VALIDATION
from survey.networks.needs import NetworkNeeds
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.topology import layer_widths
from survey.output.forecasts import Forecast, read_forecasts
from survey.plan.estimate import Machine, Rows, price
from survey.plan.pilot import fit_costs, run_pilot
from survey.plan.plan import Plan
from survey.plan.price import Price, Range, time_range
from survey.spaces.yaml_file import load_space
from survey.tasks.loading import TaskDescription
from survey.tasks.parts import PartSizes
from survey.workloads.cost import CostModel
from tests.support.commands import run_here
from tests.support.planned import plan_of
from tests.support.small_survey import EPOCHS, RUNS, write_space

ROWS = Rows(METRICS, repetition_runs=False, epochs=lambda epochs: epochs)


IRIS = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 64, "depth": 3, "epochs": 50}


@pytest.fixture(autouse=True)
def in_pytorch(request, monkeypatch):
    """Counts of the core in PyTorch, unless a test is about the compiled one."""
    if "compiled" not in request.node.name:
        monkeypatch.setattr(library, "units", lambda: ())


def planned(repetitions: int = 3, on_gpu: bool = False, **changes) -> Plan:
    settings = {
        "dataset": "sklearn:iris",
        "shape": "rectangle",
        "size": [64, 1024],
        "depth": 3,
        "epochs": 50,
        **changes,
    }
    one = SearchSpace(name="one", repetitions=repetitions, grids=(Grid.model_validate(settings),))
    return plan_of([one], on_gpu=on_gpu)


def priced(plan: Plan, *, num_cpus: int = 1, num_gpus: float = 0, factor: float | None = None) -> Price:
    return price(plan, ROWS, COLUMNS, Machine(num_cpus, num_gpus, factor))


def test_a_price_counts_what_is_planned():
    found = priced(planned(), factor=1.5)
    assert (found.experiments_new, found.runs, found.runs_to_train, found.epochs) == (2, 6, 6, 300)
    assert found.trials == {"1 CPU core": 2}
    assert found.tracking_bytes > 2 * 50 * 24 * 100
    assert found.core_hours.low < found.core_hours.estimate < found.core_hours.high
    assert found.core_hours.high / found.core_hours.estimate == pytest.approx(1.5)
    assert found.wall_hours.estimate > found.core_hours.estimate > found.training_hours.estimate > 0


def test_operations_are_those_of_the_matrix_products():
    task = TaskDescription("t", "classification", 100, 4, 3, False)
    experiment = NetworkExperiment(dataset="t", shape="rectangle", size=100, depth=3, batch_size=32)
    widths, parameters = layer_widths("rectangle", 100, 3, 4, 3)
    w = widths[0]
    forward = 2 * (4 * w + w * w + w * 3)
    backward = 2 * forward - 2 * 4 * w  # the inputs need no gradient
    work = epoch_work(experiment, task, widths, parameters, runs=5)
    assert work.flops == 5 * (100 * forward + 80 * backward)
    assert work.steps == 3, "80 rows in minibatches of 32, all runs together"
    assert work.layer_steps == 9


def test_gain_and_shift_of_normalized_layers_are_parameters_beside_the_size():
    """Networks with and without normalization have the same layers, so that they can be compared."""
    task = TaskDescription("t", "classification", 100, 4, 3, False)
    experiment = NetworkExperiment(dataset="t", shape="rectangle", size=100, depth=3)
    plain, normalized = (
        NetworkNeeds.of(experiment, task),
        NetworkNeeds.of(replace(experiment, normalization="layer"), task),
    )
    assert plain
    assert normalized
    assert plain.widths == normalized.widths
    hidden = sum(plain.widths[:-1])
    assert normalized.num_free_parameters == plain.num_free_parameters + 2 * hidden
    assert normalized.state_bytes == plain.state_bytes + 4 * 3 * 2 * hidden


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"dropout": 0.1}, "activations"),
        ({"normalization": "layer"}, "activations"),
        ({"gradient_clip": 1}, "updates"),
        ({"optimizer": "adamw", "weight_decay": 0.1}, "updates"),
    ],
)
def test_a_price_knows_what_axes_cost(changes, kind):
    task = TaskDescription("t", "classification", 100, 4, 3, False)
    experiment = NetworkExperiment(dataset="t", shape="rectangle", size=100, depth=3)
    plain, changed = NetworkNeeds.of(experiment, task), NetworkNeeds.of(replace(experiment, **changes), task)
    assert plain
    assert changed
    assert getattr(changed.work(5), kind) > 1.2 * getattr(plain.work(5), kind)
    assert changed.work(5).flops == plain.work(5).flops
    assert changed.run_bytes >= plain.run_bytes


def test_a_price_counts_the_rows_that_are_used():
    """80 of 100 rows beside the test set: 20 are validated with, and of the other 60 a quarter are trained on."""
    task = TaskDescription("t", "classification", 100, 4, 3, False)
    experiment = NetworkExperiment(dataset="t", shape="rectangle", size=100, depth=3, batch_size=4)
    needs = NetworkNeeds.of(experiment, task)
    less = NetworkNeeds.of(replace(experiment, validation_split=0.25, train_fraction=0.25), task)
    given = NetworkNeeds.of(experiment, replace(task, rows=55, parts=PartSizes(15, 20, 20)))
    assert needs
    assert less
    assert given
    assert (needs.work(1).steps, less.work(1).steps) == (20, 4)
    whole, part = needs.work(5), less.work(5)
    per_row = (whole.activations - part.activations) / 45  # 100 rows are used of the one, 55 of the other
    assert whole.activations == pytest.approx(100 * per_row)
    assert part.activations == pytest.approx(55 * per_row)
    assert given.work(5) == part
    assert part.flops < 0.55 * whole.flops
    assert less.run_bytes < needs.run_bytes + 4 * 10 * experiment.epochs
    assert (needs.metrics, less.metrics, given.metrics) == (WITHOUT_VALIDATION.names, METRICS.names, METRICS.names)


def test_a_price_knows_what_validation_records():
    plain, validated = priced(planned()), priced(planned(validation_split=0.2))
    rows = 2 * 50 * (METRICS.num_rows - WITHOUT_VALIDATION.num_rows)
    assert validated.tracking_bytes - plain.tracking_bytes >= rows * 285
    assert validated.artifact_bytes - plain.artifact_bytes == pytest.approx(2.8 * 10 * 300)
    assert validated.dataset_bytes > plain.dataset_bytes + 2.8 * 10 * 300
    both = planned(validation_split=[0, 0.2])
    assert {len(names): epochs for names, epochs in both.run_epochs.items()} == {20: 300, 30: 300}


def test_a_pilot_samples_experiments_with_validation_and_given_splits():
    task = TaskDescription("t", "classification", 300, 4, 3, False, parts=PartSizes(150, 50, 100))
    experiment = NetworkExperiment(dataset="t", shape="rectangle", size=100, depth=3, batch_size=8, train_fraction=0.5)
    for needs in (
        NetworkNeeds.of(experiment, task),
        NetworkNeeds.of(replace(experiment, validation_split=0.1), replace(task, parts=None)),
    ):
        assert needs
        sample = needs.sample(2, device="cpu", seconds=0.01, packed=1)
        assert sample.epoch_s > 0
        assert sample.work.steps >= 4


def test_wall_time_is_that_of_the_longest_first_on_some_cores():
    plan = planned(size=[64, 128, 256, 512])
    costs = sorted((trial.cost_s for trial in plan.bundles), reverse=True)
    overhead = 3600 * priced(plan).wall_hours.estimate - sum(costs)
    found = 3600 * priced(plan, num_cpus=4).wall_hours.estimate
    assert found == pytest.approx(costs[0] + overhead, abs=0.1)


def test_trials_on_gpus_are_counted_by_their_fraction():
    plan = planned().on_gpus(lambda size: 0.125)
    found = priced(plan, num_cpus=16, num_gpus=1)
    assert found.trials == {"1/8 GPU": 2}
    assert found.core_hours.estimate == 0
    assert 0 < found.training_hours.estimate < found.gpu_hours.estimate, "they take turns on it"


def test_what_is_planned_for_gpus_costs_what_it_costs_there():
    (there,) = planned(size=1 << 20, on_gpu=True, repetitions=30).bundles
    (here,) = planned(size=1 << 20, repetitions=30).bundles
    assert there.training_s == pytest.approx(50 * GPU_MODEL.epoch_s(there.work))
    assert there.training_s < here.training_s / 100
    noted = {" ".join(priced(planned(), num_gpus=number).caveats) for number in (0, 1)}
    assert {("a core that we" in note, "an NVIDIA H100" in note) for note in noted} == {(True, False), (False, True)}


def test_what_is_done_adds_nothing_but_its_part_of_the_report():
    spaces = [
        SearchSpace(name="x", repetitions=1, grids=(Grid.model_validate({**IRIS, "learning_rate": rates}),))
        for rates in ([0.5], [0.5, *(number / 2000 for number in range(1, 1000))])
    ]
    alone, whole = (plan_of([space]) for space in spaces)
    done = {trial.experiment.experiment_id: {0} for trial in whole.bundles if trial.experiment.learning_rate != 0.5}
    extended = plan_of(spaces[1:], done=done)
    assert (extended.num_experiments, len(extended.bundles)) == (1000, 1)
    more_s = 3600 * (priced(extended).wall_hours.estimate - priced(alone).wall_hours.estimate)
    assert 0 < more_s < 2


def test_nothing_to_train_costs_nothing():
    found = priced(planned(size=1))  # no network of iris is so small, and a launch would refuse it
    assert found.runs_to_train == found.tracking_bytes == found.artifact_bytes == found.dataset_bytes == 0
    assert found.wall_hours.estimate == 0


def test_a_fit_finds_the_costs_of_another_machine():
    """Five times slower at calls, half as slow at arithmetic."""
    there = CostModel(Work(*(s * f for s, f in zip(CORE_MODEL.seconds, (5, 5, 0.5, 1, 1, 1, 1, 1), strict=True))))
    cells = [
        (size, batch, rows) for size in (256, 4096, 1 << 16, 1 << 20) for batch in (16, 256) for rows in (500, 5000)
    ]
    works = []
    for size, batch, rows in cells:
        task = TaskDescription("t", "classification", rows, 20, 5, False)
        experiment = NetworkExperiment(dataset="t", shape="rectangle", size=size, depth=4, batch_size=batch)
        works.append(epoch_work(experiment, task, *layer_widths("rectangle", size, 4, 20, 5), runs=5))
    model, factor = fit_costs(works, [there.epoch_s(work) for work in works], CORE_MODEL)
    misses = [model.epoch_s(work) / there.epoch_s(work) for work in works]
    assert np.mean(misses) == pytest.approx(1.0, abs=0.1)
    assert min(misses) > 0.7
    assert max(misses) < 1.4
    assert 1.1 < factor < 1.4


@pytest.mark.skipif(not library.units(), reason="no compiled core was built, or not for this processor")
def test_the_compiled_core_has_steps_and_updates_of_its_own(monkeypatch):
    """All else is counted alike: what is computed, and what goes in and out."""
    task, experiment = (
        TaskDescription("t", "classification", 100, 6, 3, False),
        NetworkExperiment(dataset="t", shape="rectangle", size=100, depth=3, batch_size=20),
    )
    network = layer_widths("rectangle", 100, 3, 6, 3)
    compiled = epoch_work(experiment, task, *network, runs=5)
    assert epoch_work(experiment, task, *network, runs=5, on_gpu=True).compiled_steps == 0
    monkeypatch.setattr(library, "units", lambda: ())
    in_pytorch = epoch_work(experiment, task, *network, runs=5)
    assert in_pytorch._replace(
        torch_steps=0.0, layer_steps=0.0, updates=0.0, compiled_steps=5 * 4, compiled_updates=in_pytorch.updates
    ) == (compiled)


@pytest.fixture
def clock_of_the_cpu(monkeypatch):
    """A pilot's clock that stands still while others have the processor."""
    for module in ("survey.plan.pilot", "survey.networks.sample"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(perf_counter=time.process_time))


@pytest.mark.usefixtures("clock_of_the_cpu")
def test_a_pilot_measures_trials_of_each_kind_within_its_time():
    plan = planned(
        size=[256, 1 << 14],
        batch_size=[32, 128],
        optimizer=["adam", "SGD"],
        dataset=["sklearn:iris", "sklearn:diabetes", "sklearn:breast_cancer"],
    )
    pilot = run_pilot(plan, CORE_MODEL, budget_s=1.5)
    assert pilot.num_trials >= 3
    assert pilot.seconds < 15
    assert pilot.model.epoch_s(plan.bundles[0].work) > 0
    assert pilot.factor > 1


@pytest.mark.usefixtures("clock_of_the_cpu")
def test_a_pilot_is_over_soon_where_minibatches_are_huge():
    huge = planned(dataset="mnist", size=1 << 20, batch_size=[16_384, 32_768], repetitions=10)
    began = time.process_time()
    pilot = run_pilot(huge, CORE_MODEL, budget_s=1.0)
    assert pilot.num_trials >= 1
    assert time.process_time() - began < 30


def test_a_dry_run_prints_one_object_for_programs(tmp_path):
    done = run_here(command, write_space(tmp_path), "--dry-run", "--json", "--out", tmp_path / "out")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["runs_to_train"] == RUNS
    assert found["epochs"] == RUNS * EPOCHS
    assert set(found["wall_hours"]) == {"estimate", "low", "high"}
    assert not (tmp_path / "out").exists()


def test_python_gets_the_numbers_that_programs_get(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = write_space(tmp_path)
    told = json.loads(run_here(command, space, "--dry-run", "--json", "--repetitions", "3", "--num-cpus", "2").stdout)
    price = survey.dry_run(space, repetitions=3, num_cpus=2)
    assert json.loads(json.dumps(price.to_dict())) == told
    assert price == survey.dry_run(load_space(space), repetitions=3, num_cpus=2)
    assert list(tmp_path.iterdir()) == [space], "nothing is written"
    with pytest.raises(InputError, match=r"survey.dry_run: unknown argument 'reps'; allowed are space, out, "):
        survey.dry_run(space, reps=3)


def test_json_needs_a_dry_run(tmp_path):
    done = run_here(command, write_space(tmp_path), "--json", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "--json needs --dry-run" in done.stderr


def test_a_table_shows_every_number_of_a_small_plan():
    found = priced(planned())
    for text in (str(found), found._repr_html_()):
        for words in ("experiments", "MLflow store", "artifacts", "data set", "core time", "on 1 core", "pilot=True"):
            assert words in text
    widths = {len(line) for line in str(found).splitlines() if not line.startswith("Times")}
    assert len(widths) == 1, "values stand below each other"
    assert repr(found).startswith("<Price: 2 experiments, 6 runs; 0 done, 6 to train, ")
    assert repr(found).endswith(" from start to end on 1 core>")


def test_what_strangers_say_stays_text_in_a_notebook():
    found = replace(priced(planned()), left_out="<b>few</b>", notes=("<script>alert(1)</script>\x1b[31m", *"x" * 12))
    shown = found._repr_html_()
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "\x1b" not in shown
    assert "&lt;script&gt;" in shown
    assert "and 4 more" in shown


def train(*, seed, width: int = 1, epochs: int = 3):
    yield {"loss": 1.0}


def test_of_a_function_the_time_is_unknown_and_no_number_pretends_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = survey.SearchSpace(name="f", train=train, objective="loss", repetitions=2, grids=[{"width": [1, 2]}])
    found = survey.dry_run(space)
    assert (found.runs_to_train, found.epochs, found.times_known) == (4, 12, False)
    told = [line.split() for line in str(found).splitlines()]
    assert told[-3:-1] == [["of", "1", "CPU", "core", "2"], ["time", "unknown"]]
    assert told[-1][0] == "--pilot"
    assert "unknown time" in repr(found)
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["core_hours"] is values["gpu_hours"] is values["training_hours"] is values["wall_hours"] is None


def test_what_counts_no_operations_may_cost_time_all_the_same():
    found = replace(priced(planned()), flops=0.0)
    names = [name for name, _ in found.lines]
    assert "core time" in names
    assert "floating-point operations" not in names


def test_nothing_is_forecast_of_an_unknown_time(tmp_path):
    plan = planned()
    found = price(plan, ROWS, COLUMNS, Machine(1, times_known=False))
    forecast = Forecast(tmp_path, plan, found)
    forecast.end({bundle.experiment.experiment_id: [0] for bundle in plan.bundles}, wall_s=3.0)
    (entry,) = read_forecasts(tmp_path)
    assert entry.training_s is entry.wall_s is None
    assert entry.end
    assert (entry.end.runs, entry.end.training_s_expected) == (2, None)


def test_the_report_has_predicted_against_actual(undisturbed):
    (one,) = launches(undisturbed / "dataset")
    assert one.runs == one.runs_planned == RUNS
    assert one.training_s > 0
    assert one.training_s_predicted > 0
    assert one.wall_s > one.training_s / 64
    assert not one.measured
    page = (undisturbed / "report" / "index.html").read_text(encoding="utf-8")
    assert "What it cost" in page
    assert one.began in page
    assert one.compared in page


@pytest.mark.parametrize(
    ("predicted", "actual", "told"),
    [(10, 10.4, "as predicted"), (10, 29, "2.9 times as long"), (10, 0.42, "0.042 times as long"), (0, 1, "")],
)
def test_a_prediction_is_compared_in_words(predicted, actual, told):
    launch = Launch("", 1, 1, actual, predicted, factor=2.0, wall_s=1, wall_s_predicted=1, measured=True)
    assert launch.compared == told
    assert launch.training_s_bounds == (predicted / 2, predicted * 2)


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        ((12.7 / 3600, 4.23 / 3600, 38.1 / 3600), "12.7 s (4.2 to 38 s)"),
        ((3.0, 2.5, 3.6), "3 h (2.5 to 3.6 h)"),
        ((24 * 365 * 1234.5, 24 * 365 * 411.5, 24 * 365 * 3703.5), "1,230 years (410 to 3,700 years)"),
        ((0.0, 0.0, 0.0), "0 s (0 to 0 s)"),
    ],
)
def test_times_are_told_in_the_unit_that_suits_them(hours, told):
    assert time_range(Range(*hours)) == told
