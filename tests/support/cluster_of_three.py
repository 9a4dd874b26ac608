"""A Ray cluster of three nodes on this host, each with a core, until it is ended: `python -m cluster_of_three`.

With arguments `FOLDER SECOND THIRD`, the second and the third node see what is in those folders where the head sees
FOLDER, as machines do that share no disk; that takes the rights of root.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

from ray.cluster_utils import Cluster

_CLONE_NEWNS = 0x00020000


def main(folder: str = "", *instead: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for other in instead or ("", ""):
            if other:
                show(other, at=folder)
            cluster.add_node(num_cpus=1)
        print("ready at", cluster.address, flush=True)
        signal.pause()
    finally:
        cluster.shutdown()


def show(folder: str, *, at: str) -> None:
    """Let what this process starts from now on see a folder in another one's place; nobody else notices."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", folder, at], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
