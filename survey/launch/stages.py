"""What a launch is doing, said from its first second to its last."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from survey.text.notebook import live_output
from survey.text.terminal import say


class Stages:
    """Names the stages of a launch; a context manager, which ends the last one.

    A terminal or a notebook shows the present stage with its time, until the next one or an end; elsewhere each is a
    line.

    Args:
        console: Where to say it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: Progress | None = None
        self._cell = live_output(console)

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, name: str, *, has_line: bool = True) -> None:
        """End the stage before, and begin this one.

        Args:
            name: What is being done.
            has_line: Whether it is a line where there is no terminal; not if it may end with an error alone.
        """
        self.end()
        if self._cell:
            began = time.monotonic()
            self._cell.show(lambda: f"{name} {timedelta(seconds=int(time.monotonic() - began))}")
            return
        if not self._console.is_terminal:
            if has_line:
                say(self._console, name)
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._shown = Progress(*columns, console=self._console, transient=True)
        self._shown.add_task(name, total=None)
        self._shown.start()

    def end(self) -> None:
        """End the stage, if there is one: what follows shows itself."""
        if self._cell:
            self._cell.hide()
        if self._shown:
            self._shown.stop()
        self._shown = None
