"""Whether data sets can be combined: in what all runs of one must agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.layout import (
    REPETITIONS,
    columns_of,
    existing_tasks,
    metadata_file,
    partition_file,
    partitions,
    task_of,
)
from survey.dataset.reading import read_file, sweeps_of
from survey.dataset.schema import columns_in
from survey.errors import InputError, nearest_path
from survey.text.names import clash, inside
from survey.workloads.columns import Columns
from survey.workloads.registry import workload_named

_NEEDED = ("experiment_id", "run_id", "repetition")


def sweeps_of_all(sources: Sequence[Path]) -> list[str]:
    """Return the names of all sweeps of some data sets, in order.

    Raises:
        InputError: A folder is not a data set of this program, or two names differ only in capitals.
    """
    names: set[str] = set()
    for source in sources:
        if not source.is_dir():
            meant = nearest_path(source, fits=Path.is_dir)
            raise InputError(f"{source}: no such folder{meant}; expected that of a data set on this machine")
        file = metadata_file(source, REPETITIONS)
        if not file.is_file():
            raise InputError(f"{source}: not a data set with runs: no {REPETITIONS}/_common_metadata in it")
        try:
            schema = pq.read_schema(file)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{file}: cannot be read ({error})") from None
        needed = (*_NEEDED, *_definitions(columns_in(schema.metadata, source)))
        missing = [name for name in needed if name not in schema.names]
        kind = schema.field("experiment_id").type if "experiment_id" in schema.names else None
        if missing or kind != pa.uint64():
            lacks = f"it lacks {', '.join(missing)}" if missing else f"its experiment_id is {kind}, not uint64"
            raise InputError(
                f"{source}: cannot be mixed with data sets of this program: {lacks}. Its ids mean something else; read "
                f"both separately"
            )
        names |= set(sweeps_of(schema, file))
    if problem := clash(sorted(names), "search space"):
        raise InputError(f"the data sets cannot be combined: {problem}")
    return sorted(names)


def columns_of_all(sources: Sequence[Path]) -> Columns:
    """Return the columns of some data sets, which are of one workload.

    Raises:
        InputError: They are not; the message names both.
    """
    columns = [columns_of(source) for source in sources]
    for source, its in zip(sources, columns, strict=True):
        if its.workload != columns[0].workload:
            raise InputError(
                f"the data sets cannot be combined: {sources[0]} is of the workload {columns[0].workload!r}, "
                f"{source} of {its.workload!r}; read both separately"
            )
    return _joined(columns, sources)


def _joined(columns: Sequence[Columns], sources: Sequence[Path]) -> Columns:
    """The columns of one workload, with all that any of the data sets has recorded."""
    first, *others = (workload_named(each.workload, each.about) for each in columns)
    for source, other in zip(sources[1:], others, strict=True):
        try:
            first = first.joined(other)
        except InputError as error:
            raise InputError(f"the data sets cannot be combined: {sources[0]} and {source}: {error}") from None
    if not first.columns.metrics.is_open:
        return columns[0]
    return first.columns.recording(name for each in columns for name in each.metrics.names)


def _definitions(columns: Columns) -> list[str]:
    """Columns of which all runs of a data set, or of a task in it, have the same value."""
    return [name for name in (*columns.one_for_data, *columns.one_for_all) if name in columns.experiment]


def check_definitions(sources: Sequence[Path], columns: Columns) -> None:
    """Check that data sets have one version of each definition, and the same data under the name of a task.

    Raises:
        InputError: They do not; the message names both.
    """
    if problem := clash((task for source in sources for task in existing_tasks(source)), "task"):
        raise InputError(f"the data sets cannot be combined: {problem}")
    seen: dict[tuple[str, str], tuple[Any, Path]] = {}
    for source in sources:
        table = inside(source, REPETITIONS)
        for partition in partitions(table):
            task = task_of(partition)
            rows = read_file(partition_file(table, partition), _definitions(columns))
            for name in rows.column_names:
                key = (name, task if name in columns.one_for_data else "")
                for value in rows[name].unique().to_pylist():
                    known, where = seen.setdefault(key, (value, source))
                    if known != value:
                        raise InputError(_mixture(name, task, (known, where), (value, source)))


def _mixture(name: str, task: str, one: tuple[Any, Path], other: tuple[Any, Path]) -> str:
    if name == "task_digest":
        return (
            f"the task {task!r} stands for other data in {one[1]} (digest {one[0][:16]}...) than in {other[1]} "
            f"({other[0][:16]}...): their runs cannot be mixed"
        )
    return f"{name} is {one[0]} in {one[1]} and {other[0]} in {other[1]}: runs of both cannot be mixed"


def check_same_experiment(one: pa.Table, other: pa.Table, names: tuple[Path, Path], columns: Columns) -> None:
    """Check that two data sets describe an experiment alike, which has the same id in both.

    Args:
        one: Runs of the experiment in the one.
        other: Those in the other.
        names: The folders of both.
        columns: Columns of the workload.

    Raises:
        InputError: They do not; the message names both.
    """
    for column in columns.experiment:
        if column in ("batch", *columns.of_data, *columns.partition):  # what may differ, and what is in the path
            continue
        left, right = one[column][0].as_py(), other[column][0].as_py()
        if left != right:
            experiment_id = one["experiment_id"][0].as_py()
            raise InputError(
                f"experiment {experiment_id:016x}: {column} is {left} in {names[0]} and {right} in {names[1]}: their "
                f"definitions differ, so their runs cannot be mixed"
            )
