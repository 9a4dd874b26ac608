"""What is written into an MLflow store, and how a writer does it: by SQL in bulk, or by MLflow's own calls.

MLflow's client builds an object for each row and asks the database about each key: 8,000 rows per second, 70 ms to
create and end a run, and three seconds to import in every worker. Where the store is a database that a worker reaches
itself, the same rows are written by a few bulk statements: 60,000 rows per second. A test holds that
both leave the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

_PARENT = "mlflow.parentRunId"
"""MLflow's tag for the run that a run is part of; left empty, it is the first of those created together."""


_MOST_OF_DIGEST = 36
"""Letters that MLflow keeps of the digest of a data set."""


class InputData(NamedTuple):
    """What a run is trained on, for MLflow: the name of a task, and the digest of its content."""

    name: str
    digest: str

    @property
    def row(self) -> dict[str, str]:
        """What MLflow keeps of it: as of a source that is told in code, as the tasks of a survey are."""
        source = json.dumps({"tags": {"mlflow.source.name": "survey"}})
        digest = self.digest[:_MOST_OF_DIGEST]
        return {"name": self.name, "digest": digest, "dataset_source_type": "code", "dataset_source": source}


@dataclass(frozen=True)
class NewRun:
    """A run to be created: its name, tags, parameters, start in milliseconds since 1970, and what it is trained on."""

    name: str
    start_time_ms: int
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    data: InputData | None = None

    def tags_with_parent(self, created: Sequence[str]) -> dict[str, str]:
        """Return the tags, with the first of the `created` ids for a parent that is created in the same call."""
        return {**self.tags, _PARENT: created[0]} if self.tags.get(_PARENT) == "" else self.tags


class MetricRow(NamedTuple):
    """One point of a curve."""

    run_id: str
    key: str
    value: float
    step: int
    timestamp_ms: int


class Writer(Protocol):
    """Writes to one MLflow experiment.

    Raises:
        TrackingError: The store refuses, or cannot be reached; from every method.
        DiskFullError: It has no room left; from every method.
    """

    def create_runs(self, runs: Sequence[NewRun]) -> list[str]:
        """Create runs, with status RUNNING, and return their MLflow ids."""
        ...

    def log_metrics(self, rows: Sequence[MetricRow]) -> None:
        """Log points; of each run and key, the last one is its latest."""
        ...

    def log_artifact(self, run_id: str, file: Path, below: str = "") -> None:
        """Store a file among the artifacts of a run, under its own name; in their folder `below`, if that is given."""
        ...

    def end_runs(self, run_ids: Sequence[str], status: str, end_time_ms: int) -> None:
        """Give runs their final status."""
        ...
