"""Trials whose results are in the tracking store, read in bulk: a row for each, and no more of it than is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Engine, select

from survey.dataset.completed_runs import CompletedRuns, TrainedRuns
from survey.errors import InputError, TrackingError
from survey.tracking.sql_writer import RUNS, TAGS
from survey.tracking.tags import EXPERIMENT, EXPERIMENT_ID, HISTORY_FILE, REPETITIONS, ROLE, TRIAL_ROLE
from survey.workloads.experiment import Experiment
from survey.workloads.registry import experiment_of

_ROWS_AT_ONCE = 1000

RUN_ID = re.compile(r"[0-9a-f]{32}")
"""The form of MLflow's ids of runs, which become names of folders."""


@dataclass(frozen=True)
class FinishedTrial:
    """A trial whose MLflow run is finished: its experiment, its repetitions, and where its history lies."""

    mlflow_run_id: str
    experiment: Experiment
    repetitions: tuple[int, ...]
    history_uri: str


class FinishedRow(NamedTuple):
    """What the store says of a finished trial; the settings are JSON that is read only where it is wanted."""

    mlflow_run_id: str
    artifact_uri: str
    experiment_id: int
    repetitions: tuple[int, ...]
    experiment: str

    @classmethod
    def of(cls, mlflow_run_id: str, artifact_uri: str, tags: Mapping[str, str]) -> FinishedRow:
        """Make the row from the tags of an MLflow run.

        Raises:
            TrackingError: No survey has written them.
        """
        try:
            if not RUN_ID.fullmatch(mlflow_run_id):
                raise ValueError
            repetitions = tuple(map(int, json.loads(tags[REPETITIONS])))
            return cls(mlflow_run_id, artifact_uri, int(tags[EXPERIMENT_ID], 16), repetitions, tags[EXPERIMENT])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise _foreign(mlflow_run_id) from None

    @property
    def trial(self) -> FinishedTrial:
        """The trial itself.

        Raises:
            TrackingError: The settings are not those of the experiment that the row is said to be of.
        """
        try:
            experiment = experiment_of(json.loads(self.experiment))
            if experiment.experiment_id != self.experiment_id:
                raise ValueError
        except (AttributeError, TypeError, ValueError, RecursionError, InputError):
            raise _foreign(self.mlflow_run_id) from None
        uri = f"{self.artifact_uri}/{HISTORY_FILE}"
        return FinishedTrial(self.mlflow_run_id, experiment, self.repetitions, uri)


class FinishedTrials:
    """The finished trials of an output, read from the store at each question.

    Args:
        rows: Returns what the store says of them, oldest first.

    Raises:
        TrackingError: The store cannot be read, or what it has is of no survey; from every method.
    """

    def __init__(self, rows: Callable[[], Iterator[FinishedRow]]) -> None:
        self._rows = rows

    def trials(self, *, done: CompletedRuns | None = None, superseded: Collection[str] = ()) -> Iterator[FinishedTrial]:
        """Yield the trials, oldest first, except for `superseded` MLflow runs.

        Args:
            done: Trials all of whose repetitions are among these are left out.
            superseded: Ids of MLflow runs.
        """
        for row in self._rows():
            is_done = done is not None and done.includes(row.experiment_id, row.repetitions)
            if not is_done and row.mlflow_run_id not in superseded:
                yield row.trial

    def completed_runs(self, superseded: Collection[str] = ()) -> CompletedRuns:
        """Return what they have trained, except for `superseded` MLflow runs."""
        completed = CompletedRuns()
        for row in self._rows():
            if row.mlflow_run_id not in superseded:
                completed.add(row.experiment_id, row.repetitions)
        return completed

    def trained_runs(self, experiment_ids: Collection[int]) -> Iterator[TrainedRuns]:
        """Yield what those of some experiments have trained."""
        for row in self._rows():
            if row.experiment_id in experiment_ids:
                yield TrainedRuns(row.mlflow_run_id, row.experiment_id, row.repetitions)

    def run_ids(self) -> set[str]:
        """Return the MLflow runs of all of them."""
        return {row.mlflow_run_id for row in self._rows()}


def _foreign(mlflow_run_id: str) -> TrackingError:
    return TrackingError(
        f"the tracking store has an MLflow run {mlflow_run_id!r} that is said to be a trial, with tags that no trial "
        "writes: the store is damaged, or not of a survey"
    )


def rows_by_sql(engine: Engine, mlflow_experiment_ids: Sequence[int]) -> Iterator[FinishedRow]:
    """Yield the finished trials of MLflow experiments by one query on the store's database, oldest first."""
    tags = {name: TAGS.alias(name.replace(".", "_")) for name in (ROLE, EXPERIMENT, EXPERIMENT_ID, REPETITIONS)}
    found = [RUNS.c.run_uuid, RUNS.c.artifact_uri, *(tag.c.value for name, tag in tags.items() if name != ROLE)]
    query = select(*found).where(
        RUNS.c.experiment_id.in_(mlflow_experiment_ids),
        RUNS.c.status == "FINISHED",
        RUNS.c.lifecycle_stage == "active",
        tags[ROLE].c.value == TRIAL_ROLE,
    )
    for name, tag in tags.items():
        query = query.where(tag.c.run_uuid == RUNS.c.run_uuid, tag.c.key == name)
    query = query.order_by(RUNS.c.start_time, RUNS.c.run_uuid)
    names = [name for name in tags if name != ROLE]
    with engine.connect().execution_options(yield_per=_ROWS_AT_ONCE) as connection:
        for row in connection.execute(query):
            run_id, artifact_uri, *values = tuple(row)
            yield FinishedRow.of(run_id, artifact_uri, dict(zip(names, values, strict=True)))
