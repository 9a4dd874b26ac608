"""What this machine has, as far as this process may use it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MEMORY_FOR_TRIALS = 0.8
"""Part of the memory that all trials together may take."""

_ASSUMED_GPU_BYTES = 16 << 30
"""Memory of a GPU that only other machines of the cluster have."""

_CGROUPS = Path("/sys/fs/cgroup")


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory of this machine, or what the container or the batch job of this process may take of it."""
    return min([psutil.virtual_memory().total, *_cgroup_limits(Path("/proc/self/cgroup"))])


def _cgroup_limits(groups: Path) -> Iterator[int]:
    """Yield the limits of the control groups that a process is in, of version 2 and of version 1, and those above.

    Args:
        groups: Lists them, as `/proc/self/cgroup` does: `0::/system.slice/job`, or `9:memory:/slurm/job`.
    """
    lines = groups.read_text(encoding="utf-8").splitlines() if groups.exists() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers not in ("", "memory"):
            continue
        root, name = (_CGROUPS / "memory", "memory.limit_in_bytes") if controllers else (_CGROUPS, "memory.max")
        folder = root / path.lstrip("/")
        for each in (folder, *folder.parents):
            if each.is_relative_to(root):
                with suppress(OSError, ValueError):  # there is no such file, or it says `max`
                    yield int((each / name).read_text(encoding="ascii"))


def bytes_per_core() -> int:
    """A core's part of the memory that trials may take.

    Of all cores, also where a launch uses fewer: so a trial is split alike in each launch.
    """
    return int(MEMORY_FOR_TRIALS * memory_bytes()) // num_cores()


def gpu_bytes() -> int:
    """Memory of a GPU of this machine, or of one as a cluster may have."""
    import torch

    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else _ASSUMED_GPU_BYTES
