"""Workers killed while they train: the launch itself ends well, and nothing is lost, doubled or changed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from survey.output.folder import Output
from survey.output.launch_record import read_record
from tests.support.awaiting import HANGS_S, await_that
from tests.support.launching import (
    SAVED_OFTEN,
    await_finished_run,
    launched,
    numbers,
    seeds,
    site,
    start_read,
    statuses,
)
from tests.support.small_survey import LONG, write_space


@pytest.mark.parametrize("seed", seeds(0))
def test_a_worker_killed_at_a_random_moment(seed, tmp_path, undisturbed):
    draw, out = random.Random(seed), tmp_path / "out"
    process, lines, reader = start_read(write_space(tmp_path), "--out", out, "--no-ui", "--num-cpus", 2)
    await_finished_run(out, at_least=1)
    time.sleep(draw.uniform(0, 0.5))
    kill_a_worker(process, draw)
    assert process.wait(HANGS_S) == 0, "".join(lines)
    reader.join(HANGS_S)
    assert numbers(out) == numbers(undisturbed)
    assert "RUNNING" not in statuses(out), "the run of the killed trial is closed"


@pytest.fixture(scope="module")
def longer(tmp_path_factory) -> Path:
    """The output of a survey of one trial of ten seconds and more that is done, beside its search space."""
    folder = tmp_path_factory.mktemp("longer")
    (folder / "long.yaml").write_text(LONG.replace("epochs: 400", "epochs: 4000"))
    launched(folder / "long.yaml", "--out", folder / "out", "--no-ui", "--num-cpus", 1)
    return folder / "out"


@pytest.mark.fault
@pytest.mark.parametrize("seed", range(20))
def test_a_long_trial_goes_on_from_its_checkpoint_on_another_worker(seed, tmp_path, longer):
    draw, out = random.Random(seed), tmp_path / "out"
    arguments = (longer.parent / "long.yaml", "--out", out, "--no-ui", "--num-cpus", 1)
    process, lines, reader = start_read(*arguments, **site(tmp_path, SAVED_OFTEN))
    await_that(lambda: list(out.glob("checkpoints/*.pt")) or process.poll() is not None, every_s=0.02)
    assert process.poll() is None, "".join(lines)
    time.sleep(draw.uniform(0, 1))
    kill_a_worker(process, draw)
    assert process.wait(HANGS_S) == 0, "".join(lines)
    reader.join(HANGS_S)
    assert numbers(out) == numbers(longer)
    assert "RUNNING" not in statuses(out)
    with sqlite3.connect(out / "mlflow.db") as connection:
        resumed = connection.execute("SELECT value FROM tags WHERE key = 'resumed_at_epoch'").fetchall()
    assert len(resumed) == 1
    assert int(resumed[0][0]) > 1


TOLD_OFTEN = f"""{SAVED_OFTEN}
    from functools import partial
    import survey.launch.launcher, survey.trials.tune
    survey.trials.tune.report_every_s = lambda _: 0.2
    survey.launch.launcher.Recorder = partial(survey.launch.launcher.Recorder, every_s=0.1)
"""
"""The same, and trials report often, and the record too."""


@pytest.mark.fault
def test_a_trial_that_goes_on_is_not_given_up_however_many_workers_it_loses(tmp_path, longer):
    out, draw, reached = tmp_path / "out", random.Random(0), 0
    arguments = (longer.parent / "long.yaml", "--out", out, "--no-ui", "--num-cpus", 1)
    process, lines, reader = start_read(*arguments, **site(tmp_path, TOLD_OFTEN))

    def epoch() -> int:
        record = read_record(Output(out))
        return record.figures.running[0].epoch if record and record.figures.running else 0

    def has_come_further() -> bool:
        return epoch() > reached or process.poll() is not None

    await_that(lambda: list(out.glob("checkpoints/*.pt")) or process.poll() is not None)
    for _ in range(5):
        for _ in range(3):  # what the record has, Tune may be a report or two ahead of
            await_that(has_come_further)
            assert process.poll() is None, "".join(lines)
            reached = epoch()
        kill_a_worker(process, draw)
    assert process.wait(HANGS_S) == 0, "".join(lines)
    reader.join(HANGS_S)
    assert numbers(out) == numbers(longer)
    with sqlite3.connect(out / "mlflow.db") as connection:
        (resumed,) = connection.execute("SELECT count(*) FROM tags WHERE key = 'resumed_at_epoch'").fetchone()
    assert resumed == 5


def kill_a_worker(launch: subprocess.Popen, draw: random.Random) -> None:
    workers = [p for p in psutil.Process(launch.pid).children(recursive=True) if "SurveyTrial.train" in name_of(p)]
    assert workers, "the survey still trains"
    draw.choice(workers).kill()


def name_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
