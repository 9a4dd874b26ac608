"""The repetitions of each experiment that are done, and the MLflow runs that trained them, from the data set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from survey.dataset.layout import REPETITIONS, partition_file, partitions
from survey.dataset.reading import read_file


@dataclass(frozen=True)
class PartitionRuns:
    """The runs in a partition, in the order of its file.

    Attributes:
        partition: Path of the partition, relative to its table.
        experiment_ids: uint64 [runs].
        repetitions: uint16 [runs].
        mlflow_run_ids: [runs], the MLflow runs of their trials.
    """

    partition: str
    experiment_ids: np.ndarray
    repetitions: np.ndarray
    mlflow_run_ids: tuple[str, ...]

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Yield MLflow run, experiment_id and repetition of each run."""
        return zip(self.mlflow_run_ids, self.experiment_ids.tolist(), self.repetitions.tolist(), strict=True)


def partition_runs(dataset: Path) -> Iterator[PartitionRuns]:
    """Yield the runs of a data set, partition by partition.

    Raises:
        ExportError: A file is damaged.
    """
    table = dataset / REPETITIONS
    for partition in partitions(table):
        rows = read_file(partition_file(table, partition), ["experiment_id", "repetition", "mlflow_run_id"])
        ids, repetitions = rows["experiment_id"].to_numpy(), rows["repetition"].to_numpy()
        yield PartitionRuns(partition, ids, repetitions, tuple(rows["mlflow_run_id"].to_pylist()))


class TrainedRuns(NamedTuple):
    """Repetitions of an experiment, and the MLflow run of the trial that trained them."""

    mlflow_run_id: str
    experiment_id: int
    repetitions: tuple[int, ...]


def trained_runs(dataset: Path, experiment_ids: Collection[int]) -> Iterator[TrainedRuns]:
    """Yield the runs of some experiments in a data set, one by one; errors as for `partition_runs`."""
    for runs in partition_runs(dataset):
        for mlflow_run_id, experiment_id, repetition in runs:
            if experiment_id in experiment_ids:
                yield TrainedRuns(mlflow_run_id, experiment_id, (repetition,))


class CompletedRuns(dict[int, set[int]]):
    """The repetitions that are done, by experiment_id.

    It is a dict, and not a class around one, because a plan looks up each of hundreds of thousands of experiments.
    """

    @classmethod
    def of_dataset(cls, dataset: Path, superseded: Collection[str] = ()) -> CompletedRuns:
        """Collect the runs of a data set, except those of `superseded` MLflow runs; errors as for `partition_runs`."""
        completed = cls()
        for runs in partition_runs(dataset):
            completed.add_partition(runs, superseded)
        return completed

    def add_partition(self, runs: PartitionRuns, superseded: Collection[str] = ()) -> None:
        """Add the runs of a partition, except those of `superseded` MLflow runs."""
        for mlflow_run_id, experiment_id, repetition in runs:
            if mlflow_run_id not in superseded:
                self.setdefault(experiment_id, set()).add(repetition)

    def add(self, experiment_id: int, repetitions: Iterable[int]) -> None:
        """Add repetitions of an experiment."""
        self.setdefault(experiment_id, set()).update(repetitions)

    def merge(self, other: Mapping[int, Iterable[int]]) -> None:
        """Add all of another one, such as the finished runs in a tracking store."""
        for experiment_id, repetitions in other.items():
            self.add(experiment_id, repetitions)

    def includes(self, experiment_id: int, repetitions: Iterable[int]) -> bool:
        """Whether all of these repetitions of an experiment are done."""
        return self.get(experiment_id, set()).issuperset(repetitions)

    @property
    def num_runs(self) -> int:
        """Number of runs that are done."""
        return sum(map(len, self.values()))
