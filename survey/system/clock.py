"""A clock for records from which durations are computed: it does not jump with the machine's."""

from __future__ import annotations

import time


class Clock:
    """The time of day at the start, plus the time elapsed since.

    Otherwise a trial could end before it starts, when somebody or a time server sets the machine's clock.

    Args:
        not_before_ms: The least time to return, in milliseconds since 1970.
    """

    def __init__(self, not_before_ms: int = 0) -> None:
        self._start_ms = max(int(time.time() * 1000), not_before_ms)
        self._started_s = time.monotonic()

    def now_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return self._start_ms + int((time.monotonic() - self._started_s) * 1000)
