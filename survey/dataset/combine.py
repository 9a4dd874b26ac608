"""Combining data sets into one, by partition and experiment, in bounded memory.

An export uses the same writer, so combining the halves of a survey gives the whole survey.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from survey.dataset.compatibility import check_definitions, check_same_experiment, columns_of_all, sweeps_of_all
from survey.dataset.experiments_table import write_experiments
from survey.dataset.layout import REPETITIONS, partition_file, partitions, values_of
from survey.dataset.partition import (
    OldRuns,
    PartitionWriter,
    conform,
    filled_in,
    groups,
    runs_schema,
    write_schemas,
)
from survey.dataset.reading import check_run_ids, read_file
from survey.errors import InputError, OutputError
from survey.system.files import temporary_file
from survey.text.names import MOST_BYTES, NULL, is_of_system
from survey.workloads.columns import Columns

_SHOWN = 5
"""Most conflicts that a message lists."""


@dataclass(frozen=True)
class CombineResult:
    """A combined data set.

    Attributes:
        dataset: Its folder.
        num_experiments: Number of its experiments.
        num_runs: Number of its runs.
        num_equal: Number of runs that several data sets had with the same values.
        num_conflicts: Number of runs that several had with different values; the first data set's were taken.
    """

    dataset: Path
    num_experiments: int
    num_runs: int
    num_equal: int
    num_conflicts: int


def combine(
    a: Path | str,
    b: Path | str,
    *more: Path | str,
    out: Path | str | None = None,
    on_conflict: Literal["refuse", "first"] = "refuse",
) -> CombineResult:
    """Make one data set of several.

    A run in several data sets becomes one row if its seed and all its curves are equal bit for bit, else it is a
    conflict; the first data set gives its provenance. An experiment belongs to a sweep if any data set says so.
    Summaries are computed again.

    Args:
        a: Folder of a data set.
        b: Folder of another.
        more: Folders of more.
        out: Folder of the new one, new or empty; by default `A+B` beside the first.
        on_conflict: Refuse conflicts, or take the run of the first data set that has it.

    Raises:
        InputError: A folder is not a data set, workloads, definitions or versions cannot be mixed, or there are
            conflicts; the message names both sides, and nothing was written.
        OutputError: The new folder is not empty, or cannot be written.
        ExportError: A file is damaged.
    """
    sources = [Path(each) for each in (a, b, *more)]
    target = (
        Path(out)
        if out is not None
        else sources[0].absolute().with_name("+".join(each.absolute().name for each in sources))
    )
    _check_target(target)
    sweeps = sweeps_of_all(sources)
    columns = columns_of_all(sources)
    work = _Work(sources, columns, sweeps, on_conflict)
    check_definitions(sources, columns)
    # Inside the folder if it exists: a disk may be mounted there.
    temporary = temporary_file(target / target.name if target.exists() else target)
    try:
        for name in sorted({name for source in sources for name in partitions(source / REPETITIONS)}):
            work.write(temporary, name)
        work.refuse_conflicts()
        write_schemas(temporary, columns, sweeps)
        write_experiments(temporary)
        _put_in_place(temporary, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return CombineResult(target, work.num_experiments, work.num_runs, work.num_equal, len(work.conflicts))


def _check_target(target: Path) -> None:
    """Refuse a folder that is not empty, or whose name is too long."""
    if len(os.fsencode(temporary_file(target).name)) > MOST_BYTES:
        raise OutputError(f"{target}: this name is too long for a folder; choose a shorter one as out")
    if target.exists() and (not target.is_dir() or not all(is_of_system(each.name) for each in target.iterdir())):
        raise OutputError(f"{target}: already exists; choose a new or empty folder as out")


def _put_in_place(dataset: Path, target: Path) -> None:
    """Move a new data set to its folder; if that exists, move the runs last, as they make it a data set."""
    if not target.exists():
        dataset.replace(target)
        return
    for table in sorted(dataset.iterdir(), key=lambda each: (each.name == REPETITIONS, each.name)):
        table.replace(target / table.name)
    dataset.rmdir()


@dataclass
class _Work:
    sources: list[Path]
    columns: Columns
    sweeps: list[str]
    on_conflict: Literal["refuse", "first"]
    num_experiments: int = 0
    num_runs: int = 0
    num_equal: int = 0
    conflicts: list[str] = field(default_factory=list)

    def write(self, dataset: Path, partition: str) -> None:
        """Write a partition of the new data set."""
        files = [partition_file(source / REPETITIONS, partition) for source in self.sources]
        flags: dict[str, set[int]] = {name: set() for name in self.sweeps}
        for file in filter(Path.exists, files):
            _add_flags(file, flags)
        with ExitStack() as stack:
            writer = PartitionWriter(dataset, self.columns, partition, flags, stack)
            for group in groups(self._experiments(files, partition), self.columns):
                writer.write(group)
            if writer.num_runs:
                writer.commit()

    def refuse_conflicts(self) -> None:
        """Raise an InputError for conflicts, unless the first data set's runs are to be taken."""
        if not self.conflicts or self.on_conflict == "first":
            return
        rest = f"\n  and {len(self.conflicts) - _SHOWN:,} more" if len(self.conflicts) > _SHOWN else ""
        raise InputError(
            f"{len(self.conflicts):,} runs are in several data sets with different values; train them again for one of "
            f"these (--redo), or take those of the first data set (on_conflict 'first'):\n  "
            + "\n  ".join(self.conflicts[:_SHOWN])
            + rest
        )

    def _experiments(self, files: Sequence[Path], partition: str) -> Iterator[pa.Table]:
        runs = [OldRuns(file) for file in files]
        existing = [set(each.experiment_ids) for each in runs]
        schema = runs_schema(self.columns)
        for experiment_id in sorted(set().union(*existing)):
            having = [k for k, ids in enumerate(existing) if experiment_id in ids]
            tables = [conform(runs[k].of(experiment_id), schema, self.columns) for k in having]
            for k, table in zip(having, tables, strict=True):
                check_run_ids(table, files[k])
            merged = tables[0]
            for k, table in zip(having[1:], tables[1:], strict=True):
                names = self.sources[having[0]], self.sources[k]
                check_same_experiment(merged, table, names, self.columns)
                merged = self._merged(merged, table, names, partition)
            self.num_experiments += 1
            self.num_runs += len(merged)
            yield filled_in(merged, self.columns).sort_by("repetition")

    def _merged(self, one: pa.Table, other: pa.Table, names: tuple[Path, Path], partition: str) -> pa.Table:
        """The runs of both; those that both have must agree."""
        shared = np.intersect1d(one["repetition"].to_numpy(), other["repetition"].to_numpy())
        for number in shared.tolist():
            difference = _difference(_run(one, number), _run(other, number), self.columns.metrics.curves)
            if difference:
                run_id = _run(one, number)["run_id"][0].as_py()
                self.conflicts.append(
                    f"run {run_id} ({_label(partition)}): {difference[0]} is {difference[1]} in {names[0]} and "
                    f"{difference[2]} in {names[1]}"
                )
            else:
                self.num_equal += 1
        new = ~np.isin(other["repetition"].to_numpy(), shared)
        return pa.concat_tables([one, other.filter(pa.array(new))])


