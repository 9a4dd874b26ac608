"""Artifacts in an object store: fetched, pruned, and told of where the store is away or refuses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from survey.errors import InputError, TrackingAwayError, TrackingError
from survey.export.artifacts import Artifacts
from survey.export.update import ExportResult
from survey.launch.options import Options
from survey.launch.tracking_location import TrackingLocation
from survey.output.folder import Output
from survey.output.ownership import has_marker
from survey.tracking import trial_run
from survey.tracking.artifact_location import marker_in
from survey.tracking.errors import tracking_errors
from tests.support.export_data import EXPERIMENTS
from tests.support.launching import launch
from tests.support.s3_server import S3
from tests.support.small_survey import write_space

AWAY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    server = S3()
    server.put("bucket", {})
    yield server
    server.stop()


@pytest.fixture
def s3(server, monkeypatch) -> S3:
    """The server, with the environment by which it is reached."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for name, value in (*((name, "test") for name in names), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", server.address)
    server.requests.clear()
    return server


@pytest.fixture
def stored(survey, s3):
    """An output with a trial whose history lies in the bucket."""
    place = TrackingLocation(Options(artifacts="s3://bucket"), survey.output, print)
    place.check_artifacts()
    survey.location, survey.given = place.artifacts, place.given_artifacts
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
    artifacts = Artifacts(stored.output.artifacts, stored.store.uri, "", places=frozenset((stored.location,)))
    with pytest.raises(TrackingAwayError, match=r"the artifact s3://bucket/.* cannot be fetched: Could not connect"):
        artifacts.read(next(stored.store.finished_trials()))


def test_a_history_that_is_gone_is_told(stored):
    (trial,) = stored.store.finished_trials()
    artifacts = Artifacts.of(stored.output, stored.store, stored.given)
    artifacts.remove(trial)
    (message,) = stored.export().damaged
    assert "cannot be fetched" in message


def test_an_artifact_that_cannot_be_removed_is_told(stored, monkeypatch):
    (trial,) = stored.store.finished_trials()
    artifacts = Artifacts.of(stored.output, stored.store, stored.given)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")  # so that there is another bucket's client
    gone = type(trial)(**{**vars(trial), "history_uri": trial.history_uri.replace("bucket", "nowhere")})
    nowhere = replace(artifacts, places=frozenset(place.replace("bucket", "nowhere") for place in artifacts.places))
    with pytest.raises(TrackingError, match=r"the artifact s3://nowhere/.* cannot be removed: .*NoSuchBucket"):
        nowhere.remove(gone)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", AWAY)
    with pytest.raises(TrackingAwayError, match="cannot be removed: Could not connect"):
        artifacts.remove(trial)


def test_a_store_that_is_away_may_be_back_and_one_that_refuses_is_not_asked_again(stored, monkeypatch):
    monkeypatch.setattr(trial_run, "_PATIENCE_S", 0.0)
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


def check(output: Output, artifacts: object) -> None:
    output.prepare()
    TrackingLocation(Options(artifacts=str(artifacts)), output, print).check_artifacts()


def test_a_place_that_can_be_written_to_says_whose_it_is(s3, tmp_path):
    output = Output.at(tmp_path / "out")
    for place in ("s3://bucket/checked", str(tmp_path / "artifacts")):
        check(output, place)
    uri = f"s3://bucket/checked/{output.output_id}"
    assert marker_in(uri, "") == output.marker
    copy = Output.at(shutil.copytree(output.folder, tmp_path / "copy"))
    for place in ("s3://bucket/checked", str(tmp_path / "artifacts")):
        check(copy, place)
    assert marker_in(uri, "") == output.marker != copy.marker
    (file,) = (file for file in (tmp_path / "artifacts").rglob("*") if file.is_file())
    assert has_marker(file.parent, output.marker)


def test_a_place_that_cannot_be_written_to_is_refused(s3, tmp_path, monkeypatch):
    output = Output.at(tmp_path / "out")
    with pytest.raises(InputError, match=r"--artifacts s3://nowhere/x/\w+ cannot be written to: .*NoSuchBucket"):
        check(output, "s3://nowhere/x")
    with pytest.raises(InputError, match=r"--artifacts foo://x/.* cannot be written to: .*foo"):
        check(output, "foo://x")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--artifacts file:.*/file/.* cannot be written to: .*Not a directory"):
        check(output, tmp_path / "file")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", AWAY)
    with pytest.raises(InputError, match="cannot be written to: Could not connect"):
        check(output, "s3://bucket/x")


def test_a_launch_asks_first(s3, tmp_path):
    status, output = launch(
        write_space(tmp_path), "--out", tmp_path / "out", "--artifacts", "s3://nowhere/x", "--no-ui"
    )
    assert status == 2, output
    assert output.startswith("error: --artifacts s3://nowhere/x/")
    assert "Traceback" not in output
