"""Artifacts that are not on this file system, reached through MLflow: in a bucket, or behind an MLflow server."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from survey.errors import ExportError
from survey.tracking.errors import tracking_errors


@contextmanager
def fetched(uri: str, tracking_uri: str) -> Iterator[Path]:
    """Give a copy of an artifact, which is removed at the end.

    Args:
        uri: URI of the artifact.
        tracking_uri: MLflow tracking URI.

    Raises:
        ExportError: MLflow cannot get it.
        TrackingError: Its object store does not answer, or refuses access.
    """
    from mlflow.artifacts import download_artifacts

    # MLflow would not remove a folder of its own.
    with tempfile.TemporaryDirectory() as folder:
        with _errors(uri, "be fetched"):
            file = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=tracking_uri)
        yield Path(file)


def remove(uri: str, tracking_uri: str) -> None:
    """Remove an artifact; arguments and errors as of `fetched`."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    folder, _, name = uri.rpartition("/")
    with _errors(uri, "be removed"):
        get_artifact_repository(folder, tracking_uri=tracking_uri).delete_artifacts(name)


def runs_in(location: str, tracking_uri: str) -> Collection[str] | None:
    """Return the MLflow runs that have artifacts in a location; None if MLflow cannot list it.

    Raises:
        TrackingError: The object store does not answer, or refuses access.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with tracking_errors(location, "be listed", what="the location of artifacts"):
        try:
            found = get_artifact_repository(location, tracking_uri=tracking_uri).list_artifacts()
        except MlflowException:
            return None
    return {Path(each.path).name for each in found}


@contextmanager
def _errors(uri: str, purpose: str) -> Iterator[None]:
    """Tell an artifact that MLflow cannot get from an object store that does not answer or refuses access."""
    from mlflow.exceptions import MlflowException

    with tracking_errors(uri, purpose, what="the artifact"):
        try:
            yield
        except MlflowException as error:
            raise ExportError(f"the artifact {uri} cannot {purpose}: {error}") from None
