"""Sharing out partitions among the cores of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from survey.export.partition import PartitionJob
from survey.system.cores import on_all_cores

Result = TypeVar("Result")


class Mapper(Protocol):
    """Applies a function to jobs, like `map`, but possibly in other processes and in any order."""

    def __call__(
        self, work: Callable[[PartitionJob], Result | None], jobs: Sequence[PartitionJob], /
    ) -> Iterable[Result | None]:
        """Return the results."""
        ...


FEW_TRIALS = 200
"""Most trials for which it is faster to start no other processes."""


def is_little(jobs: Sequence[PartitionJob]) -> bool:
    """Whether jobs are so few that they are best done in this process."""
    return len(jobs) == 1 or sum(len(job.trials) + job.is_stale for job in jobs) <= FEW_TRIALS


def in_processes(
    work: Callable[[PartitionJob], Result | None], jobs: Sequence[PartitionJob]
) -> Iterator[Result | None]:
    """Apply a function to jobs, with a process per core; yield results in any order.

    Raises:
        ExportError: A process was killed; other errors are those of the function.
    """
    if is_little(jobs):
        yield from map(work, jobs)
        return
    killed = "a process of the export was killed, perhaps for lack of memory; export again to continue"
    yield from on_all_cores(work, jobs, killed=killed)
