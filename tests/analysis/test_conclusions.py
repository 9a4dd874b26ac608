"""What the runs of a data set can tell: differences, bands, effects, what may be the best; on networks and walks."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import random_walk

from analysis import curves, difference, effects, intervals, read
from analysis.conclusions.axis_effects import HIGHER, NOISE, effects_of
from analysis.conclusions.bands import mean_band
from analysis.conclusions.best_settings import BestSettings, best_settings
from analysis.conclusions.full_grid import largest_grid, thinned
from analysis.conclusions.scores import judged_by
from analysis.conclusions.surveyed import surveyed
from analysis.explore.catalogue import catalogue
from analysis.explore.index import open_index
from analysis.reading.axes import axes_of
from analysis.report.condense import experiments
from analysis.report.told import told
from analysis.statistics.mean_intervals import paired_interval, unpaired_interval
from survey import Grid
from survey.errors import InputError
from survey.networks.columns import COLUMNS as NETWORK_COLUMNS
from survey.workloads.experiment import Run
from tests.support.analysis_data import as_published, bowl, experiment, grid, mixed_data_set, write_data_set
from tests.support.workload_data import MADE, Made, hills, write_workload

pytestmark = pytest.mark.usefixtures("made_is_installed")

STEPS, DRIFTS, RUNS = (0.5, 1.0, 2.0), (0.0, 0.1), 8


def walk(step: float, drift: float, runs: int = RUNS, **more: Any) -> tuple[random_walk.WalkExperiment, dict]:
    made = random_walk.WalkExperiment(step=step, drift=drift, epochs=12, **more)
    values = random_walk.walks(made, [Run(made, repetition).seed for repetition in range(runs)])
    return made, dict(zip(random_walk.METRICS.curves, values, strict=False))  # `measured` only if there is an error


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> Path:
    found = dict(walk(step, drift) for step in STEPS for drift in DRIFTS)
    return write_workload(tmp_path_factory.mktemp("walks") / "dataset", random_walk.COLUMNS, found)


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> Path:
    return mixed_data_set(tmp_path_factory.mktemp("mixed") / "dataset")


def scored(folder: Path, scores: dict[Made, list[float]]) -> Path:
    """Write experiments with the given scores of their runs: the height at the second of two epochs."""
    made = {each: np.array([[value - 1, value] for value in values]) for each, values in scores.items()}
    return write_workload(folder, MADE, {each: {"height": high, "width": high} for each, high in made.items()})


def least(dataset: Path, **setting: float) -> np.ndarray:
    """The scores of the runs of a walk, by repetition."""
    runs = read(dataset, table="all_repetitions", filters=[(name, "=", value) for name, value in setting.items()])
    return np.array([curve.min() for curve in runs.sort_values("repetition")["distance"]], np.float64)


# Differences


def test_a_difference_of_two_walks_is_that_of_their_runs(walked):
    found = difference(walked, {"step": 0.5, "drift": 0.1}, {"step": 2.0})
    a, b = least(walked, step=0.5, drift=0.1), least(walked, step=2.0, drift=0.1)
    assert (found.difference, found.low, found.high) == pytest.approx(paired_interval(a, b, 0.95))
    assert found.paired
    assert (found.a.setting, found.b.setting, found.a.runs) == ("step 0.5", "step 2", RUNS)
    assert (found.a.mean, found.b.median) == pytest.approx((a.mean(), np.median(b)))
    assert found.median_difference == pytest.approx(np.median(b - a))
    assert str(found) == (
        f"distance of step 2 less that of step 0.5: {found.difference:.4g}, between {found.low:.4g} and "
        f"{found.high:.4g} at 95 %. A run counts by its distance at the epoch of its least distance, chosen by the "
        "numbers that are compared, which therefore look better than they are. Paired: 8 repetitions, each with the "
        "same draws in both."
    )


def test_experiments_are_named_by_their_ids_too(walked):
    one, other = (walk(step, 0.1)[0].experiment_id for step in (0.5, 2.0))
    by_settings = difference(walked, {"step": 0.5, "drift": 0.1}, {"step": 2.0})
    assert difference(walked, one, other) == by_settings
    assert difference(walked, np.uint64(one), {"step": 2}) == by_settings  # type: ignore[arg-type]
    assert difference(walked, one, {"step": 2.0}, level=0.5).low > by_settings.low


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ({"step": 0.5}, {"step": 2}, r"a: step 0\.5 fits 2 experiments, which differ in drift: 0, 0\.1\. Name these"),
        ({"stp": 0.5}, {"step": 2}, r"a: 'stp' is no setting .* \(did you mean 'step'\?\); they differ in step, drift"),
        ({"step": 0.5, "drift": 0}, {"step": 3}, r"b: no experiment has step 3, drift 0; .* have a step of 0\.5, 1, 2"),
        ({"step": 0.5, "drift": 0}, {"drift": "much"}, "b: no experiment has step 0.5, drift much"),
        (7, {"step": 3}, "a: no experiment has the id 7; read the column experiment_id"),
        ("walk", {"step": 3}, r"a is 'walk'; expected the id of an experiment, or settings such as"),
        (True, {"step": 3}, "a is True; expected the id"),
        ({"step": [0.5, 1]}, {"step": 3}, r"a: step is \[0\.5, 1\]; expected one value, not several"),
        ({"step": 0.5, "drift": 0}, {}, "a and b are the same experiment"),
        ({}, {}, "a: nothing fits 6 experiments"),
    ],
)
def test_settings_that_are_not_one_experiment(walked, a, b, message):
    with pytest.raises(InputError, match=message):
        difference(walked, a, b)


def without(dataset: Path, curve: str, copy: Path) -> Path:
    """A copy of a data set whose runs lack a curve."""
    shutil.copytree(dataset, copy)
    file = copy / "all_repetitions" / "_common_metadata"
    schema = pq.read_schema(file)
    pq.write_metadata(schema.remove(schema.get_field_index(curve)), file)
    return copy


def test_experiments_that_differ_in_a_list_are_told_apart(tmp_path):
    lists = [(8,), (8, 8), (16,)]
    high = {steps: np.full((3, 8), float(sum(steps))) + np.arange(3)[:, None] / 10 for steps in lists}
    made = {Made(steps=steps): dict.fromkeys(("height", "width", "unseen"), high[steps]) for steps in lists}
    dataset = write_workload(tmp_path / "dataset", MADE, made)
    assert surveyed(dataset).axes == ("steps",)
    found = difference(dataset, {"steps": [8]}, {"steps": (16,)})
    assert (found.a.setting, found.b.setting) == ("steps [8]", "steps [16]")
    assert found.difference == pytest.approx(8)
    assert effects(dataset)["effect"].tolist()[0] == "steps"
    assert set(open_index(dataset).experiments["steps"]) == {"[16]", "[8, 8]", "[8]"}
    assert set(experiments(dataset)["steps"]) == {"[16]", "[8, 8]", "[8]"}
    with pytest.raises(InputError, match=r"no experiment has steps \[9\]; those that there are have a steps of \[16\]"):
        difference(dataset, {"steps": [9]}, {"steps": [8]})


def of_widths(hidden: tuple[int, ...], floor: float, **more: Any) -> dict[str, Any]:
    """A network of given widths; others have its size and depth, too."""
    return experiment("sklearn:digits", "widths", 3, 5130, bowl(floor, 12, 20), widths=[*hidden, 10], **more)


def test_networks_of_given_widths_are_told_apart(tmp_path):
    rates = (1e-4, 1e-3)
    rows = [
        of_widths(each, floor, learning_rate=rate)
        for each, floor in (((64, 32), 0.1), ((32, 64), 0.2))
        for rate in rates
    ]
    dataset = write_data_set(tmp_path / "given", rows, repetitions=5)
    assert surveyed(dataset).axes == ("widths", "learning_rate")
    found = difference(dataset, {"widths": [64, 32], "learning_rate": 1e-3}, {"widths": (32, 64)})
    assert (found.a.setting, found.b.setting) == ("widths [64, 32]", "widths [32, 64]")
    assert found.difference == pytest.approx(0.1, rel=0.01)
    assert effects(dataset)["effect"].tolist()[0] == "widths"
    of_explorer = {axis["name"]: axis for axis in catalogue(open_index(dataset))["axes"]}
    assert list(of_explorer) == ["widths", "learning_rate"]
    assert of_explorer["widths"]["texts"] == ["[32, 64]", "[64, 32]"]
    assert of_explorer["widths"]["decides"] == ("depth", "size")
    of_report = told(dataset, experiments(dataset), NETWORK_COLUMNS, lambda row: str(row["widths"][:2].tolist()))
    assert of_report.effects
    assert of_report.effects.effects[0].name == "widths"
    assert {each.label for each in of_report.candidates} == {"[64, 32]"}

    dataset = write_data_set(tmp_path / "mixed", [*grid(), *rows])
    assert set(surveyed(dataset).experiments["widths"].dropna()) == {"[64, 32]", "[32, 64]"}
    assert told_of(dataset)[1].startswith("20 of 24 experiments")


def test_what_cannot_be_compared(walked, networks, tmp_path):
    one, other = {"step": 0.5, "drift": 0}, {"step": 1}
    with pytest.raises(
        InputError, match=r"metric 'distanc' .* \(did you mean 'distance'\?\); those of random_walk are"
    ):
        difference(walked, one, other, metric="distanc")
    with pytest.raises(InputError, match="metric 'position' is none of which less or more is better"):
        difference(walked, one, other, metric="position")
    with pytest.raises(InputError, match="level is 95; expected a number between 0 and 1"):
        difference(walked, one, other, level=95)
    with pytest.raises(InputError, match="learn different tasks, 537_houses and nursery"):
        difference(networks, {"dataset": "537_houses", "size": 256}, {"dataset": "nursery", "size": 256})
    with pytest.raises(InputError, match="the runs have no measured, by which they would be compared"):
        difference(without(walked, "measured", tmp_path / "without"), one, other, metric="measured")
    with pytest.raises(InputError, match="not a data set"):
        difference(tmp_path, one, other)


def test_networks_are_compared_by_any_metric_that_has_a_best(tmp_path):
    settings = {"kernel_regularizer.type": "l2", "kernel_regularizer.l2": 0.01}
    rows = [*grid(), experiment("sklearn:digits", "rectangle", 2, 256, bowl(0.3, 9, 10), **settings)]
    dataset = write_data_set(tmp_path / "dataset", rows, repetitions=5)
    a = {"shape": "rectangle", "size": 1024, "depth": 2, "kernel_regularizer.type": None}
    found = difference(dataset, a, {"depth": 3})
    runs = read(dataset, table="all_repetitions", filters=[("size", "=", 1024), ("shape", "=", "rectangle")])
    scores = {depth: [loss.min() for loss in rows["val_loss"]] for depth, rows in runs.groupby("depth")}
    expected = unpaired_interval(scores[2], scores[3], 0.95)
    assert (found.difference, found.low, found.high) == pytest.approx(expected, rel=1e-5)
    assert not found.paired
    assert "Unpaired: 5 runs and 5 runs with draws of their own" in str(found)
    assert difference(dataset, a, {"depth": 3}, metric="val_loss") == found
    assert difference(dataset, a, {"depth": 3}, metric="test_loss") == found
    penalty = difference(dataset, {**a, "size": 256}, {"kernel_regularizer.type": "l2"})
    ids = penalty.a.experiment_id, penalty.b.experiment_id
    assert difference(dataset, *ids) == penalty  # of axes that are null in one of them
    assert (penalty.a.setting, penalty.b.setting) == (
        "kernel regularizer.l2 none, kernel regularizer.type none",
        "kernel regularizer.l2 0.01, kernel regularizer.type l2",
    )


def test_where_a_set_chooses_the_epoch_another_judges(tmp_path):
    found = dict(walk(step, 0.0, error=0.5) for step in STEPS)
    dataset = write_workload(tmp_path / "dataset", random_walk.COLUMNS, found)
    told = difference(dataset, {"step": 0.5}, {"step": 2.0})
    a, b = (
        np.array(
            [distance[place] for distance, place in zip(each["distance"], each["measured"].argmin(1), strict=True)]
        )
        for made, each in found.items()
        if made.step in (0.5, 2.0)
    )
    assert (told.difference, told.low, told.high) == pytest.approx(paired_interval(a, b, 0.95))
    assert "A run counts by its distance at the epoch of its least measured. Paired" in str(told)
    assert effects(dataset)["share"].sum() == pytest.approx(1)


def test_published_data_are_compared_without_pairs(tmp_path):
    """They number no repetitions and know no draws; version 1 has independent ones."""
    dataset = write_data_set(tmp_path / "dataset", grid(), repetitions=4, schema_of=as_published)
    found = difference(dataset, {"shape": "rectangle", "size": 1024, "depth": 2}, {"depth": 3})
    assert not found.paired
    assert (found.a.runs, found.b.runs) == (4, 4)
    assert found.low < found.difference < found.high


def test_independent_draws_are_compared_without_pairs(tmp_path):
    found = dict(walk(step, 0.0, draws="independent") for step in STEPS)
    dataset = write_workload(tmp_path / "dataset", random_walk.COLUMNS, found)
    told = difference(dataset, {"step": 0.5}, {"step": 2.0})
    a, b = least(dataset, step=0.5), least(dataset, step=2.0)
    assert not told.paired
    assert (told.difference, told.low, told.high) == pytest.approx(unpaired_interval(a, b, 0.95))
    assert told.median_difference == pytest.approx(np.median(b) - np.median(a))


def test_runs_without_a_partner_are_left_out_and_counted(tmp_path):
    dataset = scored(tmp_path / "dataset", {Made(count=1): [1, 2, 3, 9], Made(count=2): [3, 5, 4]})
    found = difference(dataset, {"count": 1}, {"count": 2})
    assert (found.difference, found.a.mean, found.a.runs) == (2, 2, 3)
    assert "1 run without a partner is left out." in str(found)


def test_experiments_without_a_common_repetition(tmp_path):
    dataset = scored(tmp_path / "dataset", {Made(count=1): [1, 2], Made(count=2): [3, 5]})
    runs = next((dataset / "all_repetitions").rglob("count=2/*.parquet"))
    table = pq.ParquetFile(runs).read()
    later = pa.array([2, 3], table.schema.field("repetition").type)
    pq.write_table(table.set_column(table.column_names.index("repetition"), "repetition", later), runs)
    found = difference(dataset, {"count": 1}, {"count": 2})
    assert "unknown. " in str(found)
    assert str(found).endswith("They have no repetition in common.")


def test_runs_that_diverged_leave_no_interval(tmp_path):
    scores = {Made(count=1): [1, 2, 3], Made(count=2): [math.nan, 5, 6], Made(count=3): [math.nan] * 3}
    dataset = scored(tmp_path / "dataset", scores)
    found = difference(dataset, {"count": 1}, {"count": 2})
    assert math.isnan(found.difference)
    assert math.isnan(found.low)
    assert math.isnan(found.b.mean)
    assert (found.a.mean, found.b.median, found.b.not_finite) == (2, 6, 1)
    assert "unknown" in str(found)
    assert "1 of 3 runs of count 2 diverged: without a finite score there is no mean" in str(found)
    assert "3 of 3 runs of count 3 diverged" in str(difference(dataset, {"count": 1}, {"count": 3}))


def test_one_run_has_no_interval(tmp_path):
    dataset = scored(tmp_path / "dataset", {Made(count=1): [1], Made(count=2): [3]})
    found = difference(dataset, {"count": 1}, {"count": 2})
    assert found.difference == 2
    assert math.isnan(found.low)
    assert "2, without an interval" in str(found)
    assert "One run tells nothing of how runs differ: repeat both settings." in str(found)


# Bands


def test_bands_of_runs_and_of_summaries_are_alike(walked):
    runs = read(walked, table="all_repetitions", columns=["experiment_id", "step", "repetition", "distance"])
    summary = read(walked, columns=["experiment_id", "distance_avg", "distance_stddev", "distance_num_finite", "num"])
    of_runs, of_summary = (intervals(each).sort_values(["experiment_id", "epoch"]) for each in (runs, summary))
    numbers = ["distance_mean", "distance_low", "distance_high", "distance_runs", "distance_not_finite"]
    assert of_runs.columns.tolist() == ["experiment_id", "step", "epoch", *numbers]
    assert len(of_runs) == 6 * 12
    np.testing.assert_allclose(of_runs[numbers], of_summary[numbers], rtol=1e-5)
    pd.testing.assert_frame_equal(intervals(curves(runs)), intervals(runs))
    one = runs[runs["experiment_id"] == runs["experiment_id"].iloc[0]]
    third = np.array([curve[2] for curve in one["distance"]], np.float64)
    row = of_runs[(of_runs["experiment_id"] == one["experiment_id"].iloc[0]) & (of_runs["epoch"] == 3)].iloc[0]
    assert row["distance_mean"] == pytest.approx(third.mean())
    assert row["distance_high"] - third.mean() == pytest.approx(2.364624 * third.std(ddof=1) / math.sqrt(8), rel=1e-5)


def test_bands_have_no_mean_where_a_run_diverged(tmp_path):
    made = {Made(): {"height": np.array([[1, 2.0], [3, math.inf], [5, 4]]), "width": np.zeros((3, 2))}}
    dataset = write_workload(tmp_path / "dataset", MADE, made)
    for frame in (read(dataset), read(dataset, table="all_repetitions", columns=["experiment_id", "height"])):
        found = intervals(frame)
        assert found["height_mean"].iloc[0] == 3
        assert np.isnan(found.loc[1, ["height_mean", "height_low", "height_high"]].to_numpy(float)).all()
        assert found["height_not_finite"].tolist() == [0, 1]
        assert found["height_runs"].tolist() == [3, 3]
    low, high = mean_band(read(dataset), "height", np.array([1, 2]), 0.95)
    assert (low[0, 0], high[0, 0]) == pytest.approx(tuple(found.loc[0, ["height_low", "height_high"]]))
    assert np.isnan([low[0, 1], high[0, 1]]).all()


def test_bands_of_single_runs_have_no_ends(tmp_path):
    dataset = scored(tmp_path / "dataset", {Made(): [3.0]})
    found = intervals(read(dataset))
    assert found["height_mean"].tolist() == [2, 3]
    assert found["height_low"].isna().all()


def test_frames_of_which_there_are_no_bands(walked):
    with pytest.raises(InputError, match="neither runs with experiment_id and curves, nor a summary with NAME_avg"):
        intervals(read(walked, columns=["experiment_id", "num_runs", "distance_median"]))
    with pytest.raises(InputError, match="the frame lacks distance_stddev, num; read it too"):
        intervals(read(walked, columns=["experiment_id", "distance_avg"]))
    with pytest.raises(InputError, match="level is 2"):
        intervals(read(walked), level=2)
    with pytest.raises(InputError, match="curves is a PosixPath; expected a frame"):
        intervals(walked)
    with pytest.raises(InputError, match="'kind' holds no numbers, but stands after epoch"):
        intervals(curves(read(walked)).assign(kind="a walk"))


@pytest.mark.scale
def test_bands_contain_the_mean_as_often_as_they_say():
    values = np.random.default_rng(0).normal(size=(4000, 5, 3))
    runs = pd.DataFrame(
        [{"experiment_id": number, "score": run} for number, each in enumerate(values) for run in each],
    )
    found = intervals(runs)
    assert ((found["score_low"] <= 0) & (found["score_high"] >= 0)).mean() == pytest.approx(0.95, abs=0.01)


# Effects


def shares(frame: pd.DataFrame) -> dict[str, float]:
    return dict(zip(frame["effect"], frame["share"], strict=True))


def test_effects_by_hand(tmp_path):
    """Means 0, 2, 2, 8 of two axes, and runs of which each pair differs by 2: the noise has the variance 2.

    Main effects have the variance 4, the interaction 1; of each, noise is 2 / 2 / 4 = 1/4, which leaves 15/4, 15/4 and
    3/4. Heights are not losses, so that no logarithm is taken; draws are independent.
    """
    means = {(1, False): 0, (1, True): 2, (2, False): 2, (2, True): 8}
    made = {
        Made(count=count, flag=flag, draws="independent"): [mean - 1, mean + 1] for (count, flag), mean in means.items()
    }
    found = effects(scored(tmp_path / "dataset", made))
    total = 15 / 4 + 15 / 4 + 3 / 4 + 2
    expected = {"count": 15 / 4 / total, "flag": 15 / 4 / total, "count × flag": 3 / 4 / total, NOISE: 2 / total}
    assert shares(found) == pytest.approx(expected)
    assert found.columns.tolist() == ["effect", "share", "computed_on"]
    assert set(found["computed_on"]) == {"all 4 experiments, 2 runs each"}


def test_effects_of_walks_and_of_networks(walked, networks):
    found = effects(walked)
    assert found["effect"].tolist()[-2:] == ["step × drift", NOISE]
    assert found["share"].sum() == pytest.approx(1)
    assert effects(walked, metric="distance").equals(found)
    told = effects(networks)
    assert told.columns.tolist() == ["dataset", "effect", "share", "computed_on"]
    assert told.groupby("dataset")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    digits = told[told["dataset"] == "sklearn:digits"]
    assert set(digits["effect"]) >= {"size", "depth", "shape", "shape × size", HIGHER, NOISE}
    assert set(digits["computed_on"]) == {"all 20 experiments, 3 runs each"}
    assert set(told[told["dataset"] == "nursery"]["effect"]) == {"size", NOISE}


def test_losses_are_compared_by_their_logarithms(tmp_path):
    """Factors 1, 2, 4 and 1, 10: no interaction, once their logarithms are taken."""
    scores = [
        experiment("sklearn:digits", "rectangle", depth, size, bowl(0.1 * factor * times, np.log2(size), 20))
        for (depth, factor), (size, times) in itertools.product(((2, 1), (3, 2), (4, 4)), ((256, 1), (512, 10)))
    ]
    found = shares(effects(write_data_set(tmp_path / "dataset", scores)))
    one, other = np.log([1, 2, 4]).var(), np.log([1, 10]).var()
    assert found["depth"] / found["size"] == pytest.approx(one / other, rel=0.01)
    assert found["depth × size"] == pytest.approx(0, abs=1e-6)


def told_of(dataset: Path, most: int | None = None) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Names of the effects, on what they were computed, and what else is said."""
    known = surveyed(dataset)
    found = effects_of(dataset, known.experiments, known.axes, judged_by(known.columns, known.experiments, None), most)
    return tuple(each.name for each in found.effects), found.computed_on, found.remarks


