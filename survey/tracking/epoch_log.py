"""The epochs of a trial on their way to the tracking store, written beside training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

from survey.errors import TrackingAwayError
from survey.tracking.noted_epochs import NotedEpoch, run_rows, trial_rows
from survey.tracking.rows import Writer

BATCH_ROWS = 20_000
"""As soon as so many rows are noted, they are written."""


@dataclass(frozen=True)
class Waits:
    """When trials write to the tracking store, in seconds.

    Attributes:
        flush_s: Time between two writes.
        ask_again_s: Time between two tries while a server of the store is away.
        patience_s: How long it may be away.
    """

    flush_s: float = 2.0
    ask_again_s: float = 5.0
    patience_s: float = 300.0


class EpochLog:
    """Notes epochs while a thread writes those before, in their order: one batch of them after the other.

    Training goes on meanwhile; it waits only once a whole batch is noted beside the one that is being written. While
    the store's server is away, epochs are kept here, and sent when it is back. MLflow drops points that it has already,
    so one that was sent twice is there once.

    Args:
        writer: Writes to the store.
        run_id: The MLflow run of the trial.
        children: Those of its repetitions, if these have their own.
        waits: When to write.

    Raises:
        TrackingAwayError: The server has been away for `Waits.patience_s`; from every method.
        TrackingError: The store refuses, or has refused epochs that were noted before; from every method.
        DiskFullError: There is no room left for it; likewise.
    """

    def __init__(self, writer: Writer, run_id: str, children: Sequence[str], waits: Waits) -> None:
        self._writer, self._run_id, self._children, self._waits = writer, run_id, children, waits
        self._noted: list[NotedEpoch] = []  # what the store is not known to have
        self._batch: Future[int] | None = None  # the first of these, being written; its result is how many
        self._tried = time.monotonic()
        self._away_since: float | None = None

    def note(self, epoch: NotedEpoch) -> None:
        """Note an epoch; a few seconds' worth is written at a time."""
        self._noted.append(epoch)
        rows = len(self._noted) * (epoch.metrics.num_rows + epoch.metrics.num_run_rows * len(self._children))
        is_away, waits = self._away_since is not None, self._waits
        if self._batch and (self._batch.done() or (rows >= 2 * BATCH_ROWS and not is_away)):
            self._keep_while_away(partial(self._end, self._batch.result))
        since = time.monotonic() - self._tried
        is_due = since >= waits.ask_again_s if is_away else rows >= BATCH_ROWS or since >= waits.flush_s
        if is_due and not self._batch:
            self._batch = _thread().submit(self._send, tuple(self._noted))

    def flush(self) -> None:
        """Write all that is noted, or keep it while the server is away."""
        self._keep_while_away(self.write)

    def write(self) -> None:
        """Write all that is noted.

        Raises:
            TrackingAwayError: The server does not answer.
        """
        if self._batch:
            self._end(self._batch.result)
        if self._noted:
            self._end(partial(self._send, tuple(self._noted)))

    def _send(self, epochs: Sequence[NotedEpoch]) -> int:
        """Write epochs; return how many they are."""
        of_trial = trial_rows(self._run_id, [each for each in epochs if each.is_of_trial])
        self._writer.log_metrics([*of_trial, *run_rows(self._children, epochs)])
        return len(epochs)

    def _end(self, sent: Callable[[], int]) -> None:
        """Wait until the first epochs are sent, and forget these."""
        self._batch = None
        try:
            del self._noted[: sent()]
            self._away_since = None
        finally:
            self._tried = time.monotonic()

    def _keep_while_away(self, act: Callable[[], None]) -> None:
        """Act; let epochs wait here while the server is away, but not for ever."""
        try:
            act()
        except TrackingAwayError:
            self._away_since = self._away_since or self._tried
            if self._tried - self._away_since >= self._waits.patience_s:
                raise


@cache
def _thread() -> ThreadPoolExecutor:
    """The thread of this process that writes: experiments that train side by side take turns, as in a sqlite file."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
