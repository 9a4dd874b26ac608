"""Stopping a survey in good order: on Ctrl-C, on SIGTERM, or when its time is up."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from ray import tune

from survey.exit_process import end_process
from survey.result import INTERRUPTED

_GRACE_S = 25.0


class StopRequest(tune.Stopper):
    """Asks Tune to stop all trials; while it is entered, signals ask it to.

    While trials train, the first Ctrl-C or SIGTERM lets them close their records; at any other time, and the second
    time, it raises KeyboardInterrupt. Those who send SIGTERM often send SIGKILL 30 s later: 25 s after it, the process
    ends, whatever it waits for.

    Args:
        deadline_s: `time.monotonic()` at which to stop, or None.
        last_words: Called before the process ends 25 s after SIGTERM.
    """

    def __init__(self, deadline_s: float | None = None, *, last_words: Callable[[], object] = lambda: None) -> None:
        self._deadline_s = deadline_s
        too_late = (
            f"interrupted, and not all trials have stopped within {_GRACE_S:.0f} s: those go on from their last "
            "checkpoint; launch again with the same arguments"
        )
        self._grace = threading.Timer(_GRACE_S, end_process, (too_late, INTERRUPTED), {"last_words": last_words})
        self._grace.daemon = True
        self.interrupted = False
        self.out_of_time = False
        self.training = False
        self.cannot_go_on: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            self.install()
        return self

    def install(self) -> None:
        """Put the handlers in place, also where a library has put others since."""
        for number in self._previous:
            signal.signal(number, self._on_signal)

    def __exit__(self, *_: object) -> None:
        self._grace.cancel()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        first, self.interrupted = not self.interrupted, True
        if first and number == signal.SIGTERM:
            self._grace.start()
        if not (self.training and first):
            raise KeyboardInterrupt

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether a single trial is to stop: its epochs decide, unless no trial can go on."""
        self.cannot_go_on = self.cannot_go_on or result.get("fatal_error")
        return "fatal_error" in result

    def stop_all(self) -> bool:
        """Whether all trials are to stop."""
        if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
            self.out_of_time = True
        return self.interrupted or self.out_of_time or self.cannot_go_on is not None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_previous": {}, "_grace": None}
