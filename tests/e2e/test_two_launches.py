"""Two launches on one output: the second is refused, and the next takes over from one that was killed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.awaiting import HANGS_S, await_that
from tests.support.launching import numbers, seeds, site, start_read, statuses
from tests.support.small_survey import EPOCHS

NEVER_DONE = """
import sys, time
if "default_worker" in " ".join(sys.orig_argv):
    from survey.trials.bundle import Bundle
    start_epoch = Bundle.start_epoch

    def held(bundle):
        experiment = bundle._make_trainer.args[0]
        while (experiment.shape, experiment.size, bundle.epoch) == ("trapezoid", 256, EPOCHS - 1):
            time.sleep(1)
        start_epoch(bundle)

    Bundle.start_epoch = held
"""
"""Python runs it as `sitecustomize` in every process: here a survey does not come to its end before it is killed."""

PATIENT = """
from functools import partialmethod
from survey.output.lock import OutputLock
OutputLock.__init__ = partialmethod(OutputLock.__init__, silent_s=100_000.0)
"""
"""Where a holder's heartbeats are awaited, as those of one on another machine is, the launch hangs."""


@pytest.mark.parametrize("seed", seeds(0))
def test_a_second_launch_is_refused_and_a_third_takes_over_from_the_first_that_is_killed(seed, tmp_path, undisturbed):
    """Every fifth time both start at once, and either is the first."""
    draw, out = random.Random(seed), tmp_path / "out"
    arguments = (undisturbed.parent / "small.yaml", "--out", out, "--no-ui", "--num-cpus")
    held = site(tmp_path, NEVER_DONE.replace("EPOCHS", str(EPOCHS)))
    launches = [start_read(*arguments, 1, **held)]
    time.sleep(draw.uniform(0, 8) if seed % 5 else 0.0)
    launches.append(start_read(*arguments, 1, **held))
    await_that(lambda: any(process.poll() is not None for process, _, _ in launches))
    (first, first_lines, _), (second, said, reader) = sorted(launches, key=lambda each: each[0].poll() is not None)
    reader.join(HANGS_S)
    assert second.returncode == 2, "".join(said)
    assert re.search(
        rf"error: {out}: process {first.pid} on \S+ \(since 20\d\d-.* is working on this output", "".join(said)
    )
    time.sleep(draw.uniform(0, 4))
    assert first.poll() is None, "".join(first_lines)
    os.kill(first.pid, signal.SIGKILL)
    third, lines, reader = start_read(*arguments, 2, **site(tmp_path, PATIENT))
    await_holder(out, third.pid)
    assert third.wait(HANGS_S) == 0, "".join(lines)
    reader.join(HANGS_S)
    assert numbers(out) == numbers(undisturbed)
    assert "RUNNING" not in statuses(out)


def await_holder(out: Path, pid: int) -> None:
    def holds() -> bool:
        with suppress(FileNotFoundError, json.JSONDecodeError):
            return json.loads((out / ".lock-holder").read_text())["process"] == pid
        return False

    await_that(holds, "the lock of a dead launch is not taken over")
