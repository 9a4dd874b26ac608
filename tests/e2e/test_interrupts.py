"""Ctrl-C in a terminal at a random moment of each stage of a launch: it is answered, and the next launch goes on.

`pytest -m "" -s` prints how long the first word took, and the end.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

from tests.support.awaiting import await_that
from tests.support.launching import finish_and_compare, seeds
from tests.support.small_survey import write_space
from tests.support.terminal import CTRL_C, Terminal

STAGES = {
    "planning": 2.0,
    "starting Ray": 5.0,
    r"\b[1-9]\d* running  0 failed": 2.0,
    "exporting": 0.3,
    "writing the report": 2.0,
}
"""What a terminal shows of each stage, and the seconds within which Ctrl-C is pressed after that: some of its time."""


@pytest.mark.parametrize("seed", seeds())
def test_ctrl_c_is_answered_at_each_stage_and_the_next_launch_goes_on(seed, undisturbed, tmp_path: Path):
    space, out, draws = write_space(tmp_path), tmp_path / "out", random.Random(seed)
    command = [sys.executable, "-P", "-m", "survey", "launch", str(space), "--out", str(out)]
    for stage, within_s in STAGES.items():
        with Terminal(command, tmp_path) as terminal:
            await_that(lambda stage=stage, terminal=terminal: terminal.shows(stage), every_s=0.01)
            time.sleep(draws.uniform(0, within_s))
            pressed_s = terminal.press(CTRL_C)
            status = terminal.wait()
            ended_s = terminal.elapsed_s
        screen = "\n".join(terminal.lines)
        answered = [moment.at_s for moment in terminal.moments if any("interrupted" in line for line in moment.lines)]
        assert status == 130, screen
        assert answered, screen
        assert "to continue" in screen
        assert "Traceback" not in screen
        print(f"{stage.strip():24} first word {answered[0] - pressed_s:5.2f} s, end {ended_s - pressed_s:5.2f} s")
    finish_and_compare(space, out, undisturbed)
    assert (out / "report" / "index.html").is_file()
