"""What the explorer keeps of a data set: a row for each experiment and each run, without curves.

It is made of the tables of the data set and says nothing that they do not say: scalar columns of the summary, what the
median of each metric is at the last epoch, and what each run counts by. Where a file of the data set has changed, its
rows are made again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from analysis.explore.kept_table import PART, Kept, Source, bring_up_to_date
from analysis.reading.axes import axes_as_text, axes_of, list_axes
from analysis.reading.best import Best, choices
from analysis.reading.filters import dotted
from analysis.reading.parts import Part
from analysis.reading.tables import SUMMARY, schema_of, tables
from survey.dataset.layout import REPETITIONS
from survey.dataset.schema import columns_in
from survey.dataset.summary import curves_of_runs
from survey.errors import InputError
from survey.system.home import user_cache
from survey.text.counting import counted
from survey.workloads.columns import Columns
from survey.workloads.metrics import at_epochs, best_epochs

pc: Any = pyarrow.compute  # whose functions are made when it is imported, so that no type checker knows them

FOLDER = "explorer"
"""The folder of the index, beside the data set in the output of a survey."""

LAST = "_median_last"
"""End of the name of the column with the median of a metric at the last epoch."""

_VERSION = "1"
_NONE = "no runs"


@dataclass(frozen=True, slots=True)
class Index:
    """What is kept of a data set.

    Attributes:
        dataset: Its folder.
        columns: Columns of its workload.
        experiments: A row for each experiment: its axes, `num_runs`, all statistics over runs that are one number, and
            `NAME_median_last` of each metric; `part`, the number of its file.
        runs: A row for each run: experiment_id, repetition, seed, `part`, and for each way to choose the best epoch
            what it counts by and that epoch (`value_column`, `epoch_column`). None where the data set has no runs.
        axes: Names of the axes.
        summary_columns: Columns of the summary, curves too.
        run_columns: Columns of the table of runs; none if there is none.
        parts: The files of the summary and of the runs.
        seconds: How long it took to read it or to bring it up to date.
        num_read: How many files were read for it.
        folder: Folder in which it is kept; None if it is not.
    """

    dataset: Path
    columns: Columns
    experiments: pd.DataFrame
    runs: pd.DataFrame | None
    axes: tuple[str, ...]
    summary_columns: tuple[str, ...]
    run_columns: tuple[str, ...]
    parts: dict[str, list[Part]]
    seconds: float
    num_read: int
    folder: Path | None

    @property
    def told(self) -> str:
        """What was read, how long that took and where it is kept, in a line."""
        runs = "no runs" if self.runs is None else counted(len(self.runs), "run")
        read = f"{counted(self.num_read, 'file')} read" if self.num_read else "nothing has changed"
        kept = f"; kept in {self.folder}" if self.folder else ""
        return f"index: {counted(len(self.experiments), 'experiment')}, {runs}, in {self.seconds:.1f} s ({read}{kept})"

    def files_of(self, table: str, ids: Sequence[int]) -> list[Part]:
        """Return the files of a table that have rows of some experiments."""
        frame = self.experiments if table == SUMMARY else self.runs
        if frame is None:
            return []
        numbers = frame.loc[frame["experiment_id"].isin(ids), PART].unique()
        return [self.parts[table][number] for number in sorted(numbers.tolist())]


def open_index(dataset: str | Path, folder: Path | None = None) -> Index:
    """Read what is kept of a data set, after bringing it up to date.

    Args:
        dataset: Folder of the data set.
        folder: Folder in which it is kept, see `folder_of`; None to keep nothing, and to read the whole data set.

    Raises:
        InputError: The folder is not a data set, or has no experiments.
        ExportError: A file of it is damaged.
    """
    began, dataset = time.perf_counter(), Path(dataset)
    schema = schema_of(dataset)
    columns = columns_in(schema.metadata, dataset)
    kept = bring_up_to_date(_of_experiments(dataset, schema, columns), folder and folder / "experiments.arrow")
    experiments = axes_as_text(kept.rows.to_pandas(), columns)
    if experiments.empty:
        raise InputError(f"{dataset}: no experiments in {SUMMARY}/ yet; export some runs first")
    parts, num_read, runs = {SUMMARY: kept.parts}, kept.num_read, None
    source = _of_runs(dataset, columns)
    if source:
        kept = bring_up_to_date(source, folder and folder / "runs.arrow")
        parts[REPETITIONS], num_read, runs = kept.parts, num_read + kept.num_read, _numbered_runs(kept)
    return Index(
        dataset=dataset,
        columns=columns,
        experiments=experiments,
        runs=runs,
        axes=tuple(axes_of(columns, experiments)),
        summary_columns=tuple(dotted(name) for name in schema.names),
        run_columns=tuple(schema_of(dataset, REPETITIONS).names) if source else (),
        parts=parts,
        seconds=time.perf_counter() - began,
        num_read=num_read,
        folder=folder,
    )


def folder_of(dataset: Path, *, read_only: bool = False) -> Path:
    """Return the folder in which the index of a data set is kept.

    Args:
        dataset: Folder of the data set.
        read_only: Whether nothing may be written beside it. Then the folder is in the user's cache, as it is if the
            data set is in no output of a survey, or in one in which this user may not write.
    """
    where = dataset.resolve()
    is_ours = (where.parent / "survey.json").exists() and os.access(where.parent, os.W_OK)
    if is_ours and not read_only and not (where.parent / FOLDER).is_symlink():  # which might lead elsewhere
        return where.parent / FOLDER
    return user_cache() / FOLDER / hashlib.sha256(str(where).encode()).hexdigest()[:16]


def value_column(best: Best) -> str:
    """Name the column of `Index.runs` with what a run counts by."""
    return f"{best.metric.name} by {best.chosen_by.name}"


def epoch_column(best: Best) -> str:
    """Name the column of `Index.runs` with the epoch at which it does, from 1; 0 where there is none."""
    return f"epoch by {best.chosen_by.name}"


def _of_experiments(dataset: Path, schema: pa.Schema, columns: Columns) -> Source:
    own = [
        name
        for name, (kind, _) in columns.experiment.items()
        if name not in columns.derived
        or name in columns.given_lists
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
    ]
    medians = [name for each in columns.metrics.all if (name := f"{each.name}_median") in schema.names]
    spelt = {dotted(name): name for name in schema.names}
    numbers = [
        field.name for field in schema if pa.types.is_float32(field.type) and field.name not in columns.experiment
    ]
    scalars = [spelt[name] for name in dict.fromkeys([*own, "num_runs", *numbers]) if name in spelt]
    lists = [*list_axes(columns), *columns.given_lists]
    scalars = [name for name in scalars if name in lists or not pa.types.is_nested(schema.field(name).type)]
    made = pa.schema(
        [pa.field(dotted(name), schema.field(name).type) for name in scalars]
        + [pa.field(f"{name.removesuffix('_median')}{LAST}", pa.float32()) for name in medians]
    )

    def condense(rows: pa.Table) -> pa.Table:
        kept = _without_lists_not_given(rows.select([dotted(name) for name in scalars]), columns)
        for name in medians:
            kept = kept.append_column(f"{name.removesuffix('_median')}{LAST}", _last(rows[name]))
        return kept

    return Source(dataset, SUMMARY, (*scalars, *medians), condense, made, _recipe(made))


def _without_lists_not_given(rows: pa.Table, columns: Columns) -> pa.Table:
    """The rows with null in place of lists that an experiment has, but was not given: these are no axis."""
    for name, given in columns.given_lists.items():
        if name in rows.column_names:
            is_given = pc.equal(rows[given.column], given.value)
            lists = pc.if_else(is_given, rows[name], pa.scalar(None, rows[name].type))
            rows = rows.set_column(rows.column_names.index(name), name, lists)
    return rows


def _last(curves: pa.ChunkedArray) -> pa.Array:
    """The last value of each curve; null where there is none."""
    lists = curves.combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    ends, flat = np.cumsum(lengths), lists.flatten().to_numpy(zero_copy_only=False)
    if not len(flat):
        return pa.nulls(len(lists), pa.float32())
    return pa.array(flat[np.maximum(ends - 1, 0)].astype(np.float32), mask=lengths == 0)


def _of_runs(dataset: Path, columns: Columns) -> Source | None:
    """What is kept of the runs; None if the data set has none, or none that say what they count by."""
    if REPETITIONS not in tables(dataset):
        return None
    there = schema_of(dataset, REPETITIONS)
    known = [each for each in choices(columns.metrics) if {each.metric.curve, each.chosen_by.curve} <= set(there.names)]
    if not known:
        return None
    described = [name for name in ("experiment_id", "repetition", "seed") if name in there.names]
    curves = list(dict.fromkeys(name for each in known for name in (each.chosen_by.curve, each.metric.curve)))
    made = pa.schema(
        [there.field(name).remove_metadata() for name in described]
        + [pa.field(value_column(each), pa.float64()) for each in known]
        + [pa.field(epoch_column(each), pa.uint32()) for each in known]
    )

    def condense(rows: pa.Table) -> pa.Table:
        found: dict[str, object] = {name: rows[name] for name in described}
        for each in known:
            values, epochs = _counted(rows, each)
            found |= {value_column(each): values, epoch_column(each): epochs}
        return pa.table(found).select(made.names)

    return Source(dataset, REPETITIONS, (*described, *curves), condense, made, _recipe(made))


def _counted(rows: pa.Table, best: Best) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint32]]:
    """What each run counts by, as `analysis.reading.best.run_values` has it."""
    chooser, judge = (curves_of_runs(rows, metric.curve) for metric in (best.chosen_by, best.metric))
    if not chooser.size or not judge.size:
        return np.full(len(rows), np.nan), np.zeros(len(rows), np.uint32)
    epochs = best_epochs(chooser, best.chosen_by)
    values = at_epochs(judge, epochs)
    finite = np.isfinite(values)
    return np.where(finite, values, np.nan), np.where(finite, epochs, 0).astype(np.uint32)


def _numbered_runs(kept: Kept) -> pd.DataFrame:
    runs = kept.rows.to_pandas()
    if "repetition" not in runs:  # as in the published data, which do not number them
        runs["repetition"] = runs.groupby("experiment_id").cumcount()
    return runs


def _recipe(schema: pa.Schema) -> str:
    return f"{_VERSION}\n{schema.to_string(show_field_metadata=False)}"
