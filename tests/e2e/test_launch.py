"""A survey end to end, on real data, in processes of its own: done, done again, extended, stopped and gone on with."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import ray
import requests

import survey
from survey.cluster.connection import _WORKER_ENVIRONMENT
from survey.output.folder import Output
from survey.output.launch_record import EXPORTING
from survey.spaces.yaml_file import load_space
from survey.status import survey_status
from survey.system.private_folder import PrivateFolder
from tests.support.awaiting import HANGS_S, await_that
from tests.support.exposure import Exposure
from tests.support.launching import (
    address_in,
    await_finished_run,
    await_more_points,
    await_record,
    bytes_of,
    finish_and_compare,
    launch,
    launched,
    numbers,
    rows,
    seeds,
    site,
    start_read,
    statuses,
    stop,
)
from tests.support.paths import PMLB
from tests.support.small_survey import EPOCHS, EXPERIMENTS, REPETITIONS, RUNS, write_space


def test_a_survey_makes_data_set_report_and_mlflow_runs(undisturbed):
    assert len(numbers(undisturbed)) == RUNS
    page = (undisturbed / "report" / "index.html").read_text()
    assert "sklearn:iris" in page
    assert page.count("data:image/png") >= 4
    assert statuses(undisturbed) == {"FINISHED": EXPERIMENTS + RUNS}
    with sqlite3.connect(undisturbed / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        names = {name for (name,) in connection.execute("SELECT name FROM runs")}
        points = connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
    assert f"2^6 rectangle iris d3 lr0.01 b32 e{EPOCHS}" in names, "what varies comes first"
    assert points == (EXPERIMENTS * 24 + RUNS * 4) * EPOCHS
    assert not list(undisturbed.rglob("*.tmp"))


@pytest.mark.launch
def test_launched_again_it_trains_nothing_and_changes_nothing(undisturbed):
    out = undisturbed.with_name("again")
    before = bytes_of(out / "dataset") | bytes_of(out / "report")
    status, output = launch(undisturbed.parent / "small.yaml", "--out", out, "--no-ui")
    assert (status, "nothing left to train" in output) == (0, True), output
    assert bytes_of(out / "dataset") | bytes_of(out / "report") == before


@contextmanager
def callers_ray() -> Iterator[Callable[[], None]]:
    """A Ray of the program that calls `survey.run`, with a core; yields what sees that it is as it was."""
    with PrivateFolder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        patch.setenv("RAY_AUTH_MODE", "to be put back")
        patch.delenv("RAY_AUTH_MODE")  # Ray itself sets it
        patch.setattr(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False)  # on loopback alone
        ray.init(
            address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=f"{folder.path}/r"
        )
        try:
            variables = ray.remote(lambda: {name: os.environ.get(name) for name in _WORKER_ENVIRONMENT})
            before, node = ray.get(variables.remote()), ray.get_runtime_context().gcs_address

            def check() -> None:
                assert ray.get_runtime_context().gcs_address == node
                assert ray.get(variables.remote()) == before
                deadline = time.monotonic() + 30
                while ray.available_resources().get("CPU") != 1 and time.monotonic() < deadline:
                    time.sleep(0.1)
                assert ray.available_resources()["CPU"] == 1

            yield check
        finally:
            ray.shutdown()


@pytest.mark.launch
def test_from_python_a_few_on_the_callers_ray_and_then_all_on_one_of_its_own(undisturbed, tmp_path, monkeypatch):
    """More repetitions and more of the grid add only what is missing; the numbers are those of the command line."""
    monkeypatch.chdir(tmp_path)
    space, out = write_space(tmp_path), tmp_path / "out"
    few = {"repetitions": 2, "limit": 5, "mlflow_runs": "experiment", "mlflow_epochs": "log"}
    with callers_ray() as is_as_it_was:
        result = survey.run(load_space(space), out=out, **few)
        is_as_it_was()
    assert (result.num_experiments, result.num_runs_done, result.num_runs_trained) == (5, 10, 10)
    assert (result.failures, result.missing, result.exit_status) == ((), (), 0)
    assert len(result.summary) == 5
    assert result.summary.small.all()
    assert result.report
    assert result.report.is_file()
    first = rows(out)
    assert len(first) == 10
    assert statuses(out) == {"FINISHED": 5}
    result = survey.run(space, out=out, num_cpus=2)
    assert (result.num_runs_done, result.num_runs_trained) == (RUNS, RUNS - 10)
    assert not ray.is_initialized()
    assert numbers(out) == numbers(undisturbed)
    kept = rows(out).set_index("run_id").loc[first.run_id, "mlflow_run_id"]
    assert kept.tolist() == first.mlflow_run_id.tolist()


@pytest.mark.parametrize(
    ("signals", "limit"),
    [((signal.SIGKILL,), 4), pytest.param((signal.SIGTERM, signal.SIGKILL), EXPERIMENTS, marks=pytest.mark.launch)],
    ids=["once", "twice"],
)
def test_stopped_in_the_middle_and_launched_again_nothing_is_lost_or_doubled(signals, limit, tmp_path, undisturbed):
    """Stopped twice, the second launch goes on where the first was stopped. SIGINT is with the interfaces, below."""
    space, out = write_space(tmp_path), tmp_path / "out"
    leave_unfinished_store(out)
    done = 0
    for number in signals:
        process, lines, reader = start_read(space, "--out", out, "--no-ui", "--num-cpus", 1, "--limit", limit)
        exposure = Exposure(process)
        await_finished_run(out, at_least=done + 1)
        stop(process, number)
        reader.join(HANGS_S)
        (folder,) = map(Path, exposure.folders)
        assert folder.exists() == (number == signal.SIGKILL)
        before, done = done, statuses(out)["FINISHED"]
        assert before < done < limit * (1 + REPETITIONS), "each launch goes on, and is stopped before its end"
        if number != signal.SIGKILL:
            assert process.returncode == 130, "".join(lines)
            assert "again" in "".join(lines)
            assert "RUNNING" not in statuses(out)
    finish_and_compare(space, out, undisturbed, "--limit", limit)
    assert not folder.exists(), "the next launch removes what the killed one has left"


@pytest.mark.parametrize("seed", seeds())
def test_killed_at_a_random_moment_nothing_is_lost_or_doubled(seed, tmp_path, undisturbed):
    """Every fourth time while it exports."""
    space, out = write_space(tmp_path), tmp_path / "out"
    draw = random.Random(seed)
    process, _, _ = start_read(space, "--out", out, "--no-ui", "--num-cpus", 1)
    if seed % 4 == 3:
        await_record(out, lambda record: record.phase == EXPORTING)
        time.sleep(draw.uniform(0, 1))
    else:
        time.sleep(draw.uniform(2, 25))
    stop(process, signal.SIGKILL)
    finish_and_compare(space, out, undisturbed)


def leave_unfinished_store(out: Path) -> None:
    """Leave what a launch leaves that was stopped while MLflow made its tables."""
    Output.at(out).prepare()
    with sqlite3.connect(out / "mlflow.db") as connection:
        connection.execute("CREATE TABLE assessments (assessment_id VARCHAR(50))")


@pytest.mark.launch
def test_a_second_launch_on_the_same_output_is_refused_and_the_first_stops_when_its_time_is_up(tmp_path):
    space, out = write_space(tmp_path, epochs=50_000), tmp_path / "out"
    first, lines, reader = start_read(space, "--out", out, "--no-ui", "--time-limit", "10s")
    try:
        await_that((out / ".lock-holder").exists)
        status, output = launch(space, "--out", out, "--no-ui")
        assert status == 2
        assert re.search(rf"process {first.pid} on \S+ \(since 20\d\d-", output)
    finally:
        first.wait(HANGS_S)
        reader.join(HANGS_S)
    assert first.returncode == 1, "".join(lines)
    said = "".join(lines)
    assert "time limit reached: " in said
    missing = rf"\({RUNS} runs of {EXPERIMENTS} experiments are missing\)"
    assert re.search(rf"^the time limit is reached: launch again .* {missing}$", said, re.MULTILINE)
    assert "missing: " not in said
    assert not set(statuses(out)) - {"KILLED"}


@pytest.mark.launch
def test_both_interfaces_are_up_and_end_with_the_survey(tmp_path):
    out = tmp_path / "out"
    process, lines, reader = start_read(write_space(tmp_path, epochs=50_000), "--out", out, "--num-cpus", 2)
    try:
        await_that(lambda: any("Ray dashboard" in line for line in lines))
        addresses = {name: word for line in lines for name, word in [(line.split("  ")[0], address_in(line))] if word}
        assert requests.get(addresses["MLflow UI"], timeout=HANGS_S).ok
        assert requests.get(addresses["Ray dashboard"], timeout=HANGS_S).ok
        points = [await_more_points(out, than=0)]
        points.append(await_more_points(out, than=points[0]))
        assert statuses(out) == {"RUNNING": 2 * (1 + REPETITIONS)}, "curves grow while trials train"
    finally:
        stop(process, signal.SIGINT)
        reader.join(HANGS_S)
    assert process.returncode == 130, "".join(lines)
    assert statuses(out) == {"KILLED": 2 * (1 + REPETITIONS)}
    with pytest.raises(requests.ConnectionError):
        requests.get(addresses["MLflow UI"], timeout=2)


TRAPEZOIDS_FAIL = """
import survey.networks.topology as t
real = t.residual_layers
def residual_layers(shape, widths):
    if shape == 'trapezoid':
        raise RuntimeError('this one always fails')
    return real(shape, widths)
