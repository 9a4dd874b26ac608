"""What is done again and again in a thread: when it begins, how often it comes, and when it ends."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

from survey.system.periodic import Periodic
from tests.support.awaiting import HANGS_S, await_that


def test_it_calls_again_and_again_until_it_is_stopped():
    calls = []
    with Periodic("test", lambda: calls.append(threading.current_thread().name), every_s=0.001):
        await_that(lambda: len(calls) >= 3)
    count = len(calls)
    time.sleep(0.05)
    assert len(calls) == count
    assert set(calls) == {"test"}


def test_the_first_call_may_come_at_once():
    called = threading.Event()
    with Periodic("test", called.set, every_s=HANGS_S, first_after_s=0.0):
        assert called.wait(HANGS_S)


def test_a_stop_waits_for_a_call_that_is_under_way_if_that_is_wanted():
    began, may_end = threading.Event(), threading.Event()
    ended = []

    def call() -> None:
        began.set()
        may_end.wait(HANGS_S)
        ended.append(True)

    periodic = Periodic("test", call, every_s=HANGS_S, first_after_s=0.0)
    periodic.start()
    began.wait(HANGS_S)
    periodic.stop(wait=False)
    assert periodic.is_stopped
    assert not ended
    may_end.set()
    periodic.stop()
    assert ended


def test_a_call_may_stop_it_and_one_that_has_not_started_can_be_stopped():
    periodic = Periodic("test", lambda: periodic.stop(), every_s=0.001)
    periodic.start()
    await_that(lambda: periodic.is_stopped)
    Periodic("test", lambda: None, every_s=1.0).stop()


def test_after_long_calls_the_pauses_are_longer():
    times = []

    def call() -> None:
        times.append(time.monotonic())
        time.sleep(0.05)

    with Periodic("test", call, every_s=0.001, most_of_time=0.2):
        await_that(lambda: len(times) >= 3)
    assert all(later - earlier >= 0.05 / 0.2 for earlier, later in pairwise(times))
