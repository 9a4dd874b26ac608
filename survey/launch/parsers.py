"""Parsers of command-line options into arguments of `survey.run`."""

from __future__ import annotations

import re

import typer

from survey.plan.gpu_sharing import MOST_PACKED

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Parse `90`, `90s`, `15m`, `1h30m` or `2d` into seconds.

    Raises:
        typer.BadParameter: The text is not a positive duration.
    """
    match = re.fullmatch(r"((?:\d+(?:\.\d+)?[smhd])+)|(\d+(?:\.\d+)?)", text.strip().lower())
    if match:
        parts = re.findall(r"([\d.]+)([smhd])", match[1] or f"{match[2]}s")
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
        if seconds > 0:
            return seconds
    raise typer.BadParameter(f"{text!r} is not a duration: expected, for example, 90s, 15m, 1h30m or 2d")


def parse_gpus_per_trial(text: str) -> float | str:
    """Parse `auto` or a fraction."""
    if text == "auto":
        return text
    try:
        fraction = float(text)
    except ValueError:
        fraction = 0.0
    if 0.0 < fraction <= 1.0:
        return fraction
    raise typer.BadParameter(f"{text!r} is not a share of a GPU: expected auto, or a number above 0 and up to 1")


def parse_pack(text: str) -> int | str:
    """Parse `auto` or a number of experiments."""
    if text == "auto":
        return text
    if text.isdecimal() and 1 <= int(text) <= MOST_PACKED:
        return int(text)
    raise typer.BadParameter(
        f"{text!r} is not a number of experiments: expected auto, or a number from 1 to {MOST_PACKED}"
    )
