"""A clock of the day that jumps while a survey trains: by hours, forward and back."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from survey.output.folder import Output
from survey.output.launch_record import read_record
from survey.system.clock import Clock
from tests.support.awaiting import HANGS_S
from tests.support.launching import await_training, numbers, rows, seeds, site, start_read, statuses

JUMPS = """
import os, time
_file = os.path.join(os.path.dirname(__file__), "jump")
def _jumping(real, unit):
    def now():
        with open(_file) as stream:
            return real() + unit(float(stream.read()))
    return now
time.time = _jumping(time.time, float)
time.time_ns = _jumping(time.time_ns, lambda seconds: int(seconds * 10**9))
"""


def jump(folder: Path, seconds: float) -> None:
    (folder / "part").write_text(str(seconds))
    (folder / "part").replace(folder / "jump")


@pytest.mark.parametrize("seed", seeds(0))
def test_a_clock_that_jumps_while_a_survey_trains(seed, tmp_path, undisturbed):
    """Python runs `sitecustomize` in every process: here it moves the clock by what a file says."""
    jump(tmp_path, 0)
    draw, out = random.Random(seed), tmp_path / "out"
    arguments = (undisturbed.parent / "small.yaml", "--out", out, "--no-ui", "--num-cpus", 2, "--time-limit", "1d")
    began = time.monotonic()
    process, lines, reader = start_read(*arguments, **site(tmp_path, JUMPS))
    if draw.random() < 0.8:
        await_training(out)
    while process.poll() is None:
        time.sleep(draw.uniform(0.2, 3))
        jump(tmp_path, draw.choice([-1, 1]) * draw.uniform(3600, 36000))
    took = time.monotonic() - began
    reader.join(HANGS_S)
    assert process.returncode == 0, "".join(lines)
    assert numbers(out) == numbers(undisturbed)
    assert set(statuses(out)) == {"FINISHED"}
    frame = rows(out)
    assert (frame.update_time >= frame.start_time).all()
    assert frame.train_seconds.between(0, took).all()
    with sqlite3.connect(out / "mlflow.db") as connection:
        (lasted,) = connection.execute("SELECT min(end_time - start_time) FROM runs").fetchone()
    assert lasted >= 0
    record = read_record(Output(out))
    assert record
    assert 0 < record.figures.seconds < took
    assert record.figures.epochs >= len(frame) * len(frame.loss[0]), "some are trained twice where a trial is"


def test_a_clock_counts_on_from_its_start(monkeypatch):
    began, day, counted = 1_000_000, [1_000_000], [50.0]
    monkeypatch.setattr("survey.system.clock.time", SimpleNamespace(time=lambda: day[0], monotonic=lambda: counted[0]))
    clock, later = Clock(), Clock(not_before_ms=began * 1000 + 5000)
    day[0], counted[0] = began - 7200, 50.25
    assert clock.now_ms() - began * 1000 == 250
    assert later.now_ms() - began * 1000 == 5250
