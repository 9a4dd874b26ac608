"""What a launch shows in a terminal, from its first second to its last: `python -m tests.support.session` prints it.

What renews itself is there once: each stage with its last time, and the trials in the middle of the training.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.terminal import Moment, Terminal

COMMAND = (".venv/bin/survey", "launch")
STAGE = re.compile(r"^[⠀-⣿] (.+?) \d:\d\d:\d\d$")
"""A stage as a terminal shows it: a spinner, its name, its time."""


def shown_by(*arguments: str, cwd: Path) -> tuple[int, list[Moment]]:
    """Launch in a terminal; return the exit status, and what the terminal has shown.

    Args:
        arguments: Those of the launch.
        cwd: The folder to launch in, in which `.venv` will be that of the tests.
    """
    (cwd / ".venv").symlink_to(Path(sys.prefix))
    program = [".venv/bin/python", "-P", "-m", "survey", "launch", *arguments]
    with Terminal(program, cwd) as terminal:
        return terminal.wait(), terminal.moments


def told(moments: Sequence[Moment]) -> list[str]:
    """The lines that stay, and between them what has shown itself meanwhile."""
    stay = moments[-1].lines
    passing: dict[str, tuple[int, list[tuple[str, ...]]]] = {}
    for moment in moments:
        place = _common(moment.lines, stay)
        if block := [line for line in moment.lines[place:] if line]:
            stage = STAGE.match(block[0])
            passing.setdefault(stage[1] if stage else "", (place, []))[1].append(tuple(block))
    shown: list[str] = []
    for place in range(len(stay) + 1):
        for stage, (began_at, blocks) in passing.items():
            if began_at == place:
                shown += blocks[-1] if stage else blocks[len(blocks) // 2]
        shown += stay[place : place + 1]
    return shown


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are the same in both, from the first on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (mine, its) in pairs if mine != its), min(len(one), len(other)))


def main() -> None:
    """Launch the built-in survey in a temporary folder, and print what that shows."""
    with tempfile.TemporaryDirectory() as folder:
        _, moments = shown_by(cwd=Path(folder))
    print("\n".join([f"$ {' '.join(COMMAND)}", *told(moments)]))


if __name__ == "__main__":
    main()