t.residual_layers = residual_layers
"""


@pytest.mark.launch
def test_a_trial_that_fails_and_data_that_changed(tmp_path):
    """A user's own data, on shares of a GPU for which Ray's own accounts stand in: two trials at once, then the third.

    Python runs `sitecustomize` in every process: here it breaks the training of trapezoids.
    """
    data = tmp_path / "mine.csv"
    table = np.random.default_rng(0).random((60, 2)).round(3)
    lines = [f"{a},{b},{'yes' if a > 0.5 else 'no'}" for a, b in table]
    data.write_text("a,b,y\n" + "\n".join(lines))
    space, out = tmp_path / "own.yaml", tmp_path / "out"
    space.write_text(
        "name: own\nrepetitions: 2\ntasks: {mine: {path: mine.csv, target: y, kind: classification}}\n"
        "grids: [{dataset: mine, shape: [trapezoid, rectangle, exponential], size: 64, depth: 3, epochs: 3}]\n"
    )
    shares = ("--num-cpus", 2, "--num-gpus", 1, "--gpus-per-trial", 0.5)
    status, output = launch(space, "--out", out, "--no-ui", *shares, **site(tmp_path, TRAPEZOIDS_FAIL))
    assert status == 1, output
    assert "failed: mine trapezoid d3 2^6" in output
    assert "this one always fails" in output
    assert re.search(r"missing: mine trapezoid d3 2\^6 .*: 2 of 2 runs", output)
    assert output.count("\nmissing: ") == 1
    assert len(rows(out)) == 4, "the rest goes on"
    assert statuses(out) == {"FINISHED": 2 * (1 + 2), "FAILED": 3 * (1 + 2)}, "tried three times"
    assert list((out / "artifacts").rglob("traceback.txt"))
    record = survey_status(out).launch
    assert record
    assert (record.phase, record.figures.runs_done, record.figures.runs_failed) == ("incomplete", 4, 2)
    assert record.figures.failures == {"RuntimeError: this one always fails": 2}
    assert {name: each.runs_done for name, each in record.figures.classes.items()} == {"1/2 GPU": 4}

    launched(space, "--out", out, "--no-ui")
    assert len(rows(out)) == 6
    before = contents(out)

    data.write_text("a,b,y\n" + "\n".join([*lines, "0.1,0.9,no"]))
    status, output = launch(space, "--out", out, "--no-ui")
    assert status == 2, output
    assert re.search(r"with digest [0-9a-f]{16}\.\.\., now [0-9a-f]{16}", output)
    assert "Traceback" not in output
    assert contents(out) == before, "what is refused changes nothing"


def contents(out: Path) -> dict[str, bytes]:
    """What lies in an output, but for the files of its lock."""
    return {name: data for name, data in bytes_of(out).items() if not name.startswith(".lock")}


@pytest.mark.launch
def test_one_of_joined_experiments_fails_and_the_others_go_on(tmp_path):
    """Three experiments as one trial on a GPU, for which Ray's own accounts stand in; then alone, without one."""
    space, out = tmp_path / "joined.yaml", tmp_path / "out"
    shapes = "[trapezoid, rectangle, exponential]"
    grid = f"{{dataset: 'sklearn:iris', shape: {shapes}, size: 64, depth: 3, epochs: 30}}"
    space.write_text(f"name: joined\nrepetitions: 2\ngrids: [{grid}]\n")
    packed = ("--num-cpus", 1, "--num-gpus", 1, "--pack", 8)
    status, output = launch(space, "--out", out, "--no-ui", *packed, **site(tmp_path, TRAPEZOIDS_FAIL))
    assert status == 1, output
    assert "3 experiments are packed into 1 trial" in output
    assert re.search(r"^failed: iris trapezoid d3 2\^6 .*: RuntimeError: this one always fails$", output, re.MULTILINE)
    assert output.count("failed: ") == 1
    assert output.count("\nmissing: ") == 1
    assert statuses(out) == {"FINISHED": 2 * (1 + 2), "FAILED": 3 * (1 + 2)}, "tried three times, and it alone"
    record = survey_status(out).launch
    assert record
    assert (record.figures.runs_done, record.figures.runs_failed) == (4, 2)
    assert record.figures.failures == {"RuntimeError: this one always fails": 2}
    assert {name: each.runs_done for name, each in record.figures.classes.items()} == {"1 GPU": 4}

    launched(space, "--out", out, "--no-ui")
    assert len(rows(out)) == 6


