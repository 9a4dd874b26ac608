"""Where artifacts may be read: in the output, and in places that somebody has named."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from survey.export.artifacts import Artifacts
from survey.tracking.store import TrackingStore


@pytest.mark.parametrize(
    ("location", "is_read"),
    [
        ("mlflow-artifacts:/1", True),
        ("mlflow-artifacts://mlflow:5000/1", True),
        ("mlflow-artifacts://elsewhere/1", False),
        ("http://mlflow:5000/api/2.0/mlflow-artifacts/artifacts/1", True),
        ("http://elsewhere/1", False),
        ("s3://bucket/1", True),
        ("/shared/artifacts/1", True),
        ("wasbs://container@elsewhere/1", False),
        ("sftp://elsewhere/1", False),
        ("file://elsewhere/1", False),
    ],
)
def test_of_another_store_what_lies_with_it_is_read(survey, location, is_read):
    class Store:
        uri, is_own = "http://mlflow:5000", False

        def artifact_locations(self) -> set[str]:
            return {location}

    store: TrackingStore = Store()  # pyright: ignore[reportAssignmentType]
    assert Artifacts.of(survey.output, store, None).locations == (frozenset((location,)) if is_read else frozenset())
    assert urlsplit(location).path


def test_the_own_store_does_not_say_where_artifacts_lie(survey):
    survey.location = "s3://bucket/x"
    survey.store.open_experiment("alpha", note="", artifact_location=survey.location)
    assert Artifacts.of(survey.output, survey.store, None).locations == frozenset()
