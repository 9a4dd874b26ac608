"""Sharing out partitions among the cores of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from survey.errors import ExportError

if TYPE_CHECKING:
    from survey.export.partition import PartitionJob

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
    from joblib import Parallel, cpu_count, delayed
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        yield from Parallel(cpu_count(), return_as="generator_unordered")(delayed(work)(job) for job in jobs)
    except TerminatedWorkerError:
        raise ExportError(
            "a process of the export was killed, perhaps for lack of memory; export again to continue"
        ) from None
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
