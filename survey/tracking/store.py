"""The tracking store as the driver sees it: created, described, kept in order, and asked what is finished."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from urllib.parse import urlparse

import requests
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine, create_engine, inspect, text

from survey.errors import InputError
from survey.text.uris import sqlite_file
from survey.tracking.errors import tracking_errors
from survey.tracking.finished import FinishedRow, FinishedTrials, rows_by_sql
from survey.tracking.rows import Writer
from survey.tracking.sql_writer import DIALECTS, TABLES
from survey.tracking.sqlite import use_write_ahead_log
from survey.tracking.tags import MOST_LETTERS, OUTPUT, ROLE, TRIAL_ROLE
from survey.tracking.ui_view import VIEW
from survey.tracking.writer import make_writer

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
        with tracking_errors(uri):
            if uri.startswith("http"):
                # MLflow itself would try again for minutes.
                requests.get(uri, timeout=_ANSWER_WITHIN_S)
            elif urlparse(uri).scheme.partition("+")[0] in DIALECTS - {"sqlite"}:
                engine = create_engine(uri)
                engine.connect().close()
                engine.dispose()
            self.client = MlflowClient(uri)
            self.client.search_experiments(max_results=1)

    def open_experiment(self, name: str, *, note: str, artifact_location: str | None, view: str = "") -> str:
        """Return the id of the MLflow experiment for a survey of this name, created where there is none.

        Args:
            name: Name of the survey.
            note: What it is for, as Markdown.
            artifact_location: URI of the artifact folder; None if the MLflow server chooses it.
            view: What its page shows, see `survey.tracking.ui_view`.
        """
        with tracking_errors(self.uri):
            for experiment in self._experiments():
                # One whose artifacts belong elsewhere is of before the output folder was moved.
                here = artifact_location in (None, experiment.artifact_location)
                if here and experiment.tags.get("survey.name") == name:
                    if view:
                        self.client.set_experiment_tag(experiment.experiment_id, VIEW, view)
                    return experiment.experiment_id
            tags = {OUTPUT: self._output_id, "survey.name": name, "mlflow.note.content": note}
            # The UI then opens its pages for training runs, rather than those for language models.
            tags["mlflow.experimentKind"] = "custom_model_development"
            if view:
                tags[VIEW] = view
            short = name[:MOST_LETTERS]
            titles = itertools.chain([short], (f"{short} ({number})" for number in itertools.count(2)))
            title = next(title for title in titles if self.client.get_experiment_by_name(title) is None)
            return self.client.create_experiment(title, artifact_location, tags)

    def artifact_locations(self) -> set[str]:
        """Return where the store says that the artifacts of this output lie."""
        with tracking_errors(self.uri):
            return {str(experiment.artifact_location).rstrip("/") for experiment in self._experiments()}

    @property
    def finished(self) -> FinishedTrials:
        """The finished trials of this output."""
        return FinishedTrials(self._finished_rows)

    def _finished_rows(self) -> Iterator[FinishedRow]:
        """Read by SQL where the store is a database that can be reached from here, through MLflow elsewhere."""
        with tracking_errors(self.uri, "be read"):
            engine = self._engine()
            if engine is not None:
                yield from rows_by_sql(engine, [experiment.experiment_id for experiment in self._experiments()])
                return
            for run in self._runs(f"attributes.status = 'FINISHED' and tags.`{ROLE}` = '{TRIAL_ROLE}'"):
                yield FinishedRow.of(run.info.run_id, run.info.artifact_uri, run.data.tags)

    def close_abandoned_runs(self) -> int:
        """Mark runs that nobody trains any more as KILLED, and return how many there were.

        To be called only while no trial of this output is running.
        """
        abandoned = [run.info for run in self._runs("attributes.status = 'RUNNING'")]
        # The clock of the worker that has started one may be ahead of this machine's.
        now_ms = max([int(time.time() * 1000), *(info.start_time for info in abandoned)])
        for mlflow_experiment_id in {info.experiment_id for info in abandoned}:
            run_ids = [info.run_id for info in abandoned if info.experiment_id == mlflow_experiment_id]
            self._writer(mlflow_experiment_id).end_runs(run_ids, "KILLED", now_ms)
        return len(abandoned)

    def optimize(self) -> None:
        """Let the database update its statistics, without which it plans the MLflow UI's queries badly.

        It does nothing where the database cannot be reached from here, and takes milliseconds in sqlite, which looks at
        a sample.
        """
        with tracking_errors(self.uri, "be optimized"):
            engine = self._engine()
            if engine is not None and engine.dialect.name in _ANALYZE:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    for statement in _ANALYZE[engine.dialect.name]:
                        connection.execute(text(statement))

    def sql_artifacts(self, mlflow_experiment_id: str) -> str | None:
        """Return where an MLflow experiment keeps artifacts, if its rows may be written by SQL; else None."""
        with tracking_errors(self.uri):
            experiment = self.client.get_experiment(mlflow_experiment_id)
            return experiment.artifact_location if self._engine() is not None else None

    def _engine(self) -> Engine | None:
        """The store's database, if it is a known kind whose tables have the known columns and no others."""
        store = self.client._tracking_client.store
        if not isinstance(store, SqlAlchemyStore) or store.engine.dialect.name not in DIALECTS:
            return None
        tables = inspect(store.engine)
        if any({c["name"] for c in tables.get_columns(name)} != columns for name, columns in TABLES.items()):
            return None
        return store.engine

    def _writer(self, mlflow_experiment_id: str) -> Writer:
        return make_writer(self.uri, mlflow_experiment_id, sql_artifacts=self.sql_artifacts(mlflow_experiment_id))

    def _experiments(self) -> list:
        return list(self.client.search_experiments(filter_string=f"tags.`{OUTPUT}` = '{self._output_id}'"))

    def _runs(self, filter_string: str) -> Iterator:
        with tracking_errors(self.uri):
            ids = [experiment.experiment_id for experiment in self._experiments()]
            token = None
            while ids:
                page = self.client.search_runs(
                    ids, filter_string, max_results=1000, order_by=["attributes.start_time"], page_token=token
                )
                yield from page
                token = page.token
                if not token:
                    return