def heights(*settings: dict, runs: int = 3) -> dict[Made, list[float]]:
    """Scores of some experiments, all different."""
    return {Made(**each): [number + 0.1 * run**2 for run in range(runs)] for number, each in enumerate(settings)}


def test_effects_on_a_union_of_grids(tmp_path):
    """Two by three, and a fourth count for one of the flags: that is left out."""
    settings = [{"count": count, "flag": flag} for count in (1, 2, 3) for flag in (False, True)]
    dataset = scored(tmp_path / "dataset", heights(*settings, {"count": 4, "flag": True}))
    names, computed_on, _ = told_of(dataset)
    assert set(names) == {"count", "flag", "count × flag", NOISE}
    assert computed_on == "6 of 7 experiments, 3 runs each: count 1, 2, 3; flag False, True"


def test_effects_of_axes_that_were_never_crossed(tmp_path):
    settings = [{"count": count} for count in (1, 2, 3, 4)] + [{"rate": rate} for rate in (2.0, 3.0)]
    names, computed_on, _ = told_of(scored(tmp_path / "dataset", heights(*settings)))
    assert names == ("count", NOISE)
    assert computed_on == "4 of 6 experiments, 3 runs each: count 1, 2, 3, 4; at rate 1"


def test_axes_that_vary_together_are_not_told_apart(tmp_path):
    settings = [{"count": count, "rate": float(count), "flag": flag} for count in (1, 2) for flag in (False, True)]
    names, computed_on, remarks = told_of(scored(tmp_path / "dataset", heights(*settings)))
    assert set(names) == {"rate", "flag", "rate × flag", NOISE}
    assert computed_on.startswith("all 4 experiments")
    assert "rate stands for count too, which it determines here." in remarks


