"""A temporary folder on a disk of this node that no other user can read or write, for Ray's files and Tune's.

Ray's own choice is `ray` in the common temporary folder: everyone may change its files, some of which are unpickled.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from survey.errors import InputError
from survey.system.filesystem import on_network

_PREFIX, _RANDOM = "survey-", 8
_SOCKET = "/r/session_2026-12-31_23-59-59_999999_4194304/sockets/dash_MetricsHead"
"""The longest path of a Unix socket that Ray makes below the folder."""
_SYSTEM_TAKES = 107
_LONGEST = _SYSTEM_TAKES - len(_SOCKET) - len(f"/{_PREFIX}") - _RANDOM
"""Bytes that the path of the folder above may have: else Ray's sockets cannot be made."""


class PrivateFolder:
    """A new folder while it is entered; then it is removed with all that is in it.

    A process that is killed leaves its own behind: the next one of the same user removes it.

    Raises:
        InputError: There is no place for one; on entering.

    Attributes:
        path: The folder: short enough for Ray's sockets, and of letters that Ray takes.
    """

    path: Path
    _lock: FileLock

    def __enter__(self) -> PrivateFolder:
        unfit = {}
        for name, place in _places():
            problem = _problem(place)
            if problem is None:
                try:
                    self._make_in(place)
                    return self
                except OSError as error:
                    problem = error.strerror or str(error)
            unfit[place] = f"{f'{name}={place}' if name else place} ({problem})"
        raise InputError(
            f"no temporary folder on this machine will do: {', '.join(unfit.values())}; set TMPDIR to a folder on a "
            f"disk of this machine that can be written, whose path is plain ASCII and no longer than {_LONGEST} bytes"
        )

    def _make_in(self, place: Path) -> None:
        _remove_abandoned(place)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))  # mode 0700
            self._lock = _lock_of(self.path)
            with suppress(Timeout):  # another launch, which has just taken it for abandoned, removes it
                self._lock.acquire(timeout=0)
                return

    def __exit__(self, *_: Any) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _places() -> Iterator[tuple[str, Path]]:
    """Yield folders that may do, the best first, with the environment variable that names each."""
    for name in ("RAY_TMPDIR", "TMPDIR"):
        if os.environ.get(name):
            yield name, Path(os.environ[name])
    yield from (("", Path("/tmp")), ("", Path("/var/tmp")))
    if os.environ.get("XDG_RUNTIME_DIR"):  # last, as it lies in memory
        yield "XDG_RUNTIME_DIR", Path(os.environ["XDG_RUNTIME_DIR"])


def _problem(place: Path) -> str | None:
    """Why a folder does not do."""
    if not place.is_absolute():
        return "not an absolute path"
    if not str(place).isascii():
        return "not plain ASCII"
    if len(str(place)) > _LONGEST:
        return f"{len(str(place))} bytes long"
    with suppress(OSError):
        mode = place.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            return "others can rename what is in it"
    return "on a network file system" if on_network(place) else None


def _lock_of(folder: Path) -> FileLock:
    """What the process that uses a folder holds for as long as it lives."""
    return FileLock(folder / "survey.lock")


def _remove_abandoned(place: Path) -> None:
    """Remove folders of this user's whose process has been killed."""
    for folder in place.glob(_PREFIX + "?" * _RANDOM):
        with suppress(OSError, Timeout):
            lock = _lock_of(folder)
            is_own = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
            if is_own and Path(lock.lock_file).exists():
                with lock.acquire(timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
