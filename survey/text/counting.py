"""Counts in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A count with its noun, such as `1 run` or `1,024 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