def test_effects_without_the_experiments_that_lack_runs_or_diverged(tmp_path):
    settings = [{"count": count, "flag": flag} for count in range(1, 11) for flag in (False, True)]
    scores = heights(*settings)
    scores[Made(count=3, flag=True)] = [1.0]
    scores[Made(count=5, flag=False)] = [1.0, math.nan, 2.0]
    _, computed_on, remarks = told_of(scored(tmp_path / "dataset", scores))
    assert computed_on == "16 of 20 experiments, 3 runs each: count 1, 2, 4, 6, 7, 8, 9, 10; flag False, True"
    assert "Left out: 1 setting without the runs that most have." in remarks
    assert "Left out: 1 setting with runs that have no finite score." in remarks


def test_effects_of_one_experiment_of_one_run_and_of_nothing(tmp_path):
    assert told_of(scored(tmp_path / "one", {Made(): [1.0, 2.0]}))[0] == (NOISE,)
    single = scored(tmp_path / "single", heights({"count": 1}, {"count": 2}, runs=1))
    assert shares(effects(single))["count"] == 1
    assert math.isnan(shares(effects(single))[NOISE])
    assert any(remark.startswith("There is one run of each: the noise") for remark in told_of(single)[2])
    names, computed_on, remarks = told_of(scored(tmp_path / "lost", {Made(count=n): [math.nan] * 2 for n in (1, 2)}))
    assert (names, computed_on) == ((), "no experiment")
    assert "Left out: 2 settings with runs that have no finite score." in remarks


