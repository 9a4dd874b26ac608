"""What to do with a column that is text and should perhaps be something else."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 60
"""Characters of a cell or a name that a message shows."""

_SET_DECIMAL = "set `decimal: ','` (in a text file; else convert the column)"

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
_PERCENT = re.compile(r"[+-]?\d+([.,]\d+)?\s*%")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")


def shown(value: object) -> str:
    """A cell or a name as a message shows it: on one line, and not the whole of a long one."""
    text = str(value)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def listed(names: Iterable[str], most: int = 50) -> str:
    """Names in a row, at most so many of them."""
    names = list(names)
    plain = [name if name.isprintable() and 0 < len(name) <= _LONGEST else shown(name) for name in names[:most]]
    return ", ".join(plain) + (f" and {len(names) - most} more" if len(names) > most else "")


def written_another_way(values: Iterable[str]) -> str | None:
    """Say what to do where texts are numbers that are written in another way, all of them; None where they are not."""
    others = [text for text in (value.strip() for value in values) if not _NUMBER.fullmatch(text)]
    if not others:
        return None
    if all(_PERCENT.fullmatch(text) for text in others):
        return "take the percent signs out of the file"
    if all(_THOUSANDS.fullmatch(text) for text in others):
        return f"if the comma is the decimal sign, {_SET_DECIMAL}; if it groups thousands, take it out of the file"
    if all(_DECIMAL_COMMA.fullmatch(text) for text in others):
        grouped = any("." in text for text in others)
        return _SET_DECIMAL + (", and take the points that group thousands out of the file" if grouped else "")
    return None


def are_dates(values: Iterable[str]) -> bool:
    """Whether all of some texts are dates as ISO 8601 writes them, perhaps with a time."""
    return all(_ISO_DATE.fullmatch(value.strip()) for value in values)
