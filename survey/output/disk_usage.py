"""How much of the disk an output takes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from rich.filesize import decimal
from rich.text import Text

from survey.output.folder import Output
from survey.system.periodic import Periodic

_EVERY_S = 60.0
"""Time between two counts, at least."""

_MOST_OF_TIME = 0.02
"""The most of the time that may go to counting again and again."""

_COUNTED_FOR_S = 5.0
"""Time for counting: an output of hundreds of thousands of files on a network file system would take minutes."""


@dataclass(frozen=True)
class DiskUse:
    """Bytes on disk.

    Attributes:
        parts: By what they are: `data set`, `artifacts`, `MLflow store`, `checkpoints`, `states`.
        is_whole: Whether all files have been counted; else the numbers are what was reached within some seconds.
        free: Bytes free on the file system.
    """

    parts: dict[str, int]
    is_whole: bool
    free: int


def disk_use(output: Output) -> DiskUse:
    """Count what an output takes."""
    ends = time.monotonic() + _COUNTED_FOR_S
    store = sum(file.stat().st_size for file in output.folder.glob("mlflow.db*") if file.exists())
    parts = {"MLflow store": store}
    folders = {"data set": output.dataset, "checkpoints": output.checkpoints, "artifacts": output.artifacts}
    if output.states.exists():
        folders["states"] = output.states
    for name, folder in folders.items():
        parts[name] = 0
        for size in _sizes(str(folder)):
            parts[name] += size
            if time.monotonic() > ends:
                return DiskUse(parts, False, shutil.disk_usage(output.folder).free)
    return DiskUse(parts, True, shutil.disk_usage(output.folder).free)


class DiskWatch:
    """Counts the disk use of an output every minute or less often, in a thread of its own.

    Args:
        output: The output.
        use: What has been counted already; None for nothing, and then the first count begins at once.

    Attributes:
        use: What was counted last; None before the first count.
    """

    def __init__(self, output: Output, use: DiskUse | None = None) -> None:
        self._output, self.use = output, use
        self._counting = Periodic(
            "disk use",
            self._count,
            every_s=_EVERY_S,
            first_after_s=None if use else 0.0,
            most_of_time=_MOST_OF_TIME,
        )

    def start(self) -> None:
        """Start counting."""
        self._counting.start()

    def stop(self) -> None:
        """Stop counting; a count that is under way is not waited for."""
        self._counting.stop(wait=False)

    def _count(self) -> None:
        with suppress(OSError):
            self.use = disk_use(self._output)


def disk_line(use: DiskUse) -> Text:
    """The disk use in one line."""
    parts = ", ".join(f"{name} {decimal(size)}" for name, size in use.parts.items() if size)
    return Text(f"disk: {'' if use.is_whole else 'more than '}{parts or 'nothing yet'}; {decimal(use.free)} free")


def _sizes(folder: str) -> Iterator[int]:
    """Yield the sizes of all files below a folder; what goes away meanwhile, or cannot be listed, is passed over."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        yield from _sizes(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
    except (FileNotFoundError, PermissionError):
        return
