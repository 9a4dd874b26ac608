"""Valid names of sweeps: each becomes a column and a table of the data set."""

from __future__ import annotations

from functools import cache

from survey.dataset.schema import repetition_schema, summary_schema
from survey.text.names import folded, is_device, is_word
from survey.workloads.columns import Columns

_MOST_LETTERS = 100

_TABLES = ("complete", "complete_executive")
"""Tables of the data set whose names, here without `_summary`, look like that of a sweep."""

ADDED_BY_ANALYSIS = (
    *("epoch", "value_at_last_epoch", "recorded", "diverged"),
    *("minimizing_epoch", "minimum_loss", "descent_slope"),
)
"""Columns that `analysis` adds to those of a table."""


def name_problem(name: str) -> str:
    """Say why no search space can have this name; an empty string if one can."""
    if not is_word(name) or len(name) > _MOST_LETTERS:
        return f"expected at most {_MOST_LETTERS} letters, digits, _ and -, the first a letter or digit"
    return "on Windows this is the name of a device: choose another" if is_device(name) else ""


def sweep_problem(name: str, columns: Columns) -> str:
    """Say why a sweep of a workload with these columns cannot have this name; an empty string if it can."""
    if problem := name_problem(name):
        return problem
    if folded(name).replace(".", "_") in _taken(columns):
        return "the data set has a column or table of this name: choose another"
    return ""


@cache
def _taken(columns: Columns) -> frozenset[str]:
    """Names of columns and tables, `folded`, with underscores for dots, as some readers write them."""
    names = {*repetition_schema(columns, []).names, *summary_schema(columns, []).names, *_TABLES, *ADDED_BY_ANALYSIS}
    return frozenset(folded(name).replace(".", "_") for name in names)
