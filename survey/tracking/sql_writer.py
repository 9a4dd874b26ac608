"""Writing by SQL: the rows that MLflow's own SQL store would write, in bulk, without importing MLflow."""

from __future__ import annotations

import itertools
import math
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    TableClause,
    column,
    create_engine,
    delete,
    insert,
    literal,
    select,
    table,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from survey.system.files import replacing
from survey.tracking.errors import tracking_errors
from survey.tracking.rows import InputData, MetricRow, NewRun

_LOCK_WAIT_S = 60
"""How long a write waits for those of other workers, where the store is a sqlite file."""

_LARGEST = sys.float_info.max
"""What MLflow's SQL store writes for an infinity."""


def _table(name: str, columns: str) -> TableClause:
    return table(name, *(column(each) for each in columns.split()))


RUNS = _table(
    "runs",
    "run_uuid name source_type source_name entry_point_name user_id status start_time end_time deleted_time "
    "source_version lifecycle_stage artifact_uri experiment_id",
)
TAGS = _table("tags", "key value run_uuid")
_PARAMS = _table("params", "key value run_uuid")
_METRICS = _table("metrics", "key value timestamp step is_nan run_uuid")
_LATEST_METRICS = _table("latest_metrics", "key value timestamp step is_nan run_uuid")
_DATASETS = _table(
    "datasets",
    "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema dataset_profile",
)
_INPUTS = _table("inputs", "input_uuid source_type source_id destination_type destination_id step")
_INPUT_TAGS = _table("input_tags", "input_uuid name value")
EXPERIMENTS = _table(
    "experiments",
    "experiment_id name artifact_location lifecycle_stage creation_time last_update_time workspace",
)
EXPERIMENT_TAGS = _table("experiment_tags", "key value experiment_id")

_OF_RUNS = (RUNS, TAGS, _PARAMS, _METRICS, _LATEST_METRICS, _DATASETS, _INPUTS, _INPUT_TAGS)
_WRITTEN = (*_OF_RUNS, EXPERIMENTS, EXPERIMENT_TAGS)
TABLES = {each.name: frozenset(each.columns.keys()) for each in _WRITTEN}
"""The columns of each table that is written, all of them: a store whose tables have others is not written by SQL."""


DIALECTS = frozenset({"sqlite", "postgresql", "mysql"})
"""Databases that take the statements below."""


