"""Sqlite files that several processes read and write: their write-ahead log, and copies while others write."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from survey.errors import TrackingError
from survey.system.files import disk_full_error, is_disk_full, remove_leftovers, replacing, sync
from survey.system.filesystem import on_network


def use_write_ahead_log(file: Path) -> None:
    """Set the write-ahead log on a sqlite file, which is created where there is none.

    It needs memory shared between processes, so on a network file system the file stays as it is.

    Raises:
        TrackingError: It is no sqlite database, or cannot be written to.
        DiskFullError: There is no room for it.
    """
    if on_network(file.parent):
        return
    try:
        connection = sqlite3.connect(file)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
    except sqlite3.Error as error:
        if is_disk_full(error):
            raise disk_full_error(file) from None
        raise TrackingError(f"{file}: cannot be used as a sqlite database: {error}") from None


def copy_database(source: Path, target: Path, *, scratch: Path) -> None:
    """Replace `target` by a copy of `source`; when this returns, the copy is on the disk.

    Writers of `source` go on meanwhile. The copy has no write-ahead log, so that it may lie on a network file system;
    such a file system sees finished files only, written from end to end.

    Args:
        source: The database.
        target: Where the copy is to lie.
        scratch: Folder on a disk of this machine, for the time of copying.

    Raises:
        sqlite3.Error: `source` cannot be read.
        OSError: The copy cannot be written; `target` is as it was.
    """
    made = scratch / f"copy-of-{source.name}"
    made.unlink(missing_ok=True)
    remove_leftovers(target)
    try:
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(made)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        with replacing(target) as temporary:
            shutil.copyfile(made, temporary)
            end_log(target)
        sync(target.parent)
    finally:
        made.unlink(missing_ok=True)


def end_log(file: Path) -> None:
    """Have a database's write-ahead log written into it and removed, if it has one.

    A log that is left beside a file that takes the database's place would be applied to that file.

    Raises:
        sqlite3.Error: Another process has the database open.
    """
    if file.with_name(f"{file.name}-wal").exists():
        with closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