def test_effects_of_equal_scores(tmp_path):
    dataset = scored(tmp_path / "dataset", {Made(count=count): [4.0, 4.0] for count in (1, 2)})
    assert effects(dataset)["share"].isna().all()
    assert "All scores are equal." in told_of(dataset)[2]


def test_a_large_grid_is_thinned_evenly(tmp_path):
    frame = pd.DataFrame([{"a": a, "b": b} for a in range(12) for b in range(5)])
    found = thinned(largest_grid(frame, ["a", "b"]), 12)
    assert found.levels == (3, 2)
    assert found.levels == tuple(found.experiments[name].nunique() for name in found.axes)
    assert {0, 11} <= set(found.experiments["a"])


def test_the_largest_grid_is_full_and_in_order():
    random = np.random.default_rng(0)
    points = [{"a": a, "b": b, "c": c} for a in range(4) for b in "xyz" for c in (0.5, None)]
    for keep in (1.0, 0.9, 0.6, 0.2):
        frame = pd.DataFrame([point for point in points if random.random() <= keep]).sample(frac=1, random_state=0)
        found = largest_grid(frame, ["a", "b", "c"])
        assert len(found.experiments) == math.prod(found.levels)
        keys = [found.experiments[name].map(lambda value: -1 if pd.isna(value) else value) for name in found.axes]
        assert list(zip(*keys, strict=True)) == sorted(zip(*keys, strict=True))
        assert keep < 1 or len(found.experiments) == 24


