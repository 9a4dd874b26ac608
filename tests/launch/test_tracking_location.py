"""Where a launch tracks: places of artifacts that are given, and what a launch left there whose node is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from survey.dataset.completed_runs import CompletedRuns
from survey.errors import InputError
from survey.export import __main__ as export_main
from survey.export.update import ExportResult
from survey.launch.__main__ import command
from survey.launch.options import Options
from survey.launch.tracking_location import TrackingLocation
from survey.output.folder import Output
from survey.output.ownership import has_marker, mark
from survey.text.terminal import SafeConsole
from survey.tracking.artifact_location import marker_in
from tests.support.commands import run_here
from tests.support.dead_launch import die
from tests.support.export_data import EXPERIMENTS, Survey
from tests.support.s3_server import AWAY
from tests.support.small_survey import write_space

FIRST, SECOND = EXPERIMENTS[:2]

pytestmark = pytest.mark.usefixtures("node")


@pytest.mark.parametrize(
    ("options", "location"),
    [
        (Options(), "OUT/artifacts"),
        (Options(tracking_uri="postgresql+psycopg2://db/x"), "OUT/artifacts"),
        (Options(tracking_uri="http://mlflow"), None),
        (Options(tracking_uri="http://mlflow", artifacts="s3://b/p/"), "s3://b/p/ID"),
        (Options(artifacts="/shared/a"), "file:///shared/a/ID"),
        (Options(artifacts="here"), f"file://{Path.cwd()}/here/ID"),
    ],
)
def test_where_artifacts_go(options, location, tmp_path):
    output = Output.at(tmp_path / "out")
    output.prepare()
    expected = location and location.replace("OUT", output.folder.as_uri()).replace("ID", output.output_id)
    assert TrackingLocation(options, output, print).artifacts == expected


@pytest.mark.parametrize(
    ("uri", "variables"),
    [
        ("postgresql+psycopg2://me:s3cret@db/tracking", "PGPASSWORD"),
        ("https://me:s3cret@mlflow.example/", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("mysql+pymysql://me:s3cret@db/tracking", "the environment variable that"),
        ("postgresql+psycopg2://me@db/tracking?sslmode=require&password=s3cret", "PGPASSWORD"),
        ("mysql+pymysql://me@db/tracking?ssl_key_password=s3cret", "the environment variable that"),
    ],
)
def test_a_password_in_a_uri_is_refused(uri, variables, tmp_path):
    with pytest.raises(InputError, match=f"--tracking-uri: .*{variables}") as error:
        TrackingLocation(Options(tracking_uri=uri), Output.at(tmp_path / "out"), print)
    assert "s3cret" not in str(error.value)


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
    done = run_here(
        command, write_space(tmp_path), "--out", tmp_path / "out", "--artifacts", "s3://nowhere/x", "--no-ui"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --artifacts s3://nowhere/x/")
    assert done.stderr.count("\n") == 1


def died_elsewhere(survey, node: Path, folder: Path) -> Output:
    """Leave an output as a launch with `--artifacts` does that is lost with its node, one trial being finished.

    It is moved, as this process has connections to its database, and the place of artifacts with it in what it says.
    """
    place = TrackingLocation(Options(artifacts=str(folder), address="HOST:1"), survey.output, print)
    own = place.held().__enter__()
    place.check_artifacts()
    survey.store, survey.location = place.open(), place.artifacts
    survey.train(FIRST, [0, 1])
    die(own)
    shutil.rmtree(node)
    node.mkdir()
    moved = Output.at(survey.output.folder.rename(survey.output.folder.with_name("moved")))
    mark(folder / moved.output_id, moved.marker)
    return moved


def test_what_another_output_has_in_the_same_folder_is_left_alone(survey, node, tmp_path, empty_store):
    other, options = Survey(tmp_path / "other", empty_store), Options(artifacts=str(tmp_path / "shared"))
    place = TrackingLocation(options, other.output, print)
    other.location, other.given = place.artifacts, place.given_artifacts
    other.train(SECOND, [0, 1])
    output = died_elsewhere(survey, node, tmp_path / "shared")
    place = TrackingLocation(options, output, print)
    with place.held():
        assert place.open_at_start().finished.completed_runs() == {FIRST.experiment_id: {0, 1}}
    assert not output.store_note.exists()
    assert other.export() == ExportResult(2, 1, ())


def test_a_launch_looks_where_the_lost_one_had_its_artifacts(survey, node, tmp_path):
    output = died_elsewhere(survey, node, tmp_path / "shared")
    place = TrackingLocation(Options(), output, print)
    with place.held():
        assert place.open_at_start().finished.completed_runs() == {FIRST.experiment_id: {0, 1}}
    assert not output.store_note.exists()


def test_an_export_looks_where_the_lost_launch_had_its_artifacts(survey, node, tmp_path):
    output = died_elsewhere(survey, node, tmp_path / "shared")
    assert export_main._export(output, None, None, SafeConsole(quiet=True), prune=False) == 0
    assert CompletedRuns.of_dataset(output.dataset) == {FIRST.experiment_id: {0, 1}}
    assert not output.store_note.exists()
