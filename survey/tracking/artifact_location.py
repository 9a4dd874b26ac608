"""A location of artifacts outside of the output: whether it can be written to, and whose it is."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import InputError, TrackingError
from survey.output.ownership import MARKER
from survey.tracking.errors import tracking_errors

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


def claim(uri: str, tracking_uri: str, marker: str) -> None:
    """Store an output's marker in a location, which shows that artifacts can be stored there.

    A location that an output has marked stays that output's: where this one is a copy of it, or has been moved, another
    file is stored and removed again.

    Raises:
        InputError: Nothing can be stored there; the message says why.
    """
    try:
        with tracking_errors(uri, "be written to", what="--artifacts"), tempfile.TemporaryDirectory() as folder:
            repository = _repository(uri, tracking_uri)
            is_claimed = _marker_in(repository) is not None
            file = Path(folder) / ("can-be-written.txt" if is_claimed else MARKER)
            file.write_text(marker, encoding="utf-8")
            repository.log_artifact(str(file))
    except TrackingError as error:
        raise InputError(str(error)) from None
    if is_claimed:
        # A survey needs to store artifacts, and not to remove them.
        with suppress(TrackingError), tracking_errors(uri):
            repository.delete_artifacts(file.name)


def marker_in(uri: str, tracking_uri: str) -> str | None:
    """Return the marker in a location; None where there is none.

    Raises:
        TrackingError: The location does not answer, or refuses.
    """
    with tracking_errors(uri, "be read", what="the location of artifacts"):
        return _marker_in(_repository(uri, tracking_uri))


def _repository(uri: str, tracking_uri: str) -> ArtifactRepository:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # it takes seconds

    return get_artifact_repository(uri, tracking_uri=tracking_uri)


def _marker_in(repository: ArtifactRepository) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        if MARKER not in {each.path for each in repository.list_artifacts()}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return Path(repository.download_artifacts(MARKER, folder)).read_text(encoding="utf-8")
    except (MlflowException, FileNotFoundError):
        return None
