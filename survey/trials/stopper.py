"""Whether all trials are to stop, as Ray Tune asks it."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping
from typing import Any

_INTERRUPTED, _OUT_OF_TIME = "interrupted", "time limit reached"


class StopRequest:
    """Tells Tune to stop all trials once a person interrupts, the time is up, or a trial meets a fatal error.

    It is a `tune.Stopper`, which `survey.trials.tune` registers: a launch needs it before there is time to import Tune.

    Args:
        deadline_s: `time.monotonic()` at which to stop, or None.

    Attributes:
        interrupted: Whether `interrupt` has been called.
        out_of_time: Whether `stop_all` has found the deadline passed.
        fatal_error: Why no trial can go on, as a trial has reported it; None as long as none has.
        reasons: Receives each reason as soon as it is known, for a thread that waits for it.
    """

    def __init__(self, deadline_s: float | None = None) -> None:
        self.deadline_s = deadline_s
        self.interrupted = self.out_of_time = False
        self.fatal_error: str | None = None
        self.reasons: queue.SimpleQueue[str] = queue.SimpleQueue()  # a signal may interrupt its `put` anywhere

    @property
    def reason(self) -> str:
        """Why trials stop on purpose; an empty string if they do not."""
        return _INTERRUPTED if self.interrupted else _OUT_OF_TIME if self.out_of_time else ""

    def interrupt(self) -> bool:
        """Ask for the end of all trials; return whether this is the first time. Safe within the handler of a signal."""
        is_first, self.interrupted = not self.interrupted, True
        if is_first:
            self.reasons.put(_INTERRUPTED)
        return is_first

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether a single trial is to stop: its epochs decide, unless it has met a fatal error."""
        self.fatal_error = self.fatal_error or result.get("fatal_error")
        return "fatal_error" in result

    def stop_all(self) -> bool:
        """Whether all trials are to stop."""
        if not self.out_of_time and self.deadline_s is not None and time.monotonic() >= self.deadline_s:
            self.out_of_time = True
            self.reasons.put(_OUT_OF_TIME)
        return self.interrupted or self.out_of_time or self.fatal_error is not None

    def __getstate__(self) -> dict[str, Any]:
        """Tune saves its stoppers, and a queue cannot be saved."""
        return {**self.__dict__, "reasons": None}
