"""Whether artifacts can be stored in a place: a small one is, and is removed again."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from survey.errors import InputError, TrackingError
from survey.tracking.errors import tracking_errors


def check_can_be_written(uri: str, tracking_uri: str) -> None:
    """Store a small artifact in a place.

    Raises:
        InputError: That cannot be done; the message says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "can-be-written.txt"
        file.write_text("A launch has looked whether it can store artifacts here.\n", encoding="utf-8")
        try:
            with tracking_errors(uri, "be written to", what="--artifacts"):
                place = get_artifact_repository(uri, tracking_uri=tracking_uri)
                place.log_artifact(str(file))
        except TrackingError as error:
            raise InputError(str(error)) from None
    # A survey needs to store artifacts, and not to remove them.
    with suppress(TrackingError), tracking_errors(uri):
        place.delete_artifacts(file.name)
