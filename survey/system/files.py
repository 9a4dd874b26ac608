"""Small files written atomically, and one error for a disk that is full."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from survey.errors import DiskFullError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAYS_FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded", "File too large")


@contextmanager
def replacing(file: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Give a path beside a file, for what is to take its place, whole or not at all: after an error it is removed.

    Args:
        file: The file.
        lasting: Whether the file has to be whole after a power failure too; that takes some milliseconds.

    Raises:
        OSError: It cannot take the place; the file is as it was.
    """
    temporary = temporary_file(file)
    try:
        yield temporary
        if lasting:
            sync(temporary)
        temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def temporary_file(file: Path) -> Path:
    """Where this process writes what is to take the place of a file."""
    return file.with_name(f".{file.name}.{os.getpid()}.tmp")


def remove_leftovers(file: Path) -> None:
    """Remove what processes that were killed have left of writing a file.

    Raises:
        OSError: It cannot be removed.
    """
    for left in file.parent.glob(f".{file.name}.*.tmp"):
        left.unlink(missing_ok=True)


def remove_with_folders(file: Path, *, num_folders: int) -> int:
    """Remove a file, and so many of the folders above it as are empty then; return its size in bytes.

    Raises:
        OSError: The file cannot be removed.
    """
    size = file.stat().st_size
    file.unlink()
    for folder in list(file.parents)[:num_folders]:
        with suppress(OSError):  # something else is in it
            folder.rmdir()
    return size


def write_text(file: Path, text: str, *, lasting: bool = True) -> None:
    """Replace the text of a file; arguments and errors as of `replacing`."""
    with replacing(file, lasting=lasting) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk.

    A file that is renamed before it is on the disk may be there without its content after a power failure.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that there is no room left on a disk, or in somebody's share of it."""
    return getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _SAYS_FULL)


def disk_full_error(where: object) -> DiskFullError:
    """The error that says that there is no room left for something."""
    return DiskFullError(
        f"{where}: the disk is full; make room and launch again with the same arguments: what is trained is kept"
    )


@contextmanager
def disk_full_errors(where: Path) -> Iterator[None]:
    """Turn an error that says that a disk is full into a `DiskFullError`, which names the file, or else `where`."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise disk_full_error(error.filename or where) from None
