"""Rows of longer experiments as if they had ended earlier: curves are cut, and what depends on them follows.

With paired draws they are then the runs of the experiment of fewer epochs, and can be compared with its neighbours.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from analysis.reading.filters import Filter, column, dotted
from survey.dataset.schema import best_name, choice_name, summary_schema
from survey.dataset.summary import summarise
from survey.errors import InputError
from survey.workloads.columns import Columns

pc: Any = pyarrow.compute  # whose functions are made when it is imported, so that no type checker knows them

ReadRuns = Callable[[list[Filter], list[str]], Iterator[pa.Table]]
"""Reads columns of the rows of `all_repetitions` that meet all filters, some rows at a time."""

_ID, _EPOCHS, _SECONDS, _EPOCH_SECONDS = "experiment_id", "epochs", "train_seconds", "epoch_seconds"


def check_epochs(epochs: object) -> None:
    """Check `epochs`.

    Raises:
        InputError: It is neither None nor a whole number of at least 1.
    """
    try:
        is_valid = epochs is None or (not isinstance(epochs, bool) and operator.index(epochs) >= 1)  # type: ignore[arg-type]
    except TypeError:
        is_valid = False
    if not is_valid:
        raise InputError(f"epochs is {epochs!r}; expected a whole number of at least 1")


@dataclass(frozen=True)
class FirstEpochs:
    """Cuts the rows of experiments of more than `epochs` epochs.

    Attributes:
        epochs: The last epoch that is kept.
        read_runs: Reads the runs, from which the best epochs of a summary are found again.
    """

    epochs: int
    read_runs: ReadRuns

    def needed(self, names: Sequence[str] | None, schema: pa.Schema, about: Columns) -> list[str] | None:
        """Return the columns to read in order to cut those of `names`; None for all.

        Args:
            names: Columns that are asked for; None for all.
            schema: Schema of the table.
            about: What is known of its columns.
        """
        if names is None:
            return None
        more = [_EPOCHS]
        if _SECONDS in names and _EPOCH_SECONDS in schema.names:
            more.append(_EPOCH_SECONDS)
        if any(_curves_of(name, about) for name in names):
            more += [_ID, *(column(name, schema) for name in about.partition)]
        return list(dict.fromkeys([*names, *more]))

    def cut(self, rows: pa.Table, about: Columns) -> pa.Table:
        """Cut rows of a table.

        Args:
            rows: Rows with the columns of `needed`.
            about: What is known of the columns.

        Returns:
            The rows in their order. In those of more epochs, every curve is cut, `epochs` is the number that is left,
            `train_seconds` is the sum of what is left of `epoch_seconds`, and the statistics over best epochs are those
            of the runs cut likewise.

        Raises:
            InputError: The data set lacks runs that a statistic is computed from.
        """
        is_longer = pc.greater(rows[_EPOCHS], self.epochs)
        longer = rows.filter(is_longer)
        if not len(longer):
            return rows
        best = self._best(longer, [name for name in rows.column_names if _curves_of(name, about)], about)
        for place, field in enumerate(rows.schema):
            values = rows[field.name]
            if _is_curve(field):
                values = pc.list_slice(values, 0, self.epochs)  # that of a shorter one stays as it is
            elif field.name == _EPOCHS:
                values = pc.min_element_wise(values, self.epochs)
            elif field.name == _SECONDS:
                values = pc.if_else(is_longer, self._seconds(rows), values)
            elif field.name in best.column_names:
                at = pc.index_in(rows[_ID].cast(pa.uint64()), best[_ID])
                values = pc.if_else(is_longer, best[field.name].take(at), values)
            rows = rows.set_column(place, field, values.cast(field.type))
        return rows

    def _seconds(self, rows: pa.Table) -> pa.Array:
        """What the first epochs of each run took; null where it is not known."""
        if _EPOCH_SECONDS not in rows.column_names:
            return pa.nulls(len(rows), pa.float32())
        cut = pc.list_slice(rows[_EPOCH_SECONDS], 0, self.epochs).to_pandas()
        return pa.array([None if each is None else np.sum(each, dtype=np.float64) for each in cut], pa.float32())

    def _best(self, longer: pa.Table, names: Sequence[str], about: Columns) -> pa.Table:
        """The statistics of `names` over the best of the first epochs of these experiments, with their ids."""
        if not names:
            return pa.table({})
        keys = [name for name in longer.column_names if dotted(name) in (_ID, *about.partition)]
        filters: list[Filter] = [(name, "in", longer[name].unique().to_pylist()) for name in keys]
        curves = list(dict.fromkeys(curve for name in names for curve in _curves_of(name, about)))
        parts = [self._first(part, curves) for part in self.read_runs(filters, [_ID, *curves])]
        runs = pa.concat_tables(parts).sort_by(_ID).combine_chunks() if parts else pa.table({_ID: []})
        if pc.any(pc.invert(pc.is_in(longer[_ID].cast(pa.uint64()), runs[_ID].cast(pa.uint64())))).as_py():
            raise InputError(
                f"epochs={self.epochs}: {names[0]} is computed again from the runs of experiments of more epochs, and "
                f"all_repetitions lacks some of them; leave such columns out"
            )
        return summarise(runs, summary_schema(about, []), about.metrics)

    def _first(self, runs: pa.Table, curves: Sequence[str]) -> pa.Table:
        cut = {name: pc.list_slice(runs[name], 0, self.epochs) for name in curves}
        return pa.table({_ID: runs[_ID].cast(pa.uint64()), **cut})


def _curves_of(name: str, about: Columns) -> tuple[str, ...]:
    """The curves of a run from which a statistic over the repetitions' best epochs comes; none for other columns."""
    chooser = about.metrics.chooser
    for metric in about.metrics.all:
        if metric.best and name.startswith((f"{best_name(metric)}_epoch_", f"{best_name(metric)}_value_")):
            return (metric.curve,)
        if metric.at_choice and chooser and name.startswith(f"{choice_name(metric, chooser)}_"):
            return metric.curve, chooser.curve
    return ()


def _is_curve(field: pa.Field) -> bool:
    return pa.types.is_list(field.type) and field.name != "widths"
