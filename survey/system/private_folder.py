"""A temporary folder on this node that no other user can read or write, for the files of Ray and Tune.

By default Ray uses `ray` in the common temporary folder, where everyone may change files that are unpickled.
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
"""Most bytes of the path of the folder above, so that Ray can make its sockets."""


class PrivateFolder:
    """A new folder, made on entering the context and removed with its content on leaving.

    A killed process leaves its folder behind; the next one of the same user removes it.

    Raises:
        InputError: No location is suitable; on entering.

    Attributes:
        path: The folder, short enough for Ray's sockets and in ASCII.
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
            f"no temporary folder on this machine is suitable: {', '.join(unfit.values())}; set TMPDIR to a writable "
            f"folder on a disk of this machine, whose path is plain ASCII and no longer than {_LONGEST} bytes"
        )

    def _make_in(self, place: Path) -> None:
        _remove_abandoned(place)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))  # mode 0700
            self._lock = _lock_of(self.path)
            with suppress(Timeout):  # another launch takes it for abandoned and removes it
                self._lock.acquire(timeout=0)
                return

    def __exit__(self, *_: Any) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _places() -> Iterator[tuple[str, Path]]:
    """Yield candidate folders, the best first, with the environment variable that names each."""
    for name in ("RAY_TMPDIR", "TMPDIR"):
        if os.environ.get(name):
            yield name, Path(os.environ[name])
    yield from (("", Path("/tmp")), ("", Path("/var/tmp")))
    if os.environ.get("XDG_RUNTIME_DIR"):  # last, as it lies in memory
        yield "XDG_RUNTIME_DIR", Path(os.environ["XDG_RUNTIME_DIR"])


def _problem(place: Path) -> str | None:
    """Why a folder is unsuitable; None if it is not."""
    if not place.is_absolute():
        return "not an absolute path"
    if not str(place).isascii():
        return "not plain ASCII"
    if len(str(place)) > _LONGEST:
        return f"{len(str(place))} bytes long"
    with suppress(OSError):
        mode = place.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            return "others can rename its content"
    return "on a network file system" if on_network(place) else None


def _lock_of(folder: Path) -> FileLock:
    """The lock that the process that uses a folder holds while it lives."""
    return FileLock(folder / "survey.lock")


def _remove_abandoned(place: Path) -> None:
    """Remove this user's folders whose process was killed."""
    for folder in place.glob(_PREFIX + "?" * _RANDOM):
        with suppress(OSError, Timeout):
            lock = _lock_of(folder)
            is_own = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
            if is_own and Path(lock.lock_file).exists():
                with lock.acquire(timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
