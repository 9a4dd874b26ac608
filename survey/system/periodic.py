"""A thread that calls a function periodically until it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Periodic:
    """Calls a function every few seconds in a daemon thread.

    As a context manager it starts on entering; on leaving it stops and waits for a running call.

    Args:
        name: Name of the thread.
        call: The function; an exception ends the thread.
        every_s: Seconds from the end of a call to the next one.
        first_after_s: Seconds from the start to the first call; `every_s` if None.
        most_of_time: Largest fraction of the time that calls may take: after a long call the pause is longer.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[], object],
        *,
        every_s: float,
        first_after_s: float | None = None,
        most_of_time: float | None = None,
    ) -> None:
        self._call, self._every_s, self._most_of_time = call, every_s, most_of_time
        self._first_after_s = every_s if first_after_s is None else first_after_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Periodic:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` has been called."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, wait: bool = True) -> None:
        """Stop calling; safe from any thread.

        Args:
            wait: Whether to wait for a running call.
        """
        self._stopped.set()
        if wait and self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        pause_s = self._first_after_s
        while not self._stopped.wait(pause_s):
            began = time.monotonic()
            self._call()
            took_s = time.monotonic() - began
            pause_s = max(self._every_s, took_s / self._most_of_time) if self._most_of_time else self._every_s