# What may be the best


def compared(dataset: Path) -> BestSettings:
    known = surveyed(dataset)
    return best_settings(dataset, known.experiments, judged_by(known.columns, known.experiments, None))


def test_what_may_be_the_best(tmp_path):
    luck = [0.0, 4.0, -3.0, 1.0, 2.0]
    runs: dict[int, Callable[[int], float]] = {1: lambda _: 9, 2: lambda r: 8.9 + 0.1 * (-1) ** r, 3: lambda _: 5}
    made = {Made(count=count): [score(r) + luck[r] for r in range(5)] for count, score in runs.items()}
    found = compared(scored(tmp_path / "dataset", made))
    assert found.paired
    assert found.candidates["count"].tolist() == [1, 2]
    assert found.leading["count"].tolist() == [1]
    assert found.behind == pytest.approx([0, 0.08], abs=1e-6)
    assert (found.tested, found.surveyed, found.repetitions) == (3, 3, 5)
    assert 0 < found.resolved < 1
    assert found.needed > 5
    assert not found.in_log
    assert found.mean == "mean"
    unpaired = {Made(count=each.count, draws="independent"): values for each, values in made.items()}
    alone = compared(scored(tmp_path / "unpaired", unpaired))
    assert not alone.paired
    assert len(alone.candidates) == 3
    assert alone.resolved > found.resolved


