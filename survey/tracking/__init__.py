"""Everything that is said to MLflow and read from it.

`store` is the driver's side: the tracking store, its MLflow experiment, and what is finished in it. `trial_run` is a
worker's side: the MLflow run of a trial. Neither imports MLflow where it can do without. `rows` is what is written,
`writer` how. `local_store` keeps the sqlite file of an output, whose tables are those of `ready_tables`; `server`
serves it by `app`, `recovery` finds what was not in it. `ui_view` is what MLflow's page shows of a survey.
"""

import logging
import os

# Before MLflow is imported: no telemetry, no background jobs, no progress bar for each artifact that is fetched.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

# It tells at length when it makes its tables.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

__all__ = [
    "app",
    "artifact_location",
    "credentials",
    "database",
    "errors",
    "finished",
    "local_store",
    "ready_tables",
    "recovery",
    "rows",
    "server",
    "sqlite",
    "store",
    "store_note",
    "tags",
    "trial_run",
    "ui_view",
]
