"""The writer for an MLflow experiment: by SQL where that is possible, or else through MLflow's client."""

from __future__ import annotations

from survey.tracking.rows import Writer


def make_writer(uri: str, mlflow_experiment_id: str, *, sql_artifacts: str | None) -> Writer:
    """Return the writer for an MLflow experiment.

    Args:
        uri: MLflow tracking URI.
        mlflow_experiment_id: Which.
        sql_artifacts: Where the experiment keeps artifacts, if its rows may be written by SQL; else None.
    """
    # Each imports what the other does without.
    if sql_artifacts is not None:
        from survey.tracking.sql_writer import SqlWriter

        return SqlWriter(uri, mlflow_experiment_id, sql_artifacts)
    from survey.tracking.client_writer import ClientWriter

    return ClientWriter(uri, mlflow_experiment_id)
