"""Counts in words."""

from __future__ import annotations

import math
from collections.abc import Sequence


def counted(count: int, noun: str) -> str:
    """A count with its noun, such as `1 run` or `1,024 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def rounded(value: float, digits: int) -> str:
    """A number of at least 0 with so many digits that count, and no exponent: `38`, `0.0042`, `12,300`."""
    if not value:
        return "0"
    places = digits - 1 - math.floor(math.log10(value))
    text = f"{round(value, places):,.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ranges(numbers: Sequence[int]) -> list[str]:
    """Write increasing numbers as ranges: `0-4`, `7` for 0, 1, 2, 3, 4, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts]
