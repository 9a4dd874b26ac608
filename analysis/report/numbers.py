"""Numbers as texts: the same wherever they stand in a page."""

from __future__ import annotations

import math


def value_of(value: float) -> str:
    """Write a loss or another metric with four digits: `0.02735`; a dash if it is not finite."""
    return "–" if not math.isfinite(value) else f"{value:#.4g}".rstrip(".")


def count_of(value: float) -> str:
    """Write a positive count: `4,119`; a dash for none, or an unknown one."""
    return "–" if not math.isfinite(value) or value <= 0 else f"{value:,.10g}"


def percent_of(value: float) -> str:
    """Write a fraction: `98.33%`; a dash if it is not finite."""
    return "–" if not math.isfinite(value) else f"{value:.2%}"


def duration_of(seconds: float) -> str:
    """Write a time: `42 s`, `12.3 min` or `5.1 h`; a dash for an unknown one."""
    if not math.isfinite(seconds):
        return "–"
    unit, length = next((one for one in (("h", 3600), ("min", 60)) if seconds >= 2 * one[1]), ("s", 1))
    return f"{seconds / length:,.3g} {unit}"
