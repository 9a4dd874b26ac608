"""How much of the disk an output takes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

from survey.output import Output

_COUNTED_FOR_S = 5.0
"""Time for counting: an output of hundreds of thousands of files on a network file system would take minutes."""


@dataclass(frozen=True)
class DiskUse:
    """Bytes on disk.

    Attributes:
        parts: By what they are: `data set`, `artifacts`, `MLflow store`, `checkpoints`.
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
    for name, folder in folders.items():
        parts[name] = 0
        for size in _sizes(str(folder)):
            parts[name] += size
            if time.monotonic() > ends:
                return DiskUse(parts, False, shutil.disk_usage(output.folder).free)
    return DiskUse(parts, True, shutil.disk_usage(output.folder).free)


def _sizes(folder: str) -> Iterator[int]:
    """Yield the sizes of all files below a folder; what goes away meanwhile is passed over."""
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
    except FileNotFoundError:
        return
