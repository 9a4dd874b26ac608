"""Trials of a training function, from its calls to the data set: curves that nobody declared, of different lengths."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import chdir, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.report.page import write_report
from survey.dataset.completed_runs import CompletedRuns
from survey.export.publish.description import About
from survey.export.publish.upload import publish
from survey.functions import trainer
from tests.support.awaiting import await_that
from tests.support.function_trials import FunctionSurvey, finish, surveying
from tests.support.functions import LINE, request, write

CURVES = """
def train(*, seed, stop: int, epochs: int = 5):
    for epoch in range(epochs):
        if epoch == stop + seed % 2:
            return
        metrics = {"test_loss": float("nan") if epoch == 1 else 10.0 - epoch}
        if epoch % 2 == 0:
            metrics["even"] = epoch
        if stop == 4 and epoch == 2:
            metrics["rare"] = 7
        yield metrics
"""


def missing(values) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def test_what_is_not_recorded_is_null_and_nan_is_a_value(tmp_path):
    write(tmp_path, CURVES)
    with surveying(request(tmp_path, "[{stop: [2, 4]}]", repetitions=4)) as survey:
        survey.train()
    runs = survey.request.output.dataset / "all_repetitions"
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    schema = pq.read_schema(runs / "_common_metadata")
    rows = ds.dataset(runs, schema=schema, partitioning="hive").to_table().to_pylist()
    assert len(rows) == 8
    for row in rows:
        length = min(5, row["stop"] + row["seed"] % 2)
        expected = [10.0 - epoch for epoch in range(length)]
        assert len(row["epoch_seconds"]) == length
        assert np.isnan(row["test_loss"][1])
        assert [row["test_loss"][0], *row["test_loss"][2:]] == [expected[0], *expected[2:]]
        assert missing(row["even"]) == [float(epoch) if epoch % 2 == 0 else None for epoch in range(length)]
        assert row["rare"] == ([None, None, 7.0, None, None][:length] if row["stop"] == 4 else None)

    summary = analysis.read(survey.request.output.dataset).set_index("stop")
    long = sum(row["seed"] % 2 for row in rows if row["stop"] == 2)
    assert 0 < long < 4, "runs of an experiment differ in length"
    assert summary["num"][2].tolist() == [4, 4, long]
    assert summary["test_loss_median"][2].tolist() == [10.0, np.inf, 8.0], "over those that have come so far"
    assert summary["even_median"][4][[0, 2, 4]].tolist() == [0, 2, 4]
    with closing(sqlite3.connect(survey.request.output.database)) as database:
        steps = "SELECT step FROM metrics JOIN runs USING (run_uuid) WHERE key = 'rare' AND name NOT LIKE '%#%'"
        assert database.execute(steps).fetchall() == [(3,)]


def test_a_trial_goes_on_from_the_state_that_the_function_has_yielded(tmp_path):
    write(tmp_path, LINE)
    with surveying(request(tmp_path, "[{slope: 3}]", repetitions=3)) as survey:
        (trial,) = survey.trials()
        object.__setattr__(survey.settings, "report_every_s", 0.0)
        for _ in range(9):  # a run and a half
            trial.step()
        trial.cleanup()
        (again,) = survey.trials()
        report = again.step()
        assert report["run_epochs"] == 1
        finish(again)
        survey.export()
    curves = analysis.read(survey.request.output.dataset, table="all_repetitions")
    assert [len(curve) for curve in curves["test_loss"]] == [6, 6, 6]
    for row in curves.to_dict("records"):
        expected = [3 / (epoch + 1) + row["seed"] % 7 / 100 for epoch in range(6)]
        np.testing.assert_array_equal(row["test_loss"], np.array(expected, np.float32))
        assert row["late"][2:].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("    return\n    yield", "it has ended without yielding anything"),
        ("    yield {'loss': 1}", "it has never yielded 'test_loss', which the search space names as objective"),
        ("    yield {'test_loss': 1, 'command': 2}", "'command': the data set has a column 'command' of"),
        ("    yield {'test_loss': 1, 'lines': 2}", "'lines': the data set has a column 'lines' of"),
        ("    yield {'test_loss': 1, 'acc': 2}", "'acc': the data set has a column 'acc_median' of an axis"),
        ("    yield {'test_loss': 1, 'test_loss_min': 2}", "'test_loss_min': the data set has a column"),
        ("    yield {'test_loss': 1, 'Top': 1, 'top': 2}", "would share a column of the data set"),
        ("    state = []\n    state.append(state)\n    yield {'test_loss': 1}, state", "state: it holds itself"),
        ("    yield {'test_loss': 1, 'a b': 2}", "'a b': expected a name of letters, digits"),
        ("    yield {'test_loss': 1}\n    yield {'test_loss': 1}\n    yield {'test_loss': 1}", "yields more often"),
        ("    raise ValueError('no')", "line.py, line 2: ValueError: no"),
    ],
)
def test_what_is_wrong_with_a_function_is_told_and_marked(tmp_path, text, told):
    write(tmp_path, f"def train(*, seed, width: int = 1, acc_median: int = 1, epochs: int = 2):\n{text}\n")
    with surveying(request(tmp_path, "[{width: 2}]", repetitions=1)) as survey:
        (trial,) = survey.trials()
        report = finish(trial)
    assert told in report["failed"][0]
    with closing(sqlite3.connect(survey.request.output.database)) as database:
        assert {status for (status,) in database.execute("SELECT status FROM runs")} == {"FAILED"}


def test_a_function_that_never_yields_lets_the_trial_report_and_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_PATIENCE_S", 0.05)
    write(
        tmp_path, "import time\ndef train(*, seed, width: int, epochs: int = 2):\n    time.sleep(1000)\n    yield {}\n"
    )
    with surveying(request(tmp_path, "[{width: 2}]", repetitions=1)) as survey:
        (trial,) = survey.trials()
        for _ in range(2):
            report = trial.step()
            assert (report["done"], report["run_epochs"]) == (False, 0)
        trial.cleanup()


FILES = """
def train(*, seed, folder, slope: float, epochs: int = 4, state=None):
    first = state["epoch"] if state else 0
    if not state:
        assert not list(folder.iterdir())
    (folder / "deep").mkdir(exist_ok=True)
    (folder / "deep" / f"from_{first}.txt").write_text(str(seed))
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to("/etc/passwd")
    for epoch in range(first, epochs):
        (folder / "last.txt").write_text(str(epoch))
        yield {"test_loss": slope / (epoch + 1)}, {"epoch": epoch + 1}
