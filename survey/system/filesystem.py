"""What kind of file system a folder lies on."""

from __future__ import annotations

from pathlib import Path

import psutil

_NETWORK_FILE_SYSTEMS = (
    *("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "fhgfs", "ceph", "glusterfs", "afs", "panfs", "wekafs"),
    *("pvfs", "gfs2", "ocfs2", "virtiofs", "vboxsf", "autofs", "fuse."),
)


def on_network(folder: Path) -> bool:
    """Whether a folder lies on a file system that other machines may write to as well."""
    mounts = [p for p in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(p.mountpoint)]
    # Of several at one place the last one counts: what is mounted on demand lies over the one that waits for it.
    mount = max(reversed(mounts), key=lambda p: len(p.mountpoint), default=None)
    return mount is not None and mount.fstype.startswith(_NETWORK_FILE_SYSTEMS)
