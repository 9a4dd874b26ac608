"""The kind of file system of a folder."""

from __future__ import annotations

from pathlib import Path

import psutil

_NETWORK_FILE_SYSTEMS = (
    *("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "fhgfs", "ceph", "glusterfs", "afs", "panfs", "wekafs"),
    *("pvfs", "gfs2", "ocfs2", "virtiofs", "vboxsf", "autofs", "fuse."),
)


def on_network(folder: Path) -> bool:
    """Whether a folder is on a file system to which other machines may also write."""
    mounts = [p for p in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(p.mountpoint)]
    # Of several at one mount point, the last counts: file systems mounted on demand cover their automounter.
    mount = max(reversed(mounts), key=lambda p: len(p.mountpoint), default=None)
    return mount is not None and mount.fstype.startswith(_NETWORK_FILE_SYSTEMS)
