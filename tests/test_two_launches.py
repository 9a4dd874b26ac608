"""Two launches on one output: the second is refused, and the next takes over from one that was killed."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from conftest import seeds
from launching import numbers, start_read, statuses

from survey.output_lock import Holder


@pytest.mark.parametrize("seed", seeds(0))
def test_a_second_launch_is_refused_and_a_third_takes_over_from_the_first_that_is_killed(seed, tmp_path, undisturbed):
    """Every fifth time both start at once, and either is the first."""
    draw, out = random.Random(seed), tmp_path / "out"
    arguments = (undisturbed.parent / "small.yaml", "--out", out, "--no-ui", "--num-cpus")
    launches = [start_read(*arguments, 1)]
    time.sleep(draw.uniform(0, 8) if seed % 5 else 0.0)
    launches.append(start_read(*arguments, 1))
    while all(process.poll() is None for process, _, _ in launches):
        time.sleep(0.05)
    (first, first_lines, _), (second, said, reader) = sorted(launches, key=lambda each: each[0].poll() is not None)
    reader.join(10)
    assert second.returncode == 2, "".join(said)
    assert re.search(
        rf"error: {out}: process {first.pid} on \S+ \(since 20\d\d-.* is working on this output", "".join(said)
    )
    time.sleep(draw.uniform(0, 4))
    assert first.poll() is None, "".join(first_lines)
    os.kill(first.pid, signal.SIGKILL)
    third, lines, reader = start_read(*arguments, 2)
    await_holder(out, third.pid)
    assert third.wait(200) == 0, "".join(lines)
    reader.join(10)
    assert numbers(out) == numbers(undisturbed)
    assert "RUNNING" not in statuses(out)


def await_holder(out: Path, pid: int) -> None:
    """Return when a process holds an output: at once, and not after the 30 s for which another machine is watched."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        holder = Holder.read(out / ".lock-holder")
        if holder and holder.process == pid:
            return
        time.sleep(0.05)
    raise AssertionError("the lock of a dead launch is not taken over")
