"""SIGTERM, and SIGKILL 30 s later, as schedulers of clusters send them, where an epoch takes seconds."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from survey.output.folder import Output
from survey.output.launch_record import read_record
from survey.trials.signals import GRACE_S
from tests.support.awaiting import HANGS_S
from tests.support.launching import (
    await_epochs,
    await_training,
    finish_and_compare,
    launched,
    numbers,
    outliving,
    seeds,
    site,
    start_read,
    statuses,
    stop,
)

SPACE = """
name: large
repetitions: 4
grids: [{dataset: "sklearn:digits", shape: rectangle, size: 16777216, depth: 3, epochs: 4}]
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A survey of seconds for each epoch that nobody disturbed."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "large.yaml").write_text(SPACE)
    launched(folder / "large.yaml", "--out", folder / "out", "--no-ui", "--num-cpus", 1)
    return folder / "out"


@pytest.mark.fault
@pytest.mark.parametrize("seed", range(20))
def test_sigterm_where_an_epoch_takes_seconds(seed, tmp_path, large):
    space, out = large.parent / "large.yaml", tmp_path / "out"
    arguments = (space, "--out", out, "--no-ui", "--num-cpus", 1)
    process, lines, reader = start_read(*arguments)
    await_training(out)
    time.sleep(random.Random(seed).uniform(0, 30))
    with outliving(process):
        os.kill(process.pid, signal.SIGTERM)
        status = process.wait(HANGS_S)
    reader.join(HANGS_S)
    assert status in (0, 130), "".join(lines)
    assert status == 0 or "again" in "".join(lines)
    launched(*arguments)
    assert numbers(out) == numbers(large)
    assert "RUNNING" not in statuses(out)


@pytest.mark.parametrize("seed", seeds())
def test_sigterm_at_a_random_moment(seed, tmp_path, undisturbed):
    """Also while the launch starts; before it could take notice, it ends as any process does."""
    out = tmp_path / "out"
    arguments = (undisturbed.parent / "small.yaml", "--out", out, "--no-ui", "--num-cpus", 2)
    process, lines, reader = start_read(*arguments)
    time.sleep(random.Random(seed).uniform(0, 12))
    stop(process, signal.SIGTERM)
    reader.join(HANGS_S)
    assert process.returncode in (0, 130, -signal.SIGTERM), "".join(lines)
    assert process.returncode != 130 or "again" in "".join(lines)
    assert "Traceback" not in "".join(lines)
    finish_and_compare(arguments[0], out, undisturbed)


SLOW_TO_STOP = """
import sys, time
import survey.trials.checkpoint
survey.trials.checkpoint.Checkpoint.save = lambda *_: time.sleep(100_000)
if "survey.launch" in sys.orig_argv:
    from functools import partial
    from survey.trials import signals
    signals.StopSignals = partial(signals.StopSignals, grace_s=3.0)
"""


@pytest.mark.launch
def test_where_a_trial_takes_longer_to_stop_than_the_grace_the_launch_ends_nevertheless(tmp_path):
    """Python runs `sitecustomize` in every process: here a checkpoint takes a day, and the grace is 3 s."""
    space, out = tmp_path / "slow.yaml", tmp_path / "out"
    space.write_text(SPACE.replace("16777216", "1024").replace("epochs: 4", "epochs: 50000"))
    process, lines, reader = start_read(space, "--out", out, "--no-ui", "--num-cpus", 1, **site(tmp_path, SLOW_TO_STOP))
    await_epochs(out)
    with outliving(process):
        os.kill(process.pid, signal.SIGTERM)
        status = process.wait(HANGS_S)
    reader.join(HANGS_S)
    assert status == 130, "".join(lines)
    assert "not all trials have stopped within 3 s" in "".join(lines)
    record = read_record(Output(out))
    assert record
    assert record.phase == "interrupted"
    assert GRACE_S < 30
