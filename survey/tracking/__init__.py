"""Everything that is said to MLflow and read from it.

`store` is the driver's side: the tracking store, its MLflow experiment, and what is finished in it. `trial_run` is a
worker's side: the MLflow run of a trial. `writers` is how rows get into the store.
"""

import os

# Before MLflow is imported: no telemetry, no background jobs.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")

from survey.tracking.store import FinishedTrial, TrackingStore
from survey.tracking.trial_run import TrackingSettings, TrialRun

__all__ = ["FinishedTrial", "TrackingSettings", "TrackingStore", "TrialRun"]
