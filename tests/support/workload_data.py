"""Data sets of a workload that is no network, written as the exporter writes them, from curves in closed form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from survey.dataset.history import history_table
from survey.dataset.layout import partition_of
from survey.dataset.partition import PartitionWriter, conform, runs_schema, write_schemas
from survey.workloads.columns import Columns, common
from survey.workloads.experiment import Experiment
from survey.workloads.metrics import ALL_STATISTICS, Metric, Metrics

SWEEP = "sweep"
ORIGIN = {
    "batch": SWEEP,
    "python_version": "3.11.2",
    "torch_version": "2.11.0",
    "platform": "Linux",
    "hostname": "host",
    "device": "cpu",
    "start_time": 1_760_000_000_000,
    "update_time": 1_760_000_045_000,
    "train_seconds": 0.25,
    "mlflow_run_id": "a",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Experiment):
    """An experiment with axes of all kinds."""

    WORKLOAD: ClassVar[str] = "made"

    rate: float | None = 1.0
    count: int = 1
    kind: str | None = "plain"
    flag: bool = False
    where: str = "here"
    steps: tuple[int, ...] = ()
    epochs: int = 8

    @property
    def label(self) -> str:
        return f"rate {self.rate}"


MADE = Columns(
    workload=Made.WORKLOAD,
    experiment={
        **common(),
        "rate": (pa.float32(), "How fast"),
        "count": (pa.int64(), "How many"),
        "kind": (pa.string(), "What kind"),
        "flag": (pa.bool_(), "Whether"),
        "where": (pa.string(), "Where"),
        "steps": (pa.list_(pa.int32()), "A list"),
    },
    partition=("where", "count"),
    metrics=Metrics(
        (
            Metric("height", "how high", best="max", statistics=ALL_STATISTICS),
            Metric("width", "how wide"),
            Metric("unseen", "in no summary", statistics=()),
        )
    ),
)


def write_workload(
    dataset: Path, columns: Columns, curves: Mapping[Experiment, Mapping[str, Any]], sweep: str = SWEEP
) -> Path:
    """Write a data set.

    Args:
        dataset: Its folder.
        columns: Columns of the workload.
        curves: For each experiment its curves, (repetitions, epochs), by the name of their column.
        sweep: The sweep to which all belong.
    """
    by_partition: dict[str, list[Experiment]] = defaultdict(list)
    for experiment in curves:
        by_partition[partition_of(experiment, columns)].append(experiment)
    write_schemas(dataset, columns, [sweep])
    for partition, experiments in by_partition.items():
        experiments.sort(key=lambda each: each.experiment_id)
        tables = [_runs(columns, experiment, curves[experiment]) for experiment in experiments]
        with ExitStack() as stack:
            ids = {experiment.experiment_id for experiment in experiments}
            writer = PartitionWriter(dataset, columns, partition, {sweep: ids}, stack)
            for table in tables:  # curves may differ in length
                writer.write(table)
            writer.commit()
    return dataset


def _runs(columns: Columns, experiment: Experiment, curves: Mapping[str, Any]) -> pa.Table:
    made = {name: np.asarray(values, np.float32) for name, values in curves.items()}
    repetitions: Sequence[int] = range(len(next(iter(made.values()))))
    table = history_table(columns, experiment, repetitions, {}, made, ORIGIN)
    return conform(table, runs_schema(columns), columns).combine_chunks()


def hills(*, rates: Sequence[float | None], **axes: Sequence[Any]) -> dict[Experiment, dict[str, Any]]:
    """Curves of all combinations of axes: the height is greatest at rate 2, count 3, no kind, no flag, and epoch 5."""
    settings: list[dict[str, Any]] = [{}]
    for name, values in {"rate": rates, **axes}.items():
        settings = [{**each, name: value} for each in settings for value in values]
    found: dict[Experiment, dict[str, Any]] = {}
    for setting in settings:
        experiment = Made(**setting)
        epochs = np.arange(1, experiment.epochs + 1)
        height = 10 - (epochs - 5) ** 2 / 10 - abs((experiment.rate or 0) - 2) - abs(experiment.count - 3)
        height += 0.5 * (experiment.kind is None) - 0.25 * experiment.flag
        runs = height[None] + np.array([-0.1, 0, 0.1])[:, None]
        found[experiment] = {"height": runs, "width": -runs, "unseen": runs}
    return found
