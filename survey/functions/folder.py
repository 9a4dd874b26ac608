"""The folder of a run, in which the function leaves files that become artifacts."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rich.filesize import decimal

from survey.functions.server import FunctionError

MOST_BYTES = 1 << 30
"""Bytes that a run may leave, at most."""

MOST_FILES = 1000
"""Files that a run may leave, at most."""

_CHECKED_EVERY_S = 1.0


class RunFolder:
    """The folder of a run, empty where the run begins, and as it was where that goes on.

    Args:
        path: Where it is; it is made when the run begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._checked = time.monotonic()

    def open(self, *, goes_on: bool) -> None:
        """Make it; a run that begins gets an empty one."""
        if not goes_on:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def check_now_and_then(self) -> None:
        """Check its size, but not more often than once a second."""
        if time.monotonic() - self._checked >= _CHECKED_EVERY_S:
            self.check()

    def check(self) -> None:
        """Check its size.

        Raises:
            FunctionError: There is more in it than a run may leave.
        """
        self._checked = time.monotonic()
        sizes = [each.lstat().st_size for each in self.path.rglob("*") if each.is_file()]
        if sum(sizes) > MOST_BYTES or len(sizes) > MOST_FILES:
            raise FunctionError(
                f"folder: found {len(sizes):,} files of {decimal(sum(sizes))}; a run may leave {MOST_FILES:,} files of "
                f"{decimal(MOST_BYTES)} at most: write fewer, or write them elsewhere"
            )