def test_losses_that_may_be_the_best_are_compared_by_their_logarithms(tmp_path):
    """Runs are 0.92 to 1.08 times the median; a setting with four times the loss is told from the others."""
    rows = [
        experiment("sklearn:digits", "rectangle", 2, size, bowl(0.1 * factor, np.log2(size), 20))
        for size, factor in ((256, 1), (512, 1.01), (1024, 4))
    ]
    dataset = write_data_set(tmp_path / "dataset", rows, repetitions=5)
    found = compared(dataset)
    assert found.in_log
    assert found.mean == "geometric mean"
    assert found.candidates["size"].tolist() == [256, 512]
    factors = np.array([0.92, 0.96, 1.0, 1.04, 1.08])
    assert found.behind == pytest.approx([0, 0.001 * np.exp(np.log(factors).mean())], rel=1e-3)


def test_what_cannot_be_compared_is_counted(tmp_path):
    made = {Made(count=count): [5.0 + count, 6.0 - count] for count in range(1, 20)}
    made[Made(count=20)] = [math.nan, 50.0]
    made[Made(count=21)] = [50.0]
    made[Made(count=22)] = [math.nan, math.nan]
    found = compared(scored(tmp_path / "dataset", made))
    assert (found.tested, found.surveyed, found.incomplete, found.diverged) == (19, 22, 1, 2)


