"""Cores and memory of this machine that this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MEMORY_FOR_TRIALS = 0.8
"""Share of the memory that all trials together may take."""

_ASSUMED_GPU_BYTES = 16 << 30
"""Assumed memory of a GPU, if only other machines of the cluster have any."""

_CGROUPS = Path("/sys/fs/cgroup")


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the memory of this machine, or the limit of this process's container or batch job, in bytes."""
    return min([psutil.virtual_memory().total, *_cgroup_limits(Path("/proc/self/cgroup"))])


def _cgroup_limits(groups: Path) -> Iterator[int]:
    """Yield the memory limits of a process's control groups (versions 1 and 2) and of those above them.

    Args:
        groups: The list of groups, as `/proc/self/cgroup`: `0::/system.slice/job`, or `9:memory:/slurm/job`.
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
    """Return a core's share, in bytes, of the memory that trials may take.

    It counts all cores, even if a launch uses fewer, so that each launch splits trials alike.
    """
    return int(MEMORY_FOR_TRIALS * memory_bytes()) // num_cores()


def gpu_bytes() -> int:
    """Return the memory, in bytes, of a GPU of this machine, or an assumed value."""
    import torch

    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else _ASSUMED_GPU_BYTES
