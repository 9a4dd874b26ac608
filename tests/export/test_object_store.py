"""Artifacts in an object store: fetched, pruned, and told of where the store is away or refuses."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from survey.errors import TrackingAwayError, TrackingError
from survey.export.artifacts import Artifacts
from survey.export.update import ExportResult
from survey.tracking.artifact_location import claim
from survey.tracking.errors import tracking_errors
from survey.tracking.trial_run import Waits
from tests.support.export_data import EXPERIMENTS
from tests.support.s3_server import AWAY


@pytest.fixture
def stored(survey, s3):
    """An output with a trial whose history lies in the bucket."""
    survey.given = "s3://bucket"
    survey.location = survey.output.artifacts_at(survey.given)
    claim(survey.location, survey.store.uri, survey.output.marker)
    survey.train(EXPERIMENTS[0], [0, 1])
    s3.requests.clear()
    return survey


def test_an_export_leaves_no_copies_and_shows_no_bars(stored, tmp_path, monkeypatch, capfd):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert stored.export() == ExportResult(2, 1, ())
    assert list((tmp_path / "temporary").iterdir()) == []
    assert "Downloading" not in capfd.readouterr().err


def test_what_is_pruned_is_not_asked_for_again(stored, s3):
    later = stored.train(EXPERIMENTS[0], [2])
    stored.export()
    assert stored.prune().num_artifacts == 2
    s3.requests.clear()
    assert stored.prune().num_artifacts == 0
    assert len(s3.requests) <= 5, "whose the place is, and a list of what is there"
    assert later not in str(s3.requests)


def test_a_store_that_is_away_ends_an_export(stored, monkeypatch):
    """Nothing in it is damaged, so nothing is to be trained again."""
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", AWAY)
    with pytest.raises(TrackingAwayError, match=r"s3://bucket/.* cannot be read: Could not connect"):
        stored.export()
    artifacts = Artifacts(stored.output.artifacts, stored.store.uri, "", locations=frozenset((stored.location,)))
    with pytest.raises(TrackingAwayError, match=r"the artifact s3://bucket/.* cannot be fetched: Could not connect"):
        artifacts.read(next(stored.store.finished.trials()))


def test_a_history_that_is_gone_is_told(stored):
    (trial,) = stored.store.finished.trials()
    artifacts = Artifacts.of(stored.output, stored.store, stored.given)
    artifacts.remove(trial)
    (message,) = stored.export().damaged
    assert "cannot be fetched" in message


def test_an_artifact_that_cannot_be_removed_is_told(stored, monkeypatch):
    (trial,) = stored.store.finished.trials()
    artifacts = Artifacts.of(stored.output, stored.store, stored.given)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")  # so that there is another bucket's client
    gone = type(trial)(**{**vars(trial), "history_uri": trial.history_uri.replace("bucket", "nowhere")})
    nowhere = replace(artifacts, locations=frozenset(each.replace("bucket", "nowhere") for each in artifacts.locations))
    with pytest.raises(TrackingError, match=r"the artifact s3://nowhere/.* cannot be removed: .*NoSuchBucket"):
        nowhere.remove(gone)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", AWAY)
    with pytest.raises(TrackingAwayError, match="cannot be removed: Could not connect"):
        artifacts.remove(trial)


def test_a_store_that_is_away_may_be_back_and_one_that_refuses_is_not_asked_again(stored, monkeypatch):
    stored.waits = Waits(patience_s=0.0)
    stored.location = "s3://nowhere/x"
    with pytest.raises(TrackingError, match=r"store the artifact history\.parquet: .*NoSuchBucket") as error:
        stored.train(EXPERIMENTS[1], [0])
    assert not isinstance(error.value, TrackingAwayError)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", AWAY)
    with pytest.raises(TrackingAwayError, match=r"store the artifact history\.parquet: Could not connect"):
        stored.train(EXPERIMENTS[1], [0])


@pytest.mark.parametrize(("status", "is_away"), [(503, True), (403, False)])
def test_a_store_that_says_it_is_busy_is_away(status, is_away):
    answer = {"Error": {"Code": "x", "Message": "y"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = S3UploadFailedError("Failed to upload")
    error.__context__ = ClientError(answer, "PutObject")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TrackingError) as caught, tracking_errors("s3://bucket/x"):
        raise error
    assert isinstance(caught.value, TrackingAwayError) == is_away
