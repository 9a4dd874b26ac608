"""Interrupting a program that may go on in the same process, as a notebook does after Ctrl-C or its stop button."""

from __future__ import annotations

import inspect
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_IMPORTS = "<frozen importlib._bootstrap>"
_AGAIN_S, _LOST_S = 0.05, 2.0


class Interrupter:
    """A handler of signals that raises KeyboardInterrupt, but never in the middle of an import.

    Libraries such as PyTorch cannot be imported again in a process in which they were imported by half. So after a
    signal that comes meanwhile, SIGINT is sent until nothing is imported that was not when the handler was made.

    Args:
        notice: Called, in a thread of its own, where the interruption has to wait.
    """

    def __init__(self, notice: Callable[[], object] = lambda: None) -> None:
        self._notice, self._outside = notice, _imports_in(inspect.currentframe())
        # Of the interruption that waits: what is put when its signal is handled, which a signal may interrupt anywhere.
        self._waiting: queue.SimpleQueue[None] | None = None

    @classmethod
    def present(cls) -> Interrupter:
        """The one that handles Ctrl-C now, which may have an interruption that waits; else a new one."""
        handler = signal.getsignal(signal.SIGINT)
        return handler if isinstance(handler, cls) else cls()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, now or as soon as what is imported is whole."""
        if _imports_in(frame) <= self._outside:
            self.end()
            raise KeyboardInterrupt
        if self._waiting is not None:
            self._waiting.put(None)
        else:
            self._waiting = queue.SimpleQueue()
            args = (self._waiting,)
            threading.Thread(target=self._insist, args=args, name="interruption that waits", daemon=True).start()

    def end(self) -> bool:
        """Send no more signals, as a second one would interrupt what comes after; return whether one still waited."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.put(None)
        return waiting is not None

    def _insist(self, handled: queue.SimpleQueue[None]) -> None:
        self._notice()
        time.sleep(_AGAIN_S)
        while self._waiting is handled:
            os.kill(os.getpid(), signal.SIGINT)
            with suppress(queue.Empty):  # another handler has got it
                handled.get(timeout=_LOST_S)  # a busy machine handles it long after it was sent
            time.sleep(_AGAIN_S)


@contextmanager
def interrupting(handler: Interrupter) -> Iterator[None]:
    """Handle Ctrl-C in this way within, where that is possible: in the main thread, which alone handles signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
        if handler.end():
            raise KeyboardInterrupt
    finally:
        handler.end()
        signal.signal(signal.SIGINT, before)


def _imports_in(frame: FrameType | None) -> int:
    """How many calls of the machinery of imports a frame is in."""
    number = 0
    while frame:
        number += frame.f_code.co_filename == _IMPORTS
        frame = frame.f_back
    return number
