"""The time of day for records that durations are read from: it does not jump with the machine's clock."""

from __future__ import annotations

import time


class Clock:
    """The time of day, looked at once and counted on from there.

    The clock of a machine that is set, by hand or by a time server, would leave a trial that ends before it starts.

    Args:
        not_before_ms: A time of day in the past, in milliseconds since 1970: none that is returned is before it.
    """

    def __init__(self, not_before_ms: int = 0) -> None:
        self._start_ms = max(int(time.time() * 1000), not_before_ms)
        self._started_s = time.monotonic()

    def now_ms(self) -> int:
        """The time, in milliseconds since 1970."""
        return self._start_ms + int((time.monotonic() - self._started_s) * 1000)
