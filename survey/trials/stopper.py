"""Stopping a survey in good order: on Ctrl-C, on SIGTERM or SIGHUP, or when its time is up."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ray import tune

from survey.errors import INTERRUPTED
from survey.system.exit import end_process
from survey.text.terminal import reader_is_gone
from survey.trials.checkpoint import times_written

_GRACE_S = 25.0
_INTERRUPTED, _OUT_OF_TIME = "interrupted", "time limit reached"


class StopRequest(tune.Stopper):
    """Asks Tune to stop all trials; while it is entered, signals ask it to.

    While trials train, the first Ctrl-C, SIGTERM or SIGHUP lets them close their records; at any other time, and the
    second time, it raises KeyboardInterrupt. Of a SIGHUP there is no second time, as the shell and the system send one
    each; where it is ignored, as under `nohup`, it stays so. Those who send SIGTERM often send SIGKILL 30 s later: 25 s
    after it, or after SIGHUP, the process ends, whatever it waits for.

    Args:
        deadline_s: `time.monotonic()` at which to stop, or None.
        notice: Called with the reason, in a thread of its own, as soon as all is to stop: what waits for the end of an
            epoch then is no reason to say nothing.
        last_words: Called before the process ends 25 s after SIGTERM.
    """

    def __init__(
        self,
        deadline_s: float | None = None,
        *,
        notice: Callable[[str], object] = lambda _: None,
        last_words: Callable[[], object] = lambda: None,
    ) -> None:
        self._deadline_s, self.notice = deadline_s, notice
        too_late = (
            f"interrupted, and not all trials have stopped within {_GRACE_S:.0f} s: those go on from their last "
            "checkpoint; launch again with the same arguments"
        )
        self._grace = threading.Timer(_GRACE_S, end_process, (too_late, INTERRUPTED), {"last_words": last_words})
        self._grace.daemon = True
        self._reasons: queue.SimpleQueue[str] = queue.SimpleQueue()  # which a signal may interrupt anywhere
        self._watch = threading.Thread(target=self._give_notice, name="notice of a stop", daemon=True)
        self.interrupted = False
        self.out_of_time = False
        self.training = False
        self.cannot_go_on: str | None = None
        self._previous: dict[int, Any] = {}

    @property
    def reason(self) -> str:
        """Why all is to stop on purpose; an empty string if it is not."""
        return _INTERRUPTED if self.interrupted else _OUT_OF_TIME if self.out_of_time else ""

    def __enter__(self) -> StopRequest:
        self._watch.start()
        if threading.current_thread() is threading.main_thread():
            handled = [signal.SIGINT, signal.SIGTERM]
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                handled.append(signal.SIGHUP)
            self._previous = {number: signal.getsignal(number) for number in handled}
            self.install()
        return self

    def install(self) -> None:
        """Put the handlers in place, also where a library has put others since."""
        for number in self._previous:
            signal.signal(number, self._on_signal)

    def __exit__(self, *_: object) -> None:
        self._grace.cancel()
        self._reasons.put("")
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        first, self.interrupted = not self.interrupted, True
        if first:
            self._reasons.put(_INTERRUPTED)
        if first and number != signal.SIGINT and not reader_is_gone():
            self._grace.start()
        if not first and number == signal.SIGHUP:
            return
        if not (self.training and first):
            raise KeyboardInterrupt

    def _give_notice(self) -> None:
        wait_s = None if self._deadline_s is None else max(0.0, self._deadline_s - time.monotonic())
        try:
            reason = self._reasons.get(timeout=wait_s)
        except queue.Empty:
            if self.training:
                self.stop_all()
            reason = self._reasons.get()
        if reason:
            self.notice(reason)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether a single trial is to stop: its epochs decide, unless no trial can go on."""
        self.cannot_go_on = self.cannot_go_on or result.get("fatal_error")
        return "fatal_error" in result

    def stop_all(self) -> bool:
        """Whether all trials are to stop."""
        if not self.out_of_time and self._deadline_s is not None and time.monotonic() >= self._deadline_s:
            self.out_of_time = True
            self._reasons.put(_OUT_OF_TIME)
        return self.interrupted or self.out_of_time or self.cannot_go_on is not None

    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_grace": None, "_reasons": None, "_watch": None, "notice": None}
        return {**self.__dict__, "_previous": {}, **left_out}


class Stopping:
    """How far trials have come that are being stopped, in words.

    Args:
        reason: Why they are.
        num_trials: How many.
        num_checkpoints: How many checkpoints they have to write: one for each of their experiments.
        folder: Where these lie; None where that is not known.
    """

    def __init__(self, reason: str, *, num_trials: int, num_checkpoints: int, folder: Path | None) -> None:
        trials = f"{num_trials:,} trial{'s' * (num_trials != 1)}"
        doing = f"stopping {trials} and writing checkpoints" if num_trials else "no trial is training"
        self._text = f"{reason}: {doing}"
        self._total, self._folder, self._before = num_checkpoints, folder, times_written(folder)

    def __str__(self) -> str:
        now = times_written(self._folder)
        written = sum(self._before.get(name) != written for name, written in now.items())
        # Workers that do not share this machine's folder write none here.
        return f"{self._text}; {min(written, self._total):,} of {self._total:,} written" if written else self._text


@contextmanager
def kept_from_children(number: signal.Signals) -> Iterator[None]:
    """Keep a signal of a whole group of processes from those that this thread starts meanwhile: they end with it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
