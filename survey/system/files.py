"""Files written atomically, and one error for a full disk."""

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
    """Replace a file atomically: yield a path beside it to write to, then rename that; remove it after an error.

    Args:
        file: The file.
        lasting: Whether the file must survive a power failure, which takes some milliseconds.

    Raises:
        OSError: It cannot be replaced; the file is unchanged.
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
    """Return the path at which this process writes the replacement of a file."""
    return file.with_name(f".{file.name}.{os.getpid()}.tmp")


def remove_leftovers(file: Path) -> None:
    """Remove incomplete replacements of a file that killed processes left.

    Raises:
        OSError: One cannot be removed.
    """
    for left in file.parent.glob(f".{file.name}.*.tmp"):
        left.unlink(missing_ok=True)


def remove_with_folders(file: Path, *, num_folders: int) -> int:
    """Remove a file, and up to `num_folders` folders above it that are then empty; return its size in bytes.

    Raises:
        OSError: The file cannot be removed.
    """
    size = file.stat().st_size
    file.unlink()
    for folder in list(file.parents)[:num_folders]:
        with suppress(OSError):  # not empty
            folder.rmdir()
    return size


def write_text(file: Path, text: str, *, lasting: bool = True) -> None:
    """Replace the text of a file; arguments and errors as for `replacing`."""
    with replacing(file, lasting=lasting) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, from the system's cache to the disk.

    Otherwise a renamed file may be empty after a power failure.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means a full disk or an exceeded quota."""
    return getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _SAYS_FULL)


def disk_full_error(where: object) -> DiskFullError:
    """Return the error for a full disk at `where`."""
    return DiskFullError(
        f"{where}: the disk is full; make room and launch again with the same arguments: what is trained is kept"
    )


@contextmanager
def disk_full_errors(where: Path) -> Iterator[None]:
    """Turn an `OSError` of a full disk into a `DiskFullError` that names the file, or else `where`."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise disk_full_error(error.filename or where) from None
