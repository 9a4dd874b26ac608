"""Writing through MLflow's client: slow, but it works with every store, and over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.tracking import MlflowClient

from survey.tracking.errors import tracking_errors
from survey.tracking.rows import InputData, MetricRow, NewRun

_ROWS_PER_CALL = 1000
"""The most metrics that MLflow takes in one call."""


class ClientWriter:
    """A `Writer` over MLflow's client."""

    def __init__(self, uri: str, mlflow_experiment_id: str) -> None:
        with tracking_errors(uri):
            self._client = MlflowClient(uri)
        self._uri, self._mlflow_experiment_id = uri, mlflow_experiment_id

    def create_runs(self, runs: Sequence[NewRun]) -> list[str]:
        """Create runs one by one."""
        ids: list[str] = []
        with tracking_errors(self._uri):
            for run in runs:
                tags = run.tags_with_parent(ids)
                created = self._client.create_run(self._mlflow_experiment_id, run.start_time_ms, tags, run.name)
                params = [Param(key, value) for key, value in run.params.items()]
                self._client.log_batch(created.info.run_id, params=params)
                if run.data:
                    self._client.log_inputs(created.info.run_id, [_input(run.data)])
                ids.append(created.info.run_id)
        return ids

    def log_metrics(self, rows: Sequence[MetricRow]) -> None:
        """Log points, a thousand a call."""
        by_run: dict[str, list[Metric]] = {}
        for row in rows:
            by_run.setdefault(row.run_id, []).append(Metric(row.key, row.value, row.timestamp_ms, row.step))
        with tracking_errors(self._uri):
            for run_id, metrics in by_run.items():
                for start in range(0, len(metrics), _ROWS_PER_CALL):
                    self._client.log_batch(run_id, metrics=metrics[start : start + _ROWS_PER_CALL])

    def log_artifact(self, run_id: str, file: Path, below: str = "") -> None:
        """Store a file among the artifacts of a run."""
        with tracking_errors(self._uri, f"store the artifact {file.name}"):
            self._client.log_artifact(run_id, str(file), below or None)

    def end_runs(self, run_ids: Sequence[str], status: str, end_time_ms: int) -> None:
        """End runs one by one."""
        with tracking_errors(self._uri):
            for run_id in run_ids:
                self._client.set_terminated(run_id, status, end_time_ms)


def _input(data: InputData) -> DatasetInput:
    row = {name.removeprefix("dataset_"): value for name, value in data.row.items()}
    return DatasetInput(Dataset(**row), [InputTag("mlflow.data.context", "training")])
