"""A trial that is driven step by step in the process of the test, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.networks.metrics import METRICS
from survey.tasks.loading import load
from survey.tracking.store import TrackingStore
from survey.tracking.trial_run import TrackingSettings
from survey.trials import trainable
from survey.trials.messages import TrialReport, TrialSettings


class Trial(trainable.SurveyTrial):
    """A trial outside Ray."""

    trial_id = "t_00001"  # pyright: ignore

    def __init__(self, config, settings):
        self.setup(config, settings=settings)

    def train(self) -> list[TrialReport]:
        """Train to the end; return what was reported."""
        told = [self.step()]
        while not told[-1]["done"]:
            told.append(self.step())
        return told


class TrialFolder:
    """What trials of networks on iris have around them: a store, and a folder for their files."""

    def __init__(self, folder: Path, database: Path, *, repetition_runs: bool = False) -> None:
        self.folder, self.checkpoints, self.states = folder, folder / "checkpoints", folder / "states"
        self.store = TrackingStore(f"sqlite:///{database}", output_id="o")
        location = (folder / "artifacts").as_uri()
        experiment = self.store.open_experiment("x", note="", artifact_location=location)
        artifacts = self.store.sql_artifacts(experiment)
        self.settings = TrialSettings(
            workload="networks",
            data={"sklearn:iris": load("sklearn:iris")},
            tracking=TrackingSettings(
                self.store.uri, experiment, True, repetition_runs, METRICS, sql_artifacts=artifacts
            ),
            origin={},
            checkpoints=self.checkpoints,
            states=self.states,
            report_every_s=0.0,
        )

    def history(self, mlflow_run_id: str) -> pa.Table:
        """What a trial has stored of an experiment."""
        return pq.read_table(self.folder / "artifacts" / mlflow_run_id / "artifacts" / "history.parquet")

    def curves(self, mlflow_run_id: str) -> np.ndarray:
        """The curves that it has recorded, float64 [metrics, repetitions, epochs]."""
        table = self.history(mlflow_run_id)
        return np.array([table[name].to_pylist() for name in METRICS.curves if not table[name].null_count])

    def epochs(self, mlflow_run_id: str) -> list[int]:
        """Epochs that MLflow has of it."""
        return [point.step for point in self.store.client.get_metric_history(mlflow_run_id, "test_loss")]

    def statuses(self) -> list[str]:
        """The statuses of all MLflow runs of trials, in alphabetical order."""
        runs = self.store.client.search_runs(["1"], "tags.`survey.role` = 'experiment'")
        return sorted(run.info.status for run in runs)
