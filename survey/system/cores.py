"""Sharing out work among the cores of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from survey.errors import ExportError

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_all_cores(
    work: Callable[[Item], Result], items: Iterable[Item], *, ordered: bool = False, killed: str
) -> Iterator[Result]:
    """Apply a function to items, with a process per core, and yield the results.

    Args:
        work: The function; it and the items are sent to other processes.
        items: What it is applied to.
        ordered: Whether results come in the order of the items, rather than as they are ready.
        killed: The message if a process is killed, as the system does for lack of memory.

    Raises:
        ExportError: A process was killed; other errors are those of the function.
    """
    kind = "generator" if ordered else "generator_unordered"
    try:
        found: Any = Parallel(cpu_count(), return_as=kind)(delayed(work)(item) for item in items)
        yield from found
    except TerminatedWorkerError:
        raise ExportError(killed) from None
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
