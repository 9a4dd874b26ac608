"""The write-ahead log of a sqlite file, which lets several processes read and write it side by side."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psutil

from survey.errors import TrackingError
from survey.files import disk_full_error, is_disk_full

_NETWORK_FILE_SYSTEMS = (
    *("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "fhgfs", "ceph", "glusterfs", "afs", "panfs", "wekafs"),
    *("pvfs", "gfs2", "ocfs2", "virtiofs", "vboxsf", "autofs", "fuse."),
)


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


def on_network(folder: Path) -> bool:
    """Whether a folder lies on a file system that other machines may write to as well."""
    mounts = [p for p in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(p.mountpoint)]
    # Of several at one place the last one counts: what is mounted on demand lies over the one that waits for it.
    mount = max(reversed(mounts), key=lambda p: len(p.mountpoint), default=None)
    return mount is not None and mount.fstype.startswith(_NETWORK_FILE_SYSTEMS)
