"""Checks of a user's own table: columns of text that were hardly meant as categories are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from survey.errors import TaskError
from survey.tasks.advice import are_dates, shown, written_another_way

if TYPE_CHECKING:
    from survey.tasks.table import Table
    from survey.tasks.values import Column

CATEGORY_LIMIT = 100
"""Most categories that a column of text may have."""


def refuse_text(column: Column, table: Table) -> None:
    """Refuse a column of text that was hardly meant as categories.

    Raises:
        TaskError: Its texts are numbers in another notation, more than `CATEGORY_LIMIT`, or different in every row.
    """
    count, rows = len(column.distinct), len(column.values)
    if column.numeric or count == 1:
        return
    hint = written_another_way(column.distinct)
    if hint:
        row = next(row for row in range(rows) if written_another_way([column.values[row]]))
        raise TaskError(
            f"{column.where}, {table.place(row)}: found {shown(column.values[row])}, which is text; expected a number "
            f"such as 1234.5; {hint}, or leave the column out with `drop`"
        )
    if count <= CATEGORY_LIMIT and count < rows:
        return
    dates = "list it under `dates` to turn it into numbers, or " if are_dates(column.distinct) else ""
    as_rows = ", one in each row" if count == rows else ""
    raise TaskError(
        f"{column.where}: found {count:,} different texts{as_rows}, such as {shown(column.distinct[0])}; each would be "
        f"an input; {dates}leave the column out with `drop`, or convert it to numbers or to at most {CATEGORY_LIMIT} "
        "categories"
    )


def refuse_names(target: Column) -> None:
    """Refuse a classification target of text that differs in every row.

    Raises:
        TaskError: The target is such a one.
    """
    if not target.numeric and len(target.distinct) == len(target.values):
        raise TaskError(
            f"{target.where}: found a different class in each row, such as {shown(target.distinct[0])}; expected "
            "several rows per class; choose another target column"
        )