"""


def files_of(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_what_a_run_leaves_in_its_folder_is_an_artifact(tmp_path):
    write(tmp_path, FILES)
    with surveying(request(tmp_path, "[{slope: 3}]")) as survey:
        tracking = replace(survey.settings.tracking, repetition_runs=True)
        survey.settings = replace(survey.settings, tracking=tracking, report_every_s=0.0)
        (trial,) = survey.trials()
        for _ in range(6):  # a run and a half
            trial.step()
        trial.cleanup()
        output = survey.request.output
        assert len(files_of(output.checkpoints)) == 1 + 3 + 3, "a checkpoint, and the files of both runs"
        (again,) = survey.trials()
        finish(again)
    assert not list(output.checkpoints.iterdir())
    (history,) = output.artifacts.glob("*/artifacts/history.parquet")
    runs = [each for each in output.artifacts.glob("*/artifacts") if each != history.parent]
    folders = sorted(runs, key=lambda each: len(files_of(each)))
    assert [files_of(folder) for folder in folders] == [
        ["deep/from_0.txt", "last.txt"],
        ["deep/from_0.txt", "deep/from_2.txt", "last.txt"],
    ], "the second went on from its state, with its files"
    assert {(folder / "last.txt").read_text() for folder in folders} == {"3"}


def test_where_only_the_trial_has_an_mlflow_run_its_artifacts_are_in_folders_of_the_repetitions(tmp_path):
    write(tmp_path, FILES)
    with surveying(request(tmp_path, "[{slope: 3}]")) as survey:
        tracking = replace(survey.settings.tracking, repetition_runs=False)
        survey.settings = replace(survey.settings, tracking=tracking)
        survey.train()
    (history,) = survey.request.output.artifacts.glob("*/artifacts/history.parquet")
    left = {folder.name: files_of(folder) for folder in history.parent.iterdir() if folder.is_dir()}
    assert left == {name: ["deep/from_0.txt", "last.txt"] for name in ("repetition_0", "repetition_1")}


def test_a_run_cannot_leave_more_than_an_artifact_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr("survey.functions.folder.MOST_BYTES", 1000)
    write(
        tmp_path,
        "def train(*, seed, folder, width: int, epochs: int = 1):\n"
        "    (folder / 'model.bin').write_bytes(bytes(1001))\n    yield {'test_loss': 1}\n",
    )
    with surveying(request(tmp_path, "[{width: 2}]", repetitions=1)) as survey:
        (trial,) = survey.trials()
        report = finish(trial)
    assert report["failed"][0].startswith(
        "folder: found 1 files of 1.0 kB; a run may leave 1,000 files of 1.0 kB at most"
    )


def test_without_a_place_for_checkpoints_files_go_through_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    write(tmp_path, FILES)
    with surveying(request(tmp_path, "[{slope: 3}]", repetitions=1)) as survey:
        survey.settings = replace(survey.settings, checkpoints=tmp_path / "nowhere" / "checkpoints")
        (trial,) = survey.trials()
        monkeypatch.setattr("survey.trials.trainable.is_output", lambda *_: True)
        finish(trial)
    (left,) = survey.request.output.artifacts.glob("*/artifacts/last.txt")
    assert left.read_text() == "3"
    assert not list((tmp_path / "tmp").glob("survey-*"))


def points(survey: FunctionSurvey) -> dict[str, list[int]]:
    """The epochs that MLflow has of the objective, by the end of the name of its run."""
    query = "SELECT name, step FROM metrics JOIN runs USING (run_uuid) WHERE key = 'test_loss' ORDER BY name, step"
    found: dict[str, list[int]] = {}
    with closing(sqlite3.connect(survey.request.output.database)) as database:
        for name, step in database.execute(query):
            found.setdefault(name.partition(" #")[2], []).append(step)
    return found


def test_each_repetition_is_seen_in_mlflow_while_it_trains(tmp_path):
    write(tmp_path, LINE)
    with surveying(request(tmp_path, "[{slope: 3}]", repetitions=2)) as survey:
        waits = replace(survey.settings.tracking.waits, flush_s=0.0)
        tracking = replace(survey.settings.tracking, waits=waits)
        survey.settings = replace(survey.settings, tracking=tracking, report_every_s=0.0)
        (trial,) = survey.trials()
        for _ in range(3):
            trial.step()
        await_that(lambda: points(survey))  # a thread writes them, and the last ones with the next
        every = [1, 2, 3, 4, 5, 6]
        assert points(survey) in [{"0": every[:count]} for count in (1, 2, 3)]
        finish(trial)
        assert points(survey) == {"": every, "0": every, "1": every}, "each once"


def test_what_fails_is_tried_again_in_the_same_process(tmp_path):
    write(
        tmp_path,
        "from pathlib import Path\n"
        "def train(*, seed, width: int, epochs: int = 2):\n"
        "    tries = Path('tries.txt')\n"
        "    count = len(tries.read_text()) if tries.exists() else 0\n"
        "    tries.write_text('x' * (count + 1))\n"
        "    yield {'test_loss': 1}\n"
        "    if count < width: raise ValueError('not yet')\n"
        "    yield {'test_loss': 2}\n",
    )
    with chdir(tmp_path), surveying(request(tmp_path, "[{width: [2, 9]}]", repetitions=1)) as survey:
        trials = {each._configs[0]["axes"]["width"]: each for each in survey.trials()}
        assert not finish(trials[2])["failed"], "the third try succeeds"
        report = finish(trials[9])
        survey.export()
    assert report["failed"] == {0: "line.py, line 7: ValueError: not yet"}
    assert len((tmp_path / "tries.txt").read_text()) == 6, "three tries of each"
    assert analysis.read(survey.request.output.dataset)["width"].tolist() == [2]


def test_a_function_that_does_not_end_after_its_last_epoch_is_waited_for_only_so_long(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_PATIENCE_S", 0.05)
    write(
        tmp_path,
        "import time\ndef train(*, seed, width: int, epochs: int = 2):\n"
        "    yield {'test_loss': 1}\n    yield {'test_loss': 2}\n    time.sleep(width)\n",
    )
    with surveying(request(tmp_path, "[{width: [1, 1000]}]", repetitions=1)) as survey:
        quick, slow = sorted(survey.trials(), key=lambda each: each._configs[0]["axes"]["width"])
        assert finish(quick)["epoch"] == 2
        for _ in range(2):
            report = slow.step()
            assert (report["done"], report["epoch"]) == (False, 1), "so it reports meanwhile, and may be stopped"
        monkeypatch.setattr(trainer, "_MOST_ENDING_S", 0.1)
        told = finish(slow)["failed"][0] if slow.cleanup() is None else ""
    assert "it has not ended within" in told


def test_a_metric_of_a_later_launch_is_a_column_too(tmp_path):
    write(tmp_path, LINE)
    with surveying(request(tmp_path, "[{slope: 3, epochs: 2}]")) as survey:
        survey.train()
    assert "late_median" not in analysis.read(survey.request.output.dataset)
    with surveying(request(tmp_path, "[{slope: [3, 4], epochs: [2, 4]}]")) as survey:
        survey.train()
    summary = analysis.read(survey.request.output.dataset)
    assert len(summary) == 4
    assert [curve is not None for curve in summary["late_median"]] == [epochs == 4 for epochs in summary["epochs"]]
    own = survey.request.output.dataset
    assert analysis.combine(own, own, out=tmp_path / "both").num_equal == 8


KINDS = """
from typing import Literal
def train(*, seed, deep: bool, clip: float | None = None, norm: Literal["batch", "layer"] = "batch",
          layers: tuple[int, ...] = (8,), name: str = "a b/c", epochs: int = 2):
    yield {"test_loss": deep + (clip or 0.0), "val/loss": 1.0, "top-1.5": 2.0}
    yield {"test_loss": 0.5, "val/loss": 3.0, "top-1.5": 4.0}
