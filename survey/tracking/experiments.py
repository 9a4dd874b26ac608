"""The MLflow experiments of an output and what is in them, as the driver needs it: by SQL, or through MLflow's client.

By SQL where the store is a database with the tables that are known here: MLflow takes seconds to import.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlparse

from sqlalchemy import Engine, NullPool, column, create_engine, delete, insert, inspect, select, table

from survey.tracking.finished import FinishedRow, rows_by_sql
from survey.tracking.ready_tables import latest_revision
from survey.tracking.sql_writer import DIALECTS, EXPERIMENT_TAGS, EXPERIMENTS, RUNS, TABLES
from survey.tracking.tags import OUTPUT, ROLE, TRIAL_ROLE

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_REVISION = table("alembic_version", column("version_num"))


class StoredExperiment(NamedTuple):
    """An MLflow experiment: its id, where its artifacts go, and its tags."""

    experiment_id: str
    artifact_location: str
    tags: Mapping[str, str]


class UnendedRun(NamedTuple):
    """An MLflow run that has not ended: its id, that of its MLflow experiment, its start in ms since 1970."""

    run_id: str
    experiment_id: str
    start_time: int


class Experiments(Protocol):
    """The MLflow experiments of an output."""

    def all(self) -> list[StoredExperiment]:
        """Return those that nobody has deleted, the latest first."""
        ...

    def is_taken(self, title: str) -> bool:
        """Whether the store has an MLflow experiment of this name, of any output."""
        ...

    def create(self, title: str, artifact_location: str | None, tags: Mapping[str, str]) -> str:
        """Create an MLflow experiment, and return its id."""
        ...

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of one."""
        ...

    def unended(self) -> Iterator[UnendedRun]:
        """Yield their runs with the status RUNNING."""
        ...

    def finished(self) -> Iterator[FinishedRow]:
        """Yield their finished trials, the oldest first."""
        ...


def database_of(uri: str) -> Engine | None:
    """Return the database of a store, if MLflow's tables in it are those that are known here; else None.

    It keeps no connection open: the file of a store may be moved or replaced.
    """
    if urlparse(uri).scheme.partition("+")[0] not in DIALECTS:
        return None
    engine = create_engine(uri, poolclass=NullPool)
    tables = inspect(engine)
    if not {_REVISION.name, *TABLES} <= set(tables.get_table_names()):
        return None
    with engine.connect() as connection:
        revisions = connection.execute(select(_REVISION.c.version_num)).scalars().all()
    # MLflow itself refuses tables of another revision, or brings them up to date.
    if revisions != [latest_revision()]:
        return None
    is_known = all({c["name"] for c in tables.get_columns(name)} == known for name, known in TABLES.items())
    return engine if is_known else None