def test_one_run_or_none_tells_nothing(tmp_path):
    found = compared(scored(tmp_path / "one", {Made(count=1): [1.0], Made(count=2): [2.0]}))
    assert found.leading["count"].tolist() == [2]
    assert found.candidates.empty
    assert math.isnan(found.resolved)
    assert found.needed == 0
    lost = compared(scored(tmp_path / "lost", {Made(count=1): [math.nan] * 2}))
    assert lost.leading.empty
    assert lost.candidates.empty
    alone = compared(scored(tmp_path / "alone", {Made(count=1): [1.0, 2.0]}))
    assert len(alone.candidates) == 1
    assert math.isnan(alone.resolved)
    constant = compared(scored(tmp_path / "constant", {Made(count=1): [1.0, 1.0], Made(count=2): [2.0, 2.0]}))
    assert constant.candidates["count"].tolist() == [2]
    assert constant.resolved == 0


def test_of_many_settings_those_with_the_best_medians_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.conclusions.best_settings.MAX_TESTED", 3)
    found = hills(rates=(1.0, 2.0), count=(1, 2, 3))
    told = compared(write_workload(tmp_path / "dataset", MADE, found))
    assert (told.tested, told.surveyed) == (3, 6)
    assert told.candidates["count"].tolist() == [3]


def test_axes_are_what_a_search_space_sets(walked, networks):
    """Not what follows from it, such as the number of parameters, and not what is said of the data."""
    assert surveyed(walked).axes == ("step", "drift")
    known = surveyed(networks)
    assert {"dataset", "depth", "shape", "size"} <= set(known.axes)
    axes = {name.replace(".", "_") for name in axes_of(known.columns, known.experiments)}
    assert axes <= set(Grid.keys())
    assert axes >= {*Grid.keys()} - {"epochs", "draws"}
