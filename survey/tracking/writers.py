"""How runs, parameters, tags and metrics get into an MLflow store: by SQL in bulk, or by MLflow's own calls.

MLflow's client builds an object for each row and asks the database about each key: 8,000 rows per second, 70 ms to
create and end a run. Where the store is a database that this process reaches itself, the same rows are written by a
few bulk statements: 60,000 rows per second. `tests/test_tracking.py` holds that both leave the same rows.
"""

from __future__ import annotations

import math
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from mlflow.entities import Metric, Param
from mlflow.store.tracking.dbmodels import models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy import delete, insert, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from survey.errors import TrackingError
from survey.tracking.told import told

_ROWS_PER_CALL = 1000
"""The most metrics that MLflow takes in one call."""

_PARENT = "mlflow.parentRunId"
"""MLflow's tag for the run that a run is part of; left empty, it is the first of those created together."""

_LARGEST = sys.float_info.max
"""What MLflow's SQL store writes for an infinity."""


@dataclass(frozen=True)
class NewRun:
    """A run to be created: its name, tags, parameters and start in milliseconds since 1970."""

    name: str
    start_time_ms: int
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)


class MetricRow(NamedTuple):
    """One point of a curve."""

    run_id: str
    key: str
    value: float
    step: int
    timestamp_ms: int


class Writer(Protocol):
    """Writes to one MLflow experiment."""

    def create_runs(self, runs: Sequence[NewRun]) -> list[str]:
        """Create runs, with status RUNNING, and return their MLflow ids."""
        ...

    def log_metrics(self, rows: Sequence[MetricRow]) -> None:
        """Log points; of each run and key, the last one is its latest."""
        ...

    def end_runs(self, run_ids: Sequence[str], status: str, end_time_ms: int) -> None:
        """Give runs their final status."""
        ...


def make_writer(client: MlflowClient, experiment_id: str) -> Writer:
    """Return the fastest writer that the client's store allows."""
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore) and _schema_is_known():
        return SqlWriter(store, experiment_id, client.get_experiment(experiment_id).artifact_location)
    return ClientWriter(client, experiment_id)


