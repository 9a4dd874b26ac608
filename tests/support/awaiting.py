"""Waiting for what happens, not for a time: a test says nothing about how busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

HANGS_S = 600.0
"""What takes longer than this does not end. Nothing that a test asserts takes a tenth of it on a machine of its own."""


def await_that(
    condition: Callable[[], Found], what: str = "it does not come to that", *, every_s: float = 0.05
) -> Found:
    """Wait until a condition holds; return what it gave."""
    ends = time.monotonic() + HANGS_S
    while not (found := condition()):
        assert time.monotonic() < ends, what
        time.sleep(every_s)
    return found
