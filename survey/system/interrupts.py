"""Interrupting a program that may go on in the same process, as a notebook does after Ctrl-C or its stop button."""

from __future__ import annotations

import inspect
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_IMPORTS = "<frozen importlib._bootstrap>"
_AGAIN_S = 0.05


class Interrupter:
    """A handler of signals that raises KeyboardInterrupt, but never in the middle of an import.

    Libraries such as PyTorch cannot be imported again in a process in which they were imported by half. So after a
    signal that comes meanwhile, SIGINT is sent until nothing is imported that was not when the handler was made.

    Args:
        notice: Called, in a thread of its own, where the interruption has to wait.
    """

    def __init__(self, notice: Callable[[], object] = lambda: None) -> None:
        self._notice, self._outside, self._waits = notice, _imports_in(inspect.currentframe()), False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, now or as soon as what is imported is whole."""
        if _imports_in(frame) <= self._outside:
            self._waits = False
            raise KeyboardInterrupt
        if not self._waits:
            self._waits = True
            threading.Thread(target=self._insist, name="interruption that waits", daemon=True).start()

    def _insist(self) -> None:
        self._notice()
        time.sleep(_AGAIN_S)
        while self._waits:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(_AGAIN_S)  # in which the signal is handled


@contextmanager
def interrupting(handler: Interrupter) -> Iterator[None]:
    """Handle Ctrl-C in this way within, where that is possible: in the main thread, which alone handles signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _imports_in(frame: FrameType | None) -> int:
    """How many calls of the machinery of imports a frame is in."""
    number = 0
    while frame:
        number += frame.f_code.co_filename == _IMPORTS
        frame = frame.f_back
    return number
