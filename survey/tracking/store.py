"""The tracking store as the driver sees it: created, described, kept in order, and asked what is finished."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlparse

import requests
from sqlalchemy import create_engine, text

from survey.errors import InputError
from survey.text.uris import sqlite_file
from survey.tracking.errors import tracking_errors
from survey.tracking.experiments import ClientExperiments, Experiments, SqlExperiments, database_of
from survey.tracking.finished import FinishedRow, FinishedTrials
from survey.tracking.ready_tables import make_tables
from survey.tracking.rows import Writer
from survey.tracking.sql_writer import DIALECTS
from survey.tracking.sqlite import use_write_ahead_log
from survey.tracking.tags import MOST_LETTERS, OUTPUT
from survey.tracking.ui_view import VIEW
from survey.tracking.writer import make_writer

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_ANSWER_WITHIN_S = 15.0

_ANALYZE = {"sqlite": ("PRAGMA analysis_limit = 1000", "ANALYZE"), "postgresql": ("ANALYZE",)}
"""How a database gathers statistics for its query planner; MySQL does so by itself."""


class TrackingStore:
    """An MLflow tracking store and the MLflow experiments in it that belong to one output.

    Args:
        uri: MLflow tracking URI; a sqlite file is created where there is none.
        output_id: Identity of the output folder, by which its MLflow experiments are known in a shared store.
        is_own: Whether it is the output's own, which came with the folder, rather than one that somebody has named.

    Raises:
        InputError: The URI of a sqlite file has options: MLflow would take what stands before them for the file.
        TrackingError: The store cannot be reached.
    """

    def __init__(self, uri: str, *, output_id: str, is_own: bool = True) -> None:
        self.uri, self.is_own, self._output_id = uri, is_own, output_id
        if uri.startswith("sqlite") and "?" in uri:
            raise InputError(f"{uri}: a sqlite file takes no options here; write %3F for a '?' in its path")
        if file := sqlite_file(uri):
            use_write_ahead_log(file)
            make_tables(file)
        with tracking_errors(uri):
            if uri.startswith("http"):
                # MLflow itself would try again for minutes.
                requests.get(uri, timeout=_ANSWER_WITHIN_S)
            elif urlparse(uri).scheme.partition("+")[0] in DIALECTS - {"sqlite"}:
                engine = create_engine(uri)
                engine.connect().close()
                engine.dispose()
            self._database = database_of(uri)
            if self._database is None:
                self.client.search_experiments(max_results=1)  # which makes the tables of a new database
                self._database = database_of(uri)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client of the store, which takes seconds to import."""
        from mlflow.tracking import MlflowClient

        return MlflowClient(self.uri)

    @property
    def _experiments(self) -> Experiments:
        if self._database is not None:
            return SqlExperiments(self._database, self._output_id)
        return ClientExperiments(self.client, self._output_id)

    def open_experiment(self, name: str, *, note: str, artifact_location: str | None, view: str = "") -> str:
        """Return the id of the MLflow experiment for a survey of this name, created where there is none.

        Args:
            name: Name of the survey.
            note: What it is for, as Markdown.
            artifact_location: URI of the artifact folder; None if MLflow chooses it.
            view: What its page shows, see `survey.tracking.ui_view`.
        """
        with tracking_errors(self.uri):
            experiments = self._experiments
            for experiment in experiments.all():
                # One whose artifacts belong elsewhere is of before the output folder was moved.
                here = artifact_location in (None, experiment.artifact_location)
                if here and experiment.tags.get("survey.name") == name:
                    if view:
                        experiments.set_tag(experiment.experiment_id, VIEW, view)
                    return experiment.experiment_id
            tags = {OUTPUT: self._output_id, "survey.name": name, "mlflow.note.content": note}
            # The UI then opens its pages for training runs, rather than those for language models.
            tags["mlflow.experimentKind"] = "custom_model_development"
            if view:
                tags[VIEW] = view
            short = name[:MOST_LETTERS]
            titles = itertools.chain([short], (f"{short} ({number})" for number in itertools.count(2)))
            title = next(title for title in titles if not experiments.is_taken(title))
            if artifact_location is None:  # only MLflow knows what it would choose
                experiments = ClientExperiments(self.client, self._output_id)
            return experiments.create(title, artifact_location, tags)

    def artifact_locations(self) -> set[str]:
        """Return where the store says that the artifacts of this output lie."""
        with tracking_errors(self.uri):
            return {experiment.artifact_location.rstrip("/") for experiment in self._experiments.all()}

    @property
    def finished(self) -> FinishedTrials:
        """The finished trials of this output."""
        return FinishedTrials(self._finished_rows)

    def _finished_rows(self) -> Iterator[FinishedRow]:
        with tracking_errors(self.uri, "be read"):
            yield from self._experiments.finished()

    def close_abandoned_runs(self) -> int:
        """Mark runs that nobody trains any more as KILLED, and return how many there were.

        To be called only while no trial of this output is running.
        """
        with tracking_errors(self.uri):
            abandoned = list(self._experiments.unended())
        # The clock of the worker that has started one may be ahead of this machine's.
        now_ms = max([int(time.time() * 1000), *(run.start_time for run in abandoned)])
        for mlflow_experiment_id in {run.experiment_id for run in abandoned}:
            run_ids = [run.run_id for run in abandoned if run.experiment_id == mlflow_experiment_id]
            self._writer(mlflow_experiment_id).end_runs(run_ids, "KILLED", now_ms)
        return len(abandoned)

    def optimize(self) -> None:
        """Let the database update its statistics, without which it plans the MLflow UI's queries badly.

        It does nothing where the database cannot be reached from here, and takes milliseconds in sqlite, which looks at
        a sample.
        """
        with tracking_errors(self.uri, "be optimized"):
            engine = self._database
            if engine is not None and engine.dialect.name in _ANALYZE:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    for statement in _ANALYZE[engine.dialect.name]:
                        connection.execute(text(statement))

    def sql_artifacts(self, mlflow_experiment_id: str) -> str | None:
        """Return where an MLflow experiment keeps artifacts, if its rows may be written by SQL; else None."""
        if self._database is None:
            return None
        with tracking_errors(self.uri):
            its = (each for each in self._experiments.all() if each.experiment_id == mlflow_experiment_id)
            return next(its).artifact_location

    def _writer(self, mlflow_experiment_id: str) -> Writer:
        return make_writer(self.uri, mlflow_experiment_id, sql_artifacts=self.sql_artifacts(mlflow_experiment_id))
