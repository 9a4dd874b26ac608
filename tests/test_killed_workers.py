"""Workers killed while they train: the launch itself ends well, and nothing is lost, doubled or changed."""

from __future__ import annotations

import random
import time

import psutil
import pytest
from conftest import write_space
from test_launch import await_finished_run, numbers, start_read, statuses

SLOW = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20)]


@pytest.mark.parametrize("seed", [0, *SLOW])
def test_a_worker_killed_at_a_random_moment(seed, tmp_path, undisturbed):
    draw, out = random.Random(seed), tmp_path / "out"
    process, lines, reader = start_read(write_space(tmp_path), "--out", out, "--no-ui", "--num-cpus", 2)
    await_finished_run(out, at_least=1)
    time.sleep(draw.uniform(0, 0.5))
    workers = [p for p in psutil.Process(process.pid).children(recursive=True) if "SurveyTrial.train" in name_of(p)]
    assert workers, "the survey still trains"
    draw.choice(workers).kill()
    assert process.wait(200) == 0, "".join(lines)
    reader.join(10)
    assert numbers(out) == numbers(undisturbed)
    assert "RUNNING" not in statuses(out), "the run of the killed trial is closed"


def name_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
