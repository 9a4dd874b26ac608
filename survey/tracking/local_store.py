"""The sqlite file of an output's own MLflow store: in the output folder, or on a disk of this node with a backup there.

On one machine whose output folder lies on a disk of its own, the file is `mlflow.db` in that folder. A sqlite file that
several processes write to does not work on a network file system, and other machines cannot write to it at all: there
the file lies on a disk of the node that launches, and `mlflow.db` is its backup. While it lies there, a note says where
(`survey.tracking.store_note`). A launch that ends leaves the whole store in `mlflow.db` and no note; a note that is
found is one of a launch that died. Its file is restored to the output folder if this is the same node; else the node is
lost, and with it what was not yet backed up (`survey.tracking.recovery`).
"""

from __future__ import annotations

import os
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from survey.errors import InputError, TrackingError
from survey.output.folder import Output
from survey.output.ownership import MARKER, mark
from survey.system.filesystem import on_network
from survey.system.periodic import Periodic
from survey.text.uris import sqlite_uri
from survey.tracking.database import holds_experiments, remove_half_made
from survey.tracking.sqlite import copy_database, end_log
from survey.tracking.store_note import DATABASE_NAME, StoreNote, live_database


class OwnStore:
    """The sqlite file of an output, in place while it is entered. To be entered under the output's lock.

    Args:
        output: The output.
        on_node: Whether the file has to lie on a disk of this node.
        artifacts: URI of the location that was given for artifacts; None for the output folder.
        say: Called with a message where a backup fails, which the survey outlives.
        backup_every_s: Seconds between backups of a file on a disk of this node.
        backup_share: The most of the time that may go to them.

    Raises:
        InputError: There is no folder on a disk of this node; on entering.
        TrackingError: The file cannot be copied; on entering and leaving.

    Attributes:
        file: The file, where it lies now.
        lost_node: The node that is lost with the file of a launch, until `recovered` is called; None for none.
        lost_artifacts: What `artifacts` was for that launch.
    """

    def __init__(
        self,
        output: Output,
        *,
        on_node: bool,
        artifacts: str | None = None,
        say: Callable[[str], None] = lambda _: None,
        backup_every_s: float = 60.0,
        backup_share: float = 0.05,
    ) -> None:
        self._output, self._on_node, self._say = output, on_node or on_network(output.folder), say
        self._artifacts = artifacts
        self.file = live_database(output)
        self.lost_node: str | None = None
        self.lost_artifacts: str | None = None
        self._is_placed = False
        self._copying = threading.Lock()
        self._backed_up: tuple[int, int] | None = None
        self._seen: tuple[int, int] | None = None
        self._has_failed = False
        self._backups = Periodic(
            "MLflow backup", self._back_up_changes, every_s=backup_every_s, most_of_time=backup_share
        )

    @property
    def uri(self) -> str:
        """The tracking URI of the file, for processes of this machine."""
        return sqlite_uri(self.file)

    def __enter__(self) -> OwnStore:
        self._restore()
        remove_half_made(self._output.database)
        self.file = self._output.database
        if self._on_node:
            self._put_on_node()
            self._backups.start()
        return self

    def _restore(self) -> None:
        """Restore the file of a launch that died to the output folder, or note what is lost."""
        note = StoreNote.of(self._output)
        if note is None:
            return
        file = note.found(self._output)
        if file is None:
            self.lost_node, self.lost_artifacts = note.host or "an unknown node", note.artifacts
            return
        if holds_experiments(file):
            with _errors(file, "brought into the output folder"):
                copy_database(file, self._output.database, scratch=file.parent)
        self._output.store_note.unlink()
        _remove_folder(file.parent)

    def _put_on_node(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="survey-mlflow-", dir=_folder_of_this_node()))
        mark(folder, self._output.marker)
        self.file, self._is_placed = folder / DATABASE_NAME, True
        # The note of a node that is lost stays until all is recovered.
        if self.lost_node is None:
            self._write_note()
        if self._output.database.exists():
            with _errors(self._output.database, "copied to this node"):
                end_log(self._output.database)
                copy_database(self._output.database, self.file, scratch=folder)

    def _write_note(self) -> None:
        StoreNote(socket.gethostname(), str(self.file), self._artifacts).write(self._output)

    def recovered(self) -> None:
        """Say that all that can be has been recovered from the loss of a node."""
        self.back_up()
        if self._on_node:
            self._write_note()
        else:
            self._output.store_note.unlink()
        self.lost_node = None

    def back_up(self) -> None:
        """Bring `mlflow.db` in the output folder up to date, where that is a backup."""
        if not self._is_placed or not holds_experiments(self.file):
            return
        with self._copying, _errors(self.file, "backed up to the output folder"):
            copy_database(self.file, self._output.database, scratch=self.file.parent)

    def _back_up_changes(self) -> None:
        """Back up if something has changed; a failure is told once until a backup succeeds again."""
        try:
            version = _change_counter(self.file)
            if version != self._backed_up:
                self.back_up()
                # A log is written a moment before others see its commit: what has just changed is backed up once more.
                self._backed_up = version if version == self._seen else None
                self._seen, self._has_failed = version, False
        except TrackingError as error:
            if not self._has_failed:
                self._say(f"{error}; the next backup is tried in a minute")
            self._has_failed = True

    def __exit__(self, *_: object) -> None:
        if not self._is_placed:
            return
        self._backups.stop()
        self.back_up()
        if self.lost_node is None:
            self._output.store_note.unlink(missing_ok=True)
        _remove_folder(self.file.parent)


def _remove_folder(folder: Path) -> None:
    """Remove a folder that a launch has made for the file: what is its own in it, and the folder if that is all."""
    with suppress(OSError):
        for file in (*folder.glob(f"{DATABASE_NAME}*"), *folder.glob(f"copy-of-{DATABASE_NAME}*"), folder / MARKER):
            file.unlink(missing_ok=True)
        folder.rmdir()


def _change_counter(file: Path) -> tuple[int, int]:
    """Something that differs after each change: sizes and times of the database and its log."""
    parts = [part.stat() for part in (file, file.with_name(f"{file.name}-wal")) if part.exists()]
    return sum(part.st_mtime_ns for part in parts), sum(part.st_size for part in parts)


def _folder_of_this_node() -> Path:
    """A folder for temporary files on a disk of this node: that of TMPDIR, or one of the usual ones."""
    usual = [tempfile.gettempdir(), os.environ.get("SLURM_TMPDIR", ""), "/tmp", "/var/tmp"]
    for folder in usual:
        if folder and os.access(folder, os.W_OK) and not on_network(Path(folder)):
            return Path(folder)
    raise InputError(
        "MLflow's sqlite file needs a folder on a disk of this node, and "
        f"{', '.join(dict.fromkeys(filter(None, usual)))} are none: set TMPDIR to one, or give --tracking-uri"
    )


@contextmanager
def _errors(file: Path, what: str) -> Iterator[None]:
    """Turn errors of copying into one message."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        hint = "; end what has it open, such as an MLflow server" if "locked" in str(error) else ""
        raise TrackingError(f"the MLflow store {file} cannot be {what}: {error}{hint}") from None
