"""The user's own training function, surveyed from its search space to its publication."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import analysis
from survey.export.publish.description import About
from survey.export.publish.upload import publish
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.spaces.yaml_file import load_space
from survey.status import survey_status
from survey.workloads.experiment import Run
from tests.support.awaiting import HANGS_S
from tests.support.functions import LINE, write, write_space
from tests.support.launching import (
    await_epochs,
    await_finished_run,
    launch,
    launched,
    outliving,
    start,
    start_read,
    statuses,
)

SLOW = LINE.replace("    for epoch", "    import time\n    for epoch").replace(
    "        metrics =", "        time.sleep(0.05)\n        metrics =", 1
)
GRIDS = "\n  - {slope: [1, 2], level: [0, 3]}\n  - {slope: 5, epochs: 4}\n"


def survey(space: Path, out: Path, *options: object) -> str:
    return launched(space, "--out", out, "--no-ui", *options, cwd=space.parent)


@pytest.mark.launch
def test_a_function_is_surveyed_from_end_to_end(tmp_path):
    """Killed in the middle, resumed, extended by a value of an axis, reported, read, combined, published."""
    write(tmp_path, SLOW)
    space, out = write_space(tmp_path, GRIDS, repetitions=3), tmp_path / "out"
    killed = start(space, "--out", out, "--no-ui", "--num-cpus", 1, cwd=tmp_path)
    await_finished_run(out, at_least=1)
    with outliving(killed):
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    before = statuses(out)["FINISHED"]

    said = survey(space, out)
    assert "15 of 15 runs done" in said
    assert statuses(out)["FINISHED"] > before
    write_space(tmp_path, GRIDS.replace("slope: 5", "slope: [5, 8]"), repetitions=3)
    (tmp_path / "line.py").write_text(f"# a remark\n{SLOW}")
    said = survey(space, out)
    assert "15 done, 3 to train" in said
    assert "has changed" in said
    assert survey_status(out).num_runs_done == 18

    runs = analysis.read(out / "dataset", table="all_repetitions")
    for row in runs.to_dict("records"):
        experiment = next(
            each
            for each in load_space(space).experiments()
            if (each.slope, each.level, each.epochs) == (row["slope"], row["level"], row["epochs"])
        )
        run = Run(experiment, row["repetition"])
        assert (row["run_id"], row["seed"]) == (run.run_id, run.seed)
        expected = [row["level"] + row["slope"] / (epoch + 1) + run.seed % 7 / 100 for epoch in range(row["epochs"])]
        np.testing.assert_array_equal(row["test_loss"], np.array(expected, np.float32))
        np.testing.assert_array_equal(row["late"], [np.nan, np.nan, *range(2, row["epochs"])])
        assert len(row["epoch_seconds"]) == row["epochs"]
    assert runs["source_digest"].nunique() == 2
    assert runs.groupby("repetition")["seed"].nunique().tolist() == [1] * 3, "draws are paired"

    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        keys = {key for (key,) in database.execute("SELECT DISTINCT key FROM metrics")}
        params = {key for (key,) in database.execute("SELECT DISTINCT key FROM params")}
    assert keys == {name + part for name in ("test_loss", "late") for part in ("", "_q1", "_q3")}
    assert {"slope", "level", "epochs", "draws"} <= params

    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "Learning curves" in page
    assert "slope" in page
    assert analysis.combine(out / "dataset", out / "dataset", out=tmp_path / "both").num_equal == 18
    publish(out / "dataset", str(tmp_path / "published"), About("Lines"))
    assert "slope" in (tmp_path / "published" / "README.md").read_text(encoding="utf-8")

    assert "15 done, 3 to train" in survey(space, out, "--redo", "slope=8")
    plan = prepare(str(space), Options(out=out)).plan({})
    assert plan.num_runs == 18


@pytest.mark.launch
def test_a_stop_within_an_epoch_of_seconds_keeps_its_grace_and_loses_nothing(tmp_path):
    write(tmp_path, SLOW.replace("0.05", "2"))
    space, out = write_space(tmp_path, "[{slope: [1, 2]}]", repetitions=1), tmp_path / "out"
    process, lines, reader = start_read(space, "--out", out, "--no-ui", "--num-cpus", 2)
    await_epochs(out)
    with outliving(process):
        os.kill(process.pid, signal.SIGTERM)
        status = process.wait(HANGS_S)
    reader.join(HANGS_S)
    assert status == 130, "".join(lines)
    assert "not all trials have stopped" not in "".join(lines)
    assert len(list((out / "checkpoints").glob("*.pt"))) == 2, "each has gone on to the end of an epoch"
    said = survey(space, out)
    assert "2 of 2 runs done" in said
    runs = analysis.read(out / "dataset", table="all_repetitions")
    assert [len(curve) for curve in runs["test_loss"]] == [6, 6]
    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        query = "SELECT count(*) FROM tags WHERE key = 'resumed_at_epoch'"
        assert database.execute(query).fetchone() == (2,)


ODD = """
import os, sys
def train(*, seed, how: str, epochs: int = 2):
    print("much" * 100_000)
    yield {"test_loss": 1.0}
    if how == "exit":
        sys.exit(3)
    if how == "_exit":
        os._exit(4)
    yield {"test_loss": 0.5}
"""


@pytest.mark.launch
def test_what_fails_is_named_and_everything_else_is_trained(tmp_path):
    write(tmp_path, ODD)
    space = write_space(tmp_path, "[{how: [fine, exit, _exit]}]", repetitions=1)
    status, said = launch(space, "--out", tmp_path / "out", "--no-ui", cwd=tmp_path)
    assert status == 1
    assert "1 of 3 runs done" in said
    assert "failed: train how=exit: line.py, line 7: SystemExit: 3 ended its process, with status 3" in said
    assert "failed: train how=_exit: " in said
    assert "its process has ended by itself, with status 4, before it answered" in said
    assert "much" not in said
    assert statuses(tmp_path / "out")["FAILED"] == 2 * 3 * 2, (
        "three tries of two trials, each with a run of its repetition"
    )