@pytest.mark.launch
def test_without_its_data_a_launch_starts_and_leaves_nothing(tmp_path):
    space = tmp_path / "far.yaml"
    space.write_text("grids: [{dataset: mnist, shape: rectangle, size: 16384, depth: 3}]")
    nowhere = {"SURVEY_CACHE_DIR": str(tmp_path / "cache"), "SURVEY_PMLB_DIR": "", "https_proxy": "http://127.0.0.1:9"}
    status, output = launch(space, "--out", tmp_path / "out", **nowhere)
    assert status == 2, output
    assert "SURVEY_PMLB_DIR" in output
    assert "`survey fetch`" in output
    assert "Traceback" not in output
    assert not (tmp_path / "out").exists()


@pytest.mark.launch
def test_a_tracking_server_that_does_not_answer_stops_the_launch(tmp_path):
    space = write_space(tmp_path, epochs=3)
    status, output = launch(space, "--out", tmp_path / "out", "--tracking-uri", "http://127.0.0.1:9")
    assert status == 1, output
    assert "cannot be used" in output
    assert "Traceback" not in output


@pytest.mark.scale
@pytest.mark.timeout(3000)
@pytest.mark.skipif(not PMLB.is_dir(), reason="needs the PMLB data of the workplace beside the checkout")
def test_wine_quality_and_houses_train_as_published(tmp_path):
    """The published curve of wine_quality_white, rectangle, depth 3, 2^14; runs differ by about 2 %."""
    space = tmp_path / "wine.yaml"
    for repetitions, epochs, expected, tolerance in (
        (15, 100, {1: 1.90, 10: 1.475, 100: 1.12}, 0.03),
        (5, 1500, {1500: 1.016}, 0.04),
    ):
        space.write_text(
            f"name: wine\nrepetitions: {repetitions}\n"
            "grids: [{dataset: [wine_quality_white], shape: [rectangle], size: [16384], depth: [3], "
            f"epochs: [{epochs}]}}]\n"
        )
        out = tmp_path / f"out{epochs}"
        launched(space, "--out", out, "--no-ui", SURVEY_PMLB_DIR=str(PMLB))
        losses = np.median(np.stack(rows(out).val_loss), axis=0)
        for epoch, loss in expected.items():
            assert losses[epoch - 1] == pytest.approx(loss, rel=tolerance)
    space.write_text(
        "name: houses\nrepetitions: 3\n"
        "grids: [{dataset: 537_houses, shape: rectangle, size: 1024, depth: 3, learning_rate: 0.001, epochs: 100}]\n"
    )
    launched(space, "--out", tmp_path / "houses", "--no-ui", SURVEY_PMLB_DIR=str(PMLB))
    assert 0.010 < np.median(np.stack(rows(tmp_path / "houses").val_loss)[:, -1]) < 0.020
