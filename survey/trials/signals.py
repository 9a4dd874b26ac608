"""Stopping a survey in good order: on Ctrl-C, on SIGTERM or SIGHUP, or when its time is up."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from survey.errors import INTERRUPTED
from survey.system.exit import end_process
from survey.system.interrupts import Interrupter
from survey.text.terminal import reader_is_gone

if TYPE_CHECKING:
    from survey.trials.stopper import StopRequest

GRACE_S = 25.0
"""Seconds from SIGTERM to the end of the process: who sends it often sends SIGKILL after 30 s."""


class StopSignals:
    """Turns signals into a request to stop, while it is entered, and announces the stop.

    While trials train, the first Ctrl-C, SIGTERM or SIGHUP lets them write their checkpoints. At any other time, and
    the second time, a signal raises KeyboardInterrupt, as soon as no import is under way. A second SIGHUP does nothing,
    as the shell and the system send one each. Where SIGHUP is ignored, as under `nohup`, it stays so. The process ends
    `grace_s` after SIGTERM or SIGHUP, whatever it waits for.

    Args:
        request: What signals ask to stop.
        notice: Called with the reason, in a thread of its own, as soon as trials are to stop, so that the terminal
            does not stay silent until their epochs end.
        on_exit: Called before the process ends so.
        grace_s: Seconds from SIGTERM or SIGHUP to that end.
    """

    def __init__(
        self,
        request: StopRequest,
        *,
        notice: Callable[[str], object] = lambda _: None,
        on_exit: Callable[[], object] = lambda: None,
        grace_s: float = GRACE_S,
    ) -> None:
        self.request, self._notice, self._is_training = request, notice, False
        self._interrupt = Interrupter.present()
        too_late = (
            f"interrupted, and not all trials have stopped within {grace_s:.0f} s: those go on from their last "
            "checkpoint; launch again with the same arguments"
        )
        self._grace = threading.Timer(grace_s, end_process, (too_late, INTERRUPTED), {"on_exit": on_exit})
        self._grace.daemon = True
        self._watch = threading.Thread(target=self._give_notice, name="notice of a stop", daemon=True)
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        self._watch.start()
        if threading.current_thread() is threading.main_thread():
            handled = [signal.SIGINT, signal.SIGTERM]
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                handled.append(signal.SIGHUP)
            self._previous = {number: signal.getsignal(number) for number in handled}
            self.install()
        return self

    def install(self) -> None:
        """Install the handlers, again if a library has replaced them since."""
        for number in self._previous:
            signal.signal(number, self._on_signal)

    def __exit__(self, *_: object) -> None:
        self._grace.cancel()
        self.request.reasons.put("")
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def training(self, notice: Callable[[str], object]) -> Iterator[None]:
        """While trials train within, let a first signal stop them, and call this `notice`."""
        before = self._notice
        self._notice, self._is_training = notice, True
        try:
            yield
        finally:
            self._notice, self._is_training = before, False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_first = self.request.interrupt()
        if is_first and number != signal.SIGINT and not reader_is_gone():
            self._grace.start()
        if not is_first and number == signal.SIGHUP:
            return
        if not (self._is_training and is_first):
            self._interrupt(number, frame)

    def _give_notice(self) -> None:
        request = self.request
        wait_s = None if request.deadline_s is None else max(0.0, request.deadline_s - time.monotonic())
        try:
            reason = request.reasons.get(timeout=wait_s)
        except queue.Empty:
            if self._is_training:
                request.stop_all()  # which Tune does not ask while all trials are in their epochs
            reason = request.reasons.get()
        if reason:
            self._notice(reason)


@contextmanager
def kept_from_children(number: signal.Signals) -> Iterator[None]:
    """Block a signal in all processes that this thread starts within, for as long as they live."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