def _add_flags(file: Path, flags: dict[str, set[int]]) -> None:
    known = [name for name in flags if name in pq.read_schema(file).names]
    rows = read_file(file, ["experiment_id", *known])
    for name in known:
        flags[name].update(rows.filter(rows[name])["experiment_id"].to_pylist())


def _run(runs: pa.Table, repetition: int) -> pa.Table:
    return runs.filter(pc.field("repetition") == repetition)


def _difference(one: pa.Table, other: pa.Table, curves: Sequence[str]) -> tuple[str, Any, Any] | None:
    """The first difference of two rows of a run: what, and both values; NaN equals NaN."""
    if one["seed"][0] != other["seed"][0]:
        return "seed", one["seed"][0], other["seed"][0]
    for name in curves:
        left, right = (each[name].combine_chunks().flatten().to_numpy(zero_copy_only=False) for each in (one, other))
        if len(left) != len(right):
            return f"the number of epochs of {name}", len(left), len(right)
        # By their bits, so that NaN equals NaN.
        unlike = np.flatnonzero(left.view(np.int32) != right.view(np.int32))
        if len(unlike):
            return f"{name} at epoch {unlike[0] + 1}", left[unlike[0]], right[unlike[0]]
    return None


def _label(partition: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in values_of(partition).items() if value != NULL)
