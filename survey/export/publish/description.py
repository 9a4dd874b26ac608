"""The description of a published data set: the publisher's details, and facts from the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from survey.dataset.columns_page import page
from survey.dataset.layout import EXECUTIVE, REPETITIONS, columns_of, field_of, metadata_file
from survey.dataset.reading import open_table, read_schema, sweeps_of
from survey.errors import ExportError, InputError
from survey.workloads.columns import Columns
from survey.workloads.registry import NETWORKS, workload_named

if TYPE_CHECKING:
    import pyarrow.dataset as ds

LICENCES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
    "PDDL-1.0": "https://opendatacommons.org/licenses/pddl/1-0/",
}
"""URLs of licences for data, by short name."""

_MADE_BY = (
    "python_version", "torch_version", "ray_version", "mlflow_version", "platform", "device", "git_hash",
    "task_version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class About:
    """The publisher's details.

    Attributes:
        title: Title of the data set.
        licence: Short name of a licence, as in `LICENCES`, or its URL.
        creator: Who publishes it; may be empty.
        url: HTTP address of the published folder; empty if there is none: the Croissant description then names files by
            relative path, and works in a copy of the folder.
    """

    title: str
    licence: str = "CC-BY-4.0"
    creator: str = ""
    url: str = ""

    @property
    def licence_url(self) -> str:
        """URL of the licence, or the licence as given."""
        return LICENCES.get(self.licence, self.licence)


@dataclass(frozen=True)
class Facts:
    """The facts in the data.

    Attributes:
        sweeps: Number of experiments of each search space, by its name.
        tasks: A row for each task: dataset, kind, number of experiments and of runs; none if the workload has none.
        settings: Values that each hyperparameter takes, as text, by its column.
        num_experiments: Number of experiments.
        num_runs: Number of runs.
        num_epochs: Number of epochs, summed over runs.
        runs_per_experiment: Least and greatest number of runs of an experiment.
        made_by: Versions, platforms and devices of the runs, as text, by column.
        began: Day on which the first trial began (UTC).
        ended: Day on which the last trial ended (UTC).
        train_hours: Hours in training, summed over runs.
        executive: Schema of the executive summary.
        columns: Columns of the workload.
    """

    sweeps: dict[str, int]
    tasks: tuple[tuple[str, str, int, int], ...]
    settings: dict[str, str]
    num_experiments: int
    num_runs: int
    num_epochs: int
    runs_per_experiment: tuple[int, int]
    made_by: dict[str, str]
    began: date
    ended: date
    train_hours: float
    executive: pa.Schema
    columns: Columns

    @property
    def of_networks(self) -> bool:
        """Whether they are of networks, whose definitions are those of BUTTER."""
        return self.columns.workload == NETWORKS

    @property
    def example(self) -> tuple[str, str]:
        """The first float32 column in the paths, and the first of its values as text; empty if there is none."""
        floats = (name for name in self.columns.partition if self.columns.experiment[name][0] == pa.float32())
        name = next(floats, "")
        return name, self.settings[name].split(", ")[0] if name else ""

    def columns_page(self) -> str:
        """Return the page of columns, in Markdown."""
        origin = "Made from the schema that wrote the data."
        return page(self.columns, origin, sorted(self.sweeps))


def describe(dataset: Path) -> Facts:
    """Read the facts in the data.

    Raises:
        InputError: The folder is not a data set, has no runs, or has an invalid name in it.
        ExportError: A file of it is damaged.
    """
    missing = [name for name in (REPETITIONS, EXECUTIVE) if not metadata_file(dataset, name).is_file()]
    if missing:
        raise InputError(f"{dataset}: not a data set: no {missing[0]}/_common_metadata in it; export some runs first")
    try:
        schema = read_schema(dataset, EXECUTIVE)
        sweeps = sweeps_of(schema, metadata_file(dataset, EXECUTIVE))
        summary = open_table(dataset, EXECUTIVE)
        columns = columns_of(dataset)
        settings, tasks = _settings(columns), [name for name in ("dataset", "task") if name in columns.experiment]
        names = dict.fromkeys([*tasks, "num_runs", *settings, *sweeps])
        rows = summary.to_table([name for name in names if name in schema.names]).to_pandas()
        for name, value in columns.before.items():
            rows[name] = rows[name].fillna(value) if name in rows else value
        made = _made(open_table(dataset, REPETITIONS))
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"{dataset}: cannot be read: {error}; export again") from None
    if rows.empty:
        raise InputError(f"{dataset}: there are no experiments in it; export some runs first")
    counts = rows["num_runs"].astype(int)
    return Facts(
        sweeps={name: int(rows[name].sum()) for name in sweeps},
        tasks=tuple(
            (str(name), str(group["task"].iloc[0]), len(group), int(group["num_runs"].sum()))
            for name, group in rows.groupby("dataset", sort=True)
        )
        if len(tasks) == 2
        else (),
        settings={name: _values(rows[name]) for name in settings},
        num_experiments=len(rows),
        num_runs=int(counts.sum()),
        num_epochs=int((counts * rows["epochs"].astype(int)).sum()),
        runs_per_experiment=(int(counts.min()), int(counts.max())),
        made_by={name: _values(pd.Series(sorted(made.values[name]))) for name in _MADE_BY},
        began=_day(min(made.times_ms, default=0)),
        ended=_day(max(made.times_ms, default=0)),
        train_hours=made.train_s / 3600,
        executive=schema,
        columns=columns,
    )


def _settings(columns: Columns) -> list[str]:
    """The columns of hyperparameters, which are fields of the experiment, but for the task's: common ones last."""
    fields = list(workload_named(columns.workload, columns.about).hyperparameters)
    own = {field_of(name): name for name in columns.experiment}
    common = [name for name in ("epochs", "draws") if name in own]
    return [own[field] for field in fields if field in own and field not in ("dataset", *common)] + common


@dataclass
class _Made:
    values: dict[str, set[Any]]
    times_ms: set[int] = field(default_factory=set)
    train_s: float = 0.0


def _made(table: ds.Dataset) -> _Made:
    """Walk all runs, some at a time: there may be millions."""
    made = _Made({name: set() for name in _MADE_BY})
    for batch in table.to_batches(columns=[*_MADE_BY, "start_time", "update_time", "train_seconds"]):
        for name, values in made.values.items():
            values.update(batch[name].unique().drop_null().to_pylist())
        made.times_ms.update(batch["start_time"].drop_null().to_pylist(), batch["update_time"].drop_null().to_pylist())
        made.times_ms = {min(made.times_ms, default=0), max(made.times_ms, default=0)}
        made.train_s += float(np.nansum(batch["train_seconds"].to_numpy(zero_copy_only=False).astype(float)))
    return made


def _values(column: pd.Series) -> str:
    """Distinct values in order, as text; `none` for null."""
    found = sorted(column.dropna().unique())
    texts = [_text(value) for value in found] + (["none"] if column.isna().any() else [])
    return ", ".join(texts)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _day(milliseconds: int) -> date:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date()