"""


@pytest.mark.usefixtures("without_pixels")
def test_axes_of_all_kinds_are_columns_and_may_be_in_the_paths(tmp_path):
    write(tmp_path, KINDS)
    grids = "[{deep: [false, true], clip: [null, 0.5, 1e-5], norm: [batch, layer], layers: [[4, 2], []]}]"
    with surveying(request(tmp_path, grids, repetitions=1, partition="[deep, clip, norm]")) as survey:
        survey.train()
    frame = analysis.read(survey.request.output.dataset)
    found = {
        (row["deep"], None if np.isnan(row["clip"]) else row["clip"], row["norm"], tuple(row["layers"]), row["name"])
        for row in frame.to_dict("records")
    }
    axes = itertools.product([False, True], [None, 0.5, 1e-5], ["batch", "layer"], [(4, 2), ()], ["a b/c"])
    assert found == set(axes)
    assert frame["val/loss_median"][0].tolist() == [1, 3]
    assert frame["top-1.5_median"][0].tolist() == [2, 4]
    filtered = analysis.read(survey.request.output.dataset, filters=[("deep", "=", True), ("clip", "=", 0.5)])
    assert len(filtered) == 4
    write_report(survey.request.output.dataset, tmp_path / "report")
    with surveying(request(tmp_path, grids, repetitions=1, partition="[deep, clip, norm]")) as again:
        assert not again.request.plan(CompletedRuns.of_dataset(again.request.output.dataset)).bundles


def test_a_survey_of_an_axis_by_its_name_is_exported_read_and_published(tmp_path):
    write(tmp_path, LINE)
    with surveying(request(tmp_path, "[{slope: [1, 2]}]", name="slope", repetitions=1)) as survey:
        survey.train()
    dataset = survey.request.output.dataset
    summary = analysis.read(dataset)
    assert summary["slope"].tolist() == [1.0, 2.0]
    assert summary["slope_sweep"].all()
    assert (dataset / "slope_sweep_summary").is_dir()
    for _ in range(2):
        publish(dataset, str(tmp_path / "published"), About("Slopes"), spaces=survey.request.spaces)
    assert (tmp_path / "published" / "search_spaces" / "slope.yaml").is_file()
