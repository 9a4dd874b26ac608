"""What is refused in a user's own table, where a message can say what to do: text that was hardly meant as classes."""

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
    """Refuse a column of text that was hardly meant as one of categories.

    Raises:
        TaskError: Its texts are numbers that are written in another way, or are more than `CATEGORY_LIMIT`, or as many
            as there are rows.
    """
    count, rows = len(column.distinct), len(column.values)
    if column.numeric or count == 1:
        return
    hint = written_another_way(column.distinct)
    if hint:
        row = next(row for row in range(rows) if written_another_way([column.values[row]]))
        raise TaskError(
            f"{column.where}, {table.place(row)}: found {shown(column.values[row])}, which is text; expected a number "
            f"as computers write it; {hint}, or leave the column out with `drop`"
        )
    if count <= CATEGORY_LIMIT and count < rows:
        return
    dates = "list it under `dates` to have numbers, or " if are_dates(column.distinct) else ""
    as_rows = ", as many as there are rows" if count == rows else ""
    raise TaskError(
        f"{column.where}: found {count:,} different texts{as_rows}, such as {shown(column.distinct[0])}, and each "
        f"would be an input of its own; {dates}leave the column out with `drop`, or turn it into numbers or into at "
        f"most {CATEGORY_LIMIT} categories"
    )


def refuse_names(target: Column) -> None:
    """Refuse a target of classification in which each row has a text of its own.

    Raises:
        TaskError: It is such a target.
    """
    if not target.numeric and len(target.distinct) == len(target.values):
        raise TaskError(
            f"{target.where}: found as many classes as rows, such as {shown(target.distinct[0])}; expected classes of "
            "several rows each; choose another target column"
        )