class SqlWriter:
    """A `Writer` over the store's database, one transaction for each call."""

    def __init__(self, uri: str, mlflow_experiment_id: str, artifacts: str) -> None:
        with tracking_errors(uri):
            self._engine = _engine(uri)
        self._dialect = self._engine.dialect.name
        self._uri, self._mlflow_experiment_id = uri, int(mlflow_experiment_id)
        self._artifacts = artifacts.rstrip("/")
        self._without_points: set[str] = set()  # runs that have just been created

    def create_runs(self, runs: Sequence[NewRun]) -> list[str]:
        """Create runs."""
        ids = [uuid.uuid4().hex for _ in runs]
        tags = [run.tags_with_parent(ids) | {"mlflow.runName": run.name} for run in runs]
        self._execute(
            (_insert(RUNS), [self._run_row(*each) for each in zip(ids, runs, tags, strict=True)]),
            (_insert(TAGS), _pairs(ids, tags)),
            (_insert(_PARAMS), _pairs(ids, [run.params for run in runs])),
            *itertools.chain.from_iterable(
                self._input(run_id, run.data) for run_id, run in zip(ids, runs, strict=True) if run.data
            ),
        )
        self._without_points.update(ids)
        return ids

    def _input(self, run_id: str, data: InputData) -> Iterator[tuple[Any, list[dict[str, Any]] | None]]:
        """Statements that name what a run is trained on, which other runs of the experiment may have named already."""
        row = {"experiment_id": self._mlflow_experiment_id, **data.row}
        yield _insert_new(_DATASETS, self._dialect), [{"dataset_uuid": uuid.uuid4().hex, **row}]
        is_it = [_DATASETS.c[name] == row[name] for name in ("experiment_id", "name", "digest")]
        input_id = uuid.uuid4().hex
        values = [input_id, "DATASET", _DATASETS.c.dataset_uuid, "RUN", run_id, 0]
        columns = [each if isinstance(each, ColumnElement) else literal(each) for each in values]
        yield insert(_INPUTS).from_select(list(_INPUTS.c.keys()), select(*columns).where(*is_it)), None
        yield _insert(_INPUT_TAGS), [{"input_uuid": input_id, "name": "mlflow.data.context", "value": "training"}]

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
            "artifact_uri": self._artifact_uri(run_id),
            "experiment_id": self._mlflow_experiment_id,
        }

    def _artifact_uri(self, run_id: str) -> str:
        return f"{self._artifacts}/{run_id}/artifacts"

    def log_metrics(self, rows: Sequence[MetricRow]) -> None:
        """Log points, and replace the latest of their runs and keys."""
        if not rows:
            return
        points = [_metric_row(row) for row in rows]
        latest = {(point["run_uuid"], point["key"]): point for point in points}
        replaced = [place for place in latest if place[0] not in self._without_points]
        self._without_points.difference_update(row.run_id for row in rows)  # at once: if this fails, it is done again
        is_replaced = tuple_(_LATEST_METRICS.c.run_uuid, _LATEST_METRICS.c.key).in_(replaced)
        self._execute(
            *([(delete(_LATEST_METRICS).where(is_replaced), None)] if replaced else []),
            (_insert_new(_METRICS, self._dialect), points),
            (_insert(_LATEST_METRICS), list(latest.values())),
        )

    def log_artifact(self, run_id: str, file: Path, below: str = "") -> None:
        """Store a file among the artifacts of a run; in a folder, it is there whole or not at all."""
        with tracking_errors(self._uri, f"store the artifact {file.name}"):
            uri = self._artifact_uri(run_id)
            if not uri.startswith(("file:", "/")):
                from mlflow.tracking import MlflowClient

                MlflowClient(self._uri).log_artifact(run_id, str(file), below or None)
                return
            folder = Path(url2pathname(urlparse(uri).path) if uri.startswith("file:") else uri, below)
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / file.name, lasting=False) as temporary:  # a damaged one is made again
                shutil.copyfile(file, temporary)

    def end_runs(self, run_ids: Sequence[str], status: str, end_time_ms: int) -> None:
        """End runs."""
        statement = update(RUNS).where(RUNS.c.run_uuid.in_(run_ids))
        self._execute((statement.values(status=status, end_time=end_time_ms), None))

    def _execute(self, *statements: tuple[Any, list[dict[str, Any]] | None]) -> None:
        """Execute statements in one transaction, which starts with a write: so sqlite never has to upgrade a lock."""
        with tracking_errors(self._uri, "be written to"), self._engine.begin() as connection:
            for statement, rows in statements:
                if rows is None:
                    connection.execute(statement)
                elif rows:
                    _insert_many(connection, statement, rows)


@lru_cache(maxsize=4)
def _engine(uri: str) -> Engine:
    """The connections of this process, which trains one trial after the other."""
    is_file = uri.startswith("sqlite:")
    waiting: dict[str, Any] = {"timeout": _LOCK_WAIT_S} if is_file else {}
    return create_engine(uri, pool_pre_ping=not is_file, connect_args=waiting)


@cache
def _insert(into: TableClause) -> Any:
    """Insert rows; the statement is made once, as its text is."""
    return insert(into)


@cache
def _insert_new(into: TableClause, dialect: str) -> Any:
    """Insert rows, but for those that are there: where the answer to a commit is lost, it is done again."""
    if dialect == "mysql":
        return insert(into).prefix_with("IGNORE")
    of_dialect = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return of_dialect(into).on_conflict_do_nothing()


@lru_cache(maxsize=64)
def _compiled(statement: Any, dialect: Dialect, names: tuple[str, ...]) -> tuple[str, list[str] | None]:
    """The text of a statement for rows with these names, and their order in it, where values have none."""
    compiled = statement.compile(dialect=dialect, column_keys=names)
    return str(compiled), compiled.positiontup


def _insert_many(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows, which all have the same keys. The columns have no types here, so that SQLAlchemy converts nothing.

    It would put the values of each row in order by itself, which takes as long as sqlite takes to write them. Where
    values have names, as with psycopg2, it joins rows to statements, which the driver does not.
    """
    text, names = _compiled(statement, connection.dialect, tuple(rows[0]))
    if names:
        connection.exec_driver_sql(text, list(map(itemgetter(*names), rows)))
    else:
        connection.execute(statement, rows)


def _pairs(ids: Sequence[str], values: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [
        {"run_uuid": run_id, "key": key, "value": value}
        for run_id, own in zip(ids, values, strict=True)
        for key, value in own.items()
    ]


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
