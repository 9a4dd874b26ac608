"""Filters on rows of a table: from (column, operator, value) triples to pyarrow expressions."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from survey.dataset.location import one_line
from survey.errors import InputError, nearest
from survey.networks.metrics import STATISTICS

Filter = tuple[str, str, Any]
Filters = Sequence[Filter] | Sequence[Sequence[Filter]] | pc.Expression

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_OPERATORS = (*_COMPARISONS, "in", "not in")
_DOTTED = {f"kernel_regularizer_{part}": f"kernel_regularizer.{part}" for part in ("type", "l1", "l2")}
_UNDERSCORED = {dotted: underscored for underscored, dotted in _DOTTED.items()}
_TEST_SET = {"test_": "val_", "val_": "test_"}
"""Beginnings of the names of the test set's columns: the published runs say `val_`, the published summaries `test_`."""


def dotted(name: str) -> str:
    """Return the name of a column with dots, such as `kernel_regularizer.l1` for `kernel_regularizer_l1`."""
    return _DOTTED.get(name, name)


def of_test_set(name: str) -> str:
    """Return the other name of a statistic of the test set, `val_loss` for `test_loss`; any other name as it is."""
    for one, other in _TEST_SET.items():
        statistic = name.removeprefix(one)
        if statistic != name and statistic.startswith(STATISTICS):
            return other + statistic
    return name


def column(name: str, schema: pa.Schema) -> str:
    """Return the name of a column as the table spells it: with dots or underscores, `test_` or `val_`.

    Raises:
        InputError: The table lacks it.
    """
    for candidate in (name, dotted(name), _UNDERSCORED.get(name, name), of_test_set(name)):
        if candidate in schema.names:
            return candidate
    known = nearest(name, schema.names) or f"; there are {', '.join(schema.names[:12])} and others"
    raise InputError(f"column {name!r} is not in the table{known}")


class Condition:
    """The filters on rows as an expression, and their consequences for some columns alone."""

    def __init__(self, filters: Filters | None, schema: pa.Schema) -> None:
        """Check the filters and convert their values to the types of their columns.

        Args:
            filters: As for `analysis.read`.
            schema: Schema of the table.

        Raises:
            InputError: A filter is invalid, or its column is not in the table.
        """
        self._alternatives: list[list[tuple[str, pc.Expression]]] = []
        self.expression: pc.Expression | None = None
        if isinstance(filters, pc.Expression):
            self.expression = filters
        elif filters:
            lists: Any = [filters] if isinstance(filters[0], tuple) else filters
            self._alternatives = [[_term(term, schema) for term in terms] for terms in lists]
            self.expression = self.of({name for terms in self._alternatives for name, _ in terms})

    def of(self, columns: Collection[str]) -> pc.Expression | None:
        """Return what the whole condition implies for these columns alone; None if nothing."""
        known = [[term for name, term in terms if name in columns] for terms in self._alternatives]
        if not known or not all(known):
            return None
        return functools.reduce(operator.or_, (functools.reduce(operator.and_, terms) for terms in known))


def _term(term: Any, schema: pa.Schema) -> tuple[str, pc.Expression]:
    try:
        name, symbol, value = term
    except (TypeError, ValueError):
        raise InputError(f"filter {term!r}: expected (column, operator, value)") from None
    found = column(name, schema)
    if symbol not in _OPERATORS:
        raise InputError(f"filter {term!r}: operator {symbol!r} is unknown; known are {', '.join(_OPERATORS)}")
    kind = schema.field(found).type
    if pa.types.is_nested(kind) and value is not None:
        raise InputError(
            f"filter {term!r}: {found} holds lists, which only None can be compared with; read the column and select "
            "rows of the frame"
        )
    try:
        return found, _comparison(pc.field(found), symbol, value, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"filter {term!r}: {found} is a {kind} ({one_line(error)})") from error


def _comparison(field: pc.Expression, symbol: str, value: Any, kind: pa.DataType) -> pc.Expression:
    if value is None:
        return ~field.is_null() if symbol == "!=" else field.is_null()
    if symbol in ("in", "not in"):
        inside = field.isin(pa.array(list(value), kind))
        return inside if symbol == "in" else ~inside
    return _COMPARISONS[symbol](field, pa.scalar(value, kind))
