"""Reading the tables of a data set, the way published readers of BUTTER do."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from survey.errors import ExportError, InputError, nearest

COMMON_METADATA = "_common_metadata"
"""File of a table that holds its full schema, partition columns included."""

_COMPARISONS = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_OPERATORS = (*_COMPARISONS, "in", "not in")

Filter = tuple[str, str, Any]
Filters = Sequence[Filter] | Sequence[Sequence[Filter]] | pc.Expression


def read(
    path: str | Path,
    table: str = "complete_summary",
    sweep: str | None = None,
    filters: Filters | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read one table of a data set.

    Args:
        path: Folder of the data set, which holds `complete_summary/` and its like.
        table: Name of the table: `all_repetitions`, `complete_summary`, `complete_executive_summary`.
        sweep: Name of a sweep: its own table `NAME_summary` is read, whatever `table` says.
        filters: `(column, operator, value)` triples that all hold, a list of such lists of which one holds, or a
            pyarrow expression. Operators: = == != < > <= >= in, not in. A value is first rounded to the type of its
            column, so that 1e-4 finds the float32 learning rate 1e-4; None finds nulls.
        columns: Columns to read, all by default. `kernel_regularizer_l1` is taken for `kernel_regularizer.l1`.

    Returns:
        A row per experiment (or run) in the order of the files. Curves are object columns of float32 arrays of shape
        (epochs,), index 0 being epoch 1; the other columns have the types of `survey.schema`.

    Raises:
        InputError: The folder is not a data set, or has no such table or column, or a filter makes no sense.
        ExportError: A file of the table is damaged.
    """
    folder = _table_folder(Path(path), f"{sweep}_summary" if sweep else table)
    schema = schema_of(path, folder.name)
    names = None if columns is None else [_column(name, schema) for name in columns]
    wanted = filters if filters is None or isinstance(filters, pc.Expression) else _expression(filters, schema)
    try:
        return pq.read_table(folder, schema=schema, filters=wanted, columns=names).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"{folder}: cannot be read ({_one_line(error)}); export it anew") from error


def schema_of(path: str | Path, table: str = "complete_summary") -> pa.Schema:
    """Read the schema of a table, partition columns included.

    Raises:
        InputError: The folder is not a data set or has no such table.
        ExportError: The table's `_common_metadata` is damaged.
    """
    metadata = _table_folder(Path(path), table) / COMMON_METADATA
    try:
        return pq.read_schema(metadata)
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"{metadata}: cannot be read ({_one_line(error)}); export it anew") from error


def tables(path: str | Path) -> list[str]:
    """List the tables of a data set, in order of name; empty where the folder is none."""
    return sorted(file.parent.name for file in Path(path).glob(f"*/{COMMON_METADATA}"))


def _table_folder(path: Path, table: str) -> Path:
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; expected the folder of a data set, with complete_summary/ in it")
    there = tables(path)
    if not there:
        found = sorted(entry.name for entry in path.iterdir())
        listed = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
        raise InputError(
            f"{path}: not a data set: no table with a {COMMON_METADATA} file in it; found {listed or 'an empty folder'}"
        )
    if table not in there:
        raise InputError(f"{path}: no table {table!r}{nearest(table, there)}; there are {', '.join(there)}")
    return path / table


def _column(name: str, schema: pa.Schema) -> str:
    dotted = name.replace("kernel_regularizer_", "kernel_regularizer.")
    for candidate in (name, dotted):
        if candidate in schema.names:
            return candidate
    known = nearest(name, schema.names) or f"; there are {', '.join(schema.names[:12])} and others"
    raise InputError(f"column {name!r} is not in the table{known}")


def _expression(filters: Sequence[Any], schema: pa.Schema) -> pc.Expression | None:
    """Turn filters in disjunctive normal form into an expression, with values of the columns' own types."""
    if not filters:
        return None
    alternatives = [filters] if isinstance(filters[0], tuple) else filters
    joined = [functools.reduce(operator.and_, (_term(term, schema) for term in terms)) for terms in alternatives]
    return functools.reduce(operator.or_, joined)


def _term(term: Any, schema: pa.Schema) -> pc.Expression:
    try:
        name, symbol, value = term
    except (TypeError, ValueError):
        raise InputError(f"filter {term!r}: expected (column, operator, value)") from None
    column = _column(name, schema)
    field, kind = pc.field(column), schema.field(column).type
    if symbol not in _OPERATORS:
        raise InputError(f"filter {term!r}: operator {symbol!r} is unknown; known are {', '.join(_OPERATORS)}")
    if value is None:
        return ~field.is_null() if symbol == "!=" else field.is_null()
    try:
        if symbol in ("in", "not in"):
            inside = field.isin(pa.array(list(value), kind))
            return inside if symbol == "in" else ~inside
        return _COMPARISONS[symbol](field, pa.scalar(value, kind))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"filter {term!r}: {column} is a {kind} ({_one_line(error)})") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