class ClientWriter:
    """Writes through MLflow's client: works with every store, and over HTTP."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client, self._experiment_id = client, experiment_id

    def create_runs(self, runs: Sequence[NewRun]) -> list[str]:
        """Create runs one by one."""
        ids: list[str] = []
        with told(self._client.tracking_uri):
            for run in runs:
                created = self._client.create_run(self._experiment_id, run.start_time_ms, _tags(run, ids), run.name)
                params = [Param(key, value) for key, value in run.params.items()]
                self._client.log_batch(created.info.run_id, params=params)
                ids.append(created.info.run_id)
        return ids

    def log_metrics(self, rows: Sequence[MetricRow]) -> None:
        """Log points, a thousand a call."""
        by_run: dict[str, list[Metric]] = {}
        for row in rows:
            by_run.setdefault(row.run_id, []).append(Metric(row.key, row.value, row.timestamp_ms, row.step))
        with told(self._client.tracking_uri):
            for run_id, metrics in by_run.items():
                for start in range(0, len(metrics), _ROWS_PER_CALL):
                    self._client.log_batch(run_id, metrics=metrics[start : start + _ROWS_PER_CALL])

    def end_runs(self, run_ids: Sequence[str], status: str, end_time_ms: int) -> None:
        """End runs one by one."""
        with told(self._client.tracking_uri):
            for run_id in run_ids:
                self._client.set_terminated(run_id, status, end_time_ms)


class SqlWriter:
    """Writes the rows that MLflow's SQL store would write, in one transaction for each call."""

    def __init__(self, store: SqlAlchemyStore, experiment_id: str, artifact_location: str) -> None:
        self._engine = store.engine
        self._experiment_id, self._artifact_location = int(experiment_id), artifact_location.rstrip("/")

    def create_runs(self, runs: Sequence[NewRun]) -> list[str]:
        """Create runs."""
        ids = [uuid.uuid4().hex for _ in runs]
        tags = [_tags(run, ids) | {"mlflow.runName": run.name} for run in runs]
        rows = [self._run_row(run_id, run, t) for run_id, run, t in zip(ids, runs, tags, strict=True)]
        params = [
            {"run_uuid": run_id, "key": key, "value": value}
            for run_id, run in zip(ids, runs, strict=True)
            for key, value in run.params.items()
        ]
        tag_rows = [
            {"run_uuid": run_id, "key": key, "value": value}
            for run_id, own in zip(ids, tags, strict=True)
            for key, value in own.items()
        ]
        self._execute(
            (insert(models.SqlRun), rows), (insert(models.SqlTag), tag_rows), (insert(models.SqlParam), params)
        )
        return ids

    def _run_row(self, run_id: str, run: NewRun, tags: dict[str, str]) -> dict[str, object]:
        return {
            "run_uuid": run_id,
            "name": run.name,
            "source_type": "UNKNOWN",
            "source_name": "",
            "entry_point_name": "",
            "user_id": tags.get("mlflow.user", "unknown"),
            "status": "RUNNING",
            "start_time": run.start_time_ms,
            "end_time": None,
            "deleted_time": None,
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": f"{self._artifact_location}/{run_id}/artifacts",
            "experiment_id": self._experiment_id,
        }

    def log_metrics(self, rows: Sequence[MetricRow]) -> None:
        """Log points, and replace the latest of their runs and keys."""
        if not rows:
            return
        points = [_metric_row(row) for row in rows]
        latest = {(point["run_uuid"], point["key"]): point for point in points}
        table = models.SqlLatestMetric
        self._execute(
            (delete(table).where(tuple_(table.run_uuid, table.key).in_(list(latest))), None),
            (insert(models.SqlMetric), points),
            (insert(table), list(latest.values())),
        )

    def end_runs(self, run_ids: Sequence[str], status: str, end_time_ms: int) -> None:
        """End runs."""
        statement = update(models.SqlRun).where(models.SqlRun.run_uuid.in_(run_ids))
        self._execute((statement.values(status=status, end_time=end_time_ms), None))

    def _execute(self, *statements: tuple) -> None:
        """Execute statements in one transaction, which starts with a write: so sqlite never has to upgrade a lock."""
        try:
            with self._engine.begin() as connection:
                for statement, rows in statements:
                    if rows is None or rows:
                        connection.execute(statement, rows)
        except SQLAlchemyError as error:
            raise TrackingError(f"the tracking database refused a write: {error}") from error


def _tags(run: NewRun, ids: Sequence[str]) -> dict[str, str]:
    """The run's tags, with the first run's id for a parent that is to be created in the same call."""
    return {**run.tags, _PARENT: ids[0]} if run.tags.get(_PARENT) == "" else run.tags


def _metric_row(row: MetricRow) -> dict[str, object]:
    is_nan = math.isnan(row.value)
    value = 0.0 if is_nan else max(-_LARGEST, min(_LARGEST, row.value))
    return {
        "key": row.key,
        "value": value,
        "timestamp": row.timestamp_ms,
        "step": row.step,
        "run_uuid": row.run_id,
        "is_nan": is_nan,
    }


_KNOWN_COLUMNS = {
    models.SqlRun: "run_uuid name source_type source_name entry_point_name user_id status start_time end_time "
    "deleted_time source_version lifecycle_stage artifact_uri experiment_id",
    models.SqlTag: "key value run_uuid",
    models.SqlParam: "key value run_uuid",
    models.SqlMetric: "key value timestamp step is_nan run_uuid",
    models.SqlLatestMetric: "key value timestamp step is_nan run_uuid",
}


def _schema_is_known() -> bool:
    """Whether this MLflow's tables have the columns that `SqlWriter` fills, and no others."""
    return all(set(table.__table__.columns.keys()) == set(names.split()) for table, names in _KNOWN_COLUMNS.items())
