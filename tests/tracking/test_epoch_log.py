"""Epochs are written beside training: in their order, each once, and training waits where the store falls behind."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from survey.errors import DiskFullError, TrackingAwayError, TrackingError
from survey.networks.metrics import WITHOUT_VALIDATION as METRICS
from survey.tracking import epoch_log
from survey.tracking.epoch_log import EpochLog, Waits
from survey.tracking.noted_epochs import NotedEpoch
from survey.tracking.rows import MetricRow
from tests.support.awaiting import HANGS_S, await_that


class Store:
    """A writer that lets each batch wait for a permission, and then fails with the next of the given errors."""

    def __init__(self, *, is_slow: bool = False) -> None:
        self.asked = 0
        self.epochs: list[int] = []
        self.may_write = threading.Event()
        self.errors: list[Exception | None] = []
        if not is_slow:
            self.may_write.set()

    def log_metrics(self, rows: Sequence[MetricRow]) -> None:
        """Take rows, once it may."""
        self.asked += 1
        assert self.may_write.wait(HANGS_S)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        self.epochs += [row.step for row in rows if row.key == "test_loss"]


def log_to(store: Store, **waits) -> EpochLog:
    return EpochLog(store, "run", [], Waits(**{"flush_s": 0.0, "ask_again_s": 0.0, **waits}))  # pyright: ignore


def note(log: EpochLog, *numbers: int) -> None:
    for number in numbers:
        statistics = np.full((len(METRICS.all), 3), number, dtype=np.float32)
        log.note(NotedEpoch(number, 1000 + number, statistics, METRICS, frozenset(), is_of_trial=True))


def test_training_goes_on_while_the_store_writes():
    store = Store(is_slow=True)
    log = log_to(store)
    note(log, *range(1, 100))
    await_that(lambda: store.asked == 1)
    assert store.epochs == [], "99 epochs are noted, and none is written"
    store.may_write.set()
    log.write()
    assert store.epochs == list(range(1, 100))
    assert store.asked == 2, "what was noted meanwhile is one batch"


def test_epochs_are_written_after_some_seconds_and_not_one_by_one():
    store = Store()
    log = log_to(store, flush_s=HANGS_S)
    note(log, 1, 2, 3)
    assert store.asked == 0
    log._tried -= HANGS_S
    note(log, 4)
    await_that(lambda: store.epochs == [1, 2, 3, 4])


def test_training_waits_where_the_store_is_two_batches_behind(monkeypatch):
    """So memory is bounded, however slow the store is."""
    monkeypatch.setattr(epoch_log, "BATCH_ROWS", 5 * METRICS.num_rows)
    store, noted = Store(is_slow=True), []
    log = log_to(store, flush_s=HANGS_S)

    def train() -> None:
        for number in range(1, 31):
            noted.append(number)
            note(log, number)
        log.write()

    training = threading.Thread(target=train)
    training.start()
    await_that(lambda: len(noted) == 10)
    training.join(0.05)
    assert len(noted) == 10, "five are being written, five wait, and the tenth is not over"
    store.may_write.set()
    training.join(HANGS_S)
    assert store.epochs == list(range(1, 31))


def test_a_refused_batch_ends_the_training_with_the_next_epoch_and_is_kept():
    store = Store()
    store.errors = [TrackingError("no such table")]
    log = log_to(store)
    note(log, 1)
    await_that(lambda: log._batch is not None and log._batch.done())
    with pytest.raises(TrackingError, match="no such table"):
        note(log, 2)
    log.write()
    assert store.epochs == [1, 2], "where the store takes them, the failed run has its last epochs"


@pytest.mark.parametrize("error", [TrackingError("refused"), TrackingAwayError("away"), DiskFullError("full")])
def test_what_went_wrong_beside_the_last_epochs_is_raised_at_the_end(error):
    store = Store(is_slow=True)
    store.errors = [error]
    log = log_to(store)
    note(log, 1, 2, 3)
    store.may_write.set()
    with pytest.raises(type(error), match=str(error)):
        log.write()
    log.write()
    assert store.epochs == [1, 2, 3]


def test_epochs_wait_while_the_server_is_away_and_are_sent_when_it_is_back():
    store = Store()
    store.errors = [TrackingAwayError("away")] * 3
    log = log_to(store)
    for number in range(1, 7):
        note(log, number)
        await_that(lambda: not log._batch or log._batch.done())
    log.write()
    assert store.epochs == [1, 2, 3, 4, 5, 6]


def test_a_server_that_stays_away_ends_the_training():
    store = Store()
    store.errors = [TrackingAwayError("away")] * 1000
    log = log_to(store, patience_s=0.0)
    note(log, 1)
    await_that(lambda: log._batch is not None and log._batch.done())
    with pytest.raises(TrackingAwayError):
        note(log, 2)
    assert store.epochs == []


def test_experiments_side_by_side_take_turns():
    first, second = Store(is_slow=True), Store()
    logs = log_to(first), log_to(second)
    for log in logs:
        note(log, 1)
    await_that(lambda: first.asked == 1)
    assert second.asked == 0
    first.may_write.set()
    await_that(lambda: second.epochs == [1])
    assert first.epochs == [1]