class SqlExperiments:
    """`Experiments` in a database, of which MLflow's own store would read and write the same rows.

    Args:
        engine: The database, see `database_of`.
        output_id: Identity of the output.
    """

    def __init__(self, engine: Engine, output_id: str) -> None:
        self._engine, self._output_id = engine, output_id

    def all(self) -> list[StoredExperiment]:
        """Return those that nobody has deleted, the latest first."""
        of_output = select(EXPERIMENT_TAGS.c.experiment_id).where(
            EXPERIMENT_TAGS.c.key == OUTPUT, EXPERIMENT_TAGS.c.value == self._output_id
        )
        experiments = (
            select(EXPERIMENTS.c.experiment_id, EXPERIMENTS.c.artifact_location)
            .where(EXPERIMENTS.c.experiment_id.in_(of_output), EXPERIMENTS.c.lifecycle_stage == "active")
            .order_by(EXPERIMENTS.c.last_update_time.desc(), EXPERIMENTS.c.experiment_id)
        )
        tags = select(EXPERIMENT_TAGS.c.experiment_id, EXPERIMENT_TAGS.c.key, EXPERIMENT_TAGS.c.value).where(
            EXPERIMENT_TAGS.c.experiment_id.in_(of_output)
        )
        with self._engine.connect() as connection:
            found = {number: (location, {}) for number, location in connection.execute(experiments)}
            for number, key, value in connection.execute(tags):
                if number in found:
                    found[number][1][key] = value
        return [StoredExperiment(str(number), location, its) for number, (location, its) in found.items()]

    def is_taken(self, title: str) -> bool:
        """Whether the store has an MLflow experiment of this name, of any output."""
        query = select(EXPERIMENTS.c.experiment_id).where(EXPERIMENTS.c.name == title)
        with self._engine.connect() as connection:
            return title == "Default" or connection.execute(query).first() is not None  # that one MLflow makes later

    def create(self, title: str, artifact_location: str | None, tags: Mapping[str, str]) -> str:
        """Create an MLflow experiment, and return its id."""
        now_ms = int(time.time() * 1000)
        row = {"name": title, "artifact_location": artifact_location, "lifecycle_stage": "active"}
        row |= {"creation_time": now_ms, "last_update_time": now_ms, "workspace": "default"}
        with self._engine.begin() as connection:
            connection.execute(insert(EXPERIMENTS), [row])
            number = connection.execute(select(EXPERIMENTS.c.experiment_id).where(EXPERIMENTS.c.name == title)).scalar()
            rows = [{"experiment_id": number, "key": key, "value": value} for key, value in tags.items()]
            connection.execute(insert(EXPERIMENT_TAGS), rows)
        return str(number)

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of one."""
        row = {"experiment_id": int(experiment_id), "key": key, "value": value}
        is_it = [EXPERIMENT_TAGS.c[name] == row[name] for name in ("experiment_id", "key")]
        with self._engine.begin() as connection:
            connection.execute(delete(EXPERIMENT_TAGS).where(*is_it))
            connection.execute(insert(EXPERIMENT_TAGS), [row])

    def unended(self) -> Iterator[UnendedRun]:
        """Yield their runs with the status RUNNING."""
        query = select(RUNS.c.run_uuid, RUNS.c.experiment_id, RUNS.c.start_time).where(
            RUNS.c.experiment_id.in_(self._numbers()), RUNS.c.status == "RUNNING", RUNS.c.lifecycle_stage == "active"
        )
        with self._engine.connect() as connection:
            for run_id, number, start_time in connection.execute(query):
                yield UnendedRun(run_id, str(number), start_time)

    def finished(self) -> Iterator[FinishedRow]:
        """Yield their finished trials, the oldest first."""
        return rows_by_sql(self._engine, self._numbers())

    def _numbers(self) -> list[int]:
        return [int(each.experiment_id) for each in self.all()]


class ClientExperiments:
    """`Experiments` through MLflow's client, which reaches every store.

    Args:
        client: The client.
        output_id: Identity of the output.
    """

    def __init__(self, client: MlflowClient, output_id: str) -> None:
        self._client, self._output_id = client, output_id

    def all(self) -> list[StoredExperiment]:
        """Return those that nobody has deleted, the latest first."""
        found = self._client.search_experiments(filter_string=f"tags.`{OUTPUT}` = '{self._output_id}'")
        return [StoredExperiment(each.experiment_id, str(each.artifact_location), each.tags) for each in found]

    def is_taken(self, title: str) -> bool:
        """Whether the store has an MLflow experiment of this name, of any output."""
        return self._client.get_experiment_by_name(title) is not None

    def create(self, title: str, artifact_location: str | None, tags: Mapping[str, str]) -> str:
        """Create an MLflow experiment, and return its id; MLflow chooses the location if it is None."""
        return self._client.create_experiment(title, artifact_location, dict(tags))

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of one."""
        self._client.set_experiment_tag(experiment_id, key, value)

    def unended(self) -> Iterator[UnendedRun]:
        """Yield their runs with the status RUNNING."""
        for run in self._runs("attributes.status = 'RUNNING'"):
            yield UnendedRun(run.info.run_id, run.info.experiment_id, run.info.start_time)

    def finished(self) -> Iterator[FinishedRow]:
        """Yield their finished trials, the oldest first."""
        for run in self._runs(f"attributes.status = 'FINISHED' and tags.`{ROLE}` = '{TRIAL_ROLE}'"):
            yield FinishedRow.of(run.info.run_id, run.info.artifact_uri, run.data.tags)

    def _runs(self, filter_string: str) -> Iterator:
        ids = [each.experiment_id for each in self.all()]
        token = None
        while ids:
            page = self._client.search_runs(
                ids, filter_string, max_results=1000, order_by=["attributes.start_time"], page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return
