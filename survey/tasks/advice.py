"""Advice in messages on columns of text that were probably meant as numbers or dates."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 60
"""Most characters of a cell or a name that a message shows."""

_SET_DECIMAL = "set `decimal: ','` (in a text file; else convert the column)"

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
_PERCENT = re.compile(r"[+-]?\d+([.,]\d+)?\s*%")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")


def shown(value: object) -> str:
    """Return a cell or a name as a message shows it: quoted, on one line, cut at 60 characters."""
    text = str(value)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def listed(names: Iterable[str], most: int = 50) -> str:
    """Join names with commas; beyond `most`, count them."""
    names = list(names)
    plain = [name if name.isprintable() and 0 < len(name) <= _LONGEST else shown(name) for name in names[:most]]
    return ", ".join(plain) + (f" and {len(names) - most} more" if len(names) > most else "")


def written_another_way(values: Iterable[str]) -> str | None:
    """Say what to do if all texts are numbers in another notation, such as `1,5` or `20 %`; None if they are not."""
    others = [text for text in (value.strip() for value in values) if not _NUMBER.fullmatch(text)]
    if not others:
        return None
    if all(_PERCENT.fullmatch(text) for text in others):
        return "remove the percent signs from the file"
    if all(_THOUSANDS.fullmatch(text) for text in others):
        return f"if the comma is the decimal sign, {_SET_DECIMAL}; if it groups thousands, remove it from the file"
    if all(_DECIMAL_COMMA.fullmatch(text) for text in others):
        grouped = any("." in text for text in others)
        return _SET_DECIMAL + (", and remove the points that group thousands from the file" if grouped else "")
    return None


def are_dates(values: Iterable[str]) -> bool:
    """Whether all texts are dates in ISO 8601, with or without a time."""
    return all(_ISO_DATE.fullmatch(value.strip()) for value in values)
