"""An output that comes from someone else, or is a copy of another one: it has nothing of others read or removed."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from survey.dataset.completed_runs import CompletedRuns
from survey.errors import ExportError, InputError, OutputError, TrackingError
from survey.export import __main__ as export_main
from survey.export.update import ExportResult
from survey.output.folder import Output
from survey.text.terminal import SafeConsole
from survey.tracking.artifact_location import claim
from survey.tracking.local_store import OwnStore
from survey.tracking.store import TrackingStore
from survey.tracking.store_note import live_database
from survey.trials.checkpoint import Checkpoint
from tests.support.export_data import EXPERIMENTS, Survey, files

MINE, THEIRS = EXPERIMENTS[:2]

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
def victim(tmp_path, empty_store) -> Survey:
    """Another output of this person's, with a trial that is in no data set yet."""
    survey = Survey(tmp_path / "victim", empty_store)
    survey.train(MINE, [0, 1])
    return survey


def export(output: Output, *, artifacts: str | None = None, prune: bool = False) -> int:
    return export_main._export(output, None, artifacts, SafeConsole(quiet=True), prune=prune)


def live(output: Output) -> OwnStore:
    """Put the store of an output on this node, and leave it there as a killed launch does."""
    own = OwnStore(output, on_node=True).__enter__()
    own._backups.stop()
    return own


def set_uris(output: Output, uri: str) -> None:
    """Have the store say that artifacts lie elsewhere: `RUN` stands for the run."""
    with closing(sqlite3.connect(output.database)) as database:
        database.execute("UPDATE runs SET artifact_uri = replace(?, 'RUN', run_uuid)", (f"{uri}/RUN/artifacts",))
        database.commit()


def test_a_note_that_names_a_folder_of_others_has_nothing_removed(survey, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("CREATE TABLE experiment_tags (key, value)")
        database.execute("INSERT INTO experiment_tags VALUES ('survey.output', '')")
        database.commit()
    before = files(folder)
    note = {"host": socket.gethostname(), "file": str(folder / "mlflow.db")}
    survey.output.store_note.write_text(json.dumps(note))
    assert live_database(survey.output) == survey.output.database
    assert export(survey.output) == 0
    assert files(folder) == before


@pytest.mark.parametrize(
    "note", ["[]", '"x"', '{"host": 1, "file": 2}', '{"host": "h", "file": 2}', '{"host": "h"}', "[" * 100_000]
)
def test_a_note_of_another_form_is_one_of_a_lost_node(survey, note):
    survey.output.store_note.write_text(note.replace('"h"', f'"{socket.gethostname()}"'))
    with OwnStore(survey.output, on_node=False) as own:
        assert own.lost_node


def test_an_export_of_a_copy_leaves_the_live_store_of_its_original(survey, tmp_path):
    own = live(survey.output)
    survey.store = TrackingStore(own.uri, output_id=survey.output.output_id)
    survey.train(MINE, [0])
    copy = Output.at(shutil.copytree(survey.output.folder, tmp_path / "copy"))
    before = files(own.file.parent)
    assert export(copy) == 0
    assert files(own.file.parent) == before
    assert live_database(survey.output) == own.file
    assert CompletedRuns.of_dataset(copy.dataset) == {MINE.experiment_id: {0}}, "from its artifacts"


@pytest.mark.parametrize("output_id", ["../victim/artifacts", "", "x" * 32, 7, None])
def test_an_identity_that_is_no_id_is_refused(survey, victim, output_id):
    file = survey.output.folder / "survey.json"
    file.write_text(json.dumps({"output_id": output_id, "contents": {}}))
    survey.output.store_note.write_text(
        json.dumps({"host": "gone", "file": "", "artifacts": victim.output.folder.as_uri()})
    )
    before = files(victim.output.folder)
    with pytest.raises(OutputError, match=r"survey\.json: cannot be read: output_id: "):
        export(Output.at(survey.output.folder))
    assert files(victim.output.folder) == before


@pytest.mark.parametrize("text", ["[]", "{}", '{"output_id": "0", "contents": []}', "[" * 100_000, "nonsense"])
def test_an_identity_that_is_damaged_is_refused(survey, text):
    (survey.output.folder / "survey.json").write_text(text)
    with pytest.raises(OutputError, match=r"survey\.json: "):
        export(Output.at(survey.output.folder))


def test_a_note_does_not_lead_to_histories_of_another_output(survey, tmp_path, empty_store):
    """With the identity of the other output, too."""
    other, shared = Survey(tmp_path / "other", empty_store), (tmp_path / "shared").as_uri()
    other.location, other.given = other.output.artifacts_at(shared), shared
    claim(other.location, other.store.uri, other.output.marker)
    other.train(MINE, [0, 1])
    before = files(tmp_path / "shared")
    survey.train(THEIRS, [0])
    identity = {"output_id": other.output.output_id, "contents": {}}
    (survey.output.folder / "survey.json").write_text(json.dumps(identity))
    survey.output.store_note.write_text(json.dumps({"host": "gone", "file": "", "artifacts": shared}))
    output = Output.at(survey.output.folder)
    assert export(output) == 0
    assert MINE.experiment_id not in CompletedRuns.of_dataset(output.dataset)
    assert files(tmp_path / "shared") == before
    # Named by the person at the keyboard, they are read, and stay: the place has the mark of the other output.
    survey.output.store_note.write_text(json.dumps({"host": "gone", "file": "", "artifacts": None}))
    assert export(output, artifacts=shared, prune=True) == 0
    assert CompletedRuns.of_dataset(output.dataset)[MINE.experiment_id] == {0, 1}
    assert before.items() <= files(tmp_path / "shared").items()
    assert other.export() == ExportResult(2, 1, ())


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server of someone else, which keeps what it is sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(str(self.headers))
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            pass

    heard: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.heard = heard  # pyright: ignore[reportAttributeAccessIssue]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["http://{0}/x", "mlflow-artifacts://{0}/x", "dbfs:/x", "ftp://{0}/x", "s3://b/x"])
def test_an_artifact_uri_in_the_store_sends_nothing_anywhere(survey, server, monkeypatch, kind):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    survey.artifact(survey.train(MINE, [0])).unlink()
    uri = kind.format(f"127.0.0.1:{server.server_port}")
    set_uris(survey.output, uri)
    with pytest.raises(InputError, match=f"have their histories in '{uri}', .* set --artifacts"):
        export(survey.output)
    assert server.heard == []  # pyright: ignore[reportAttributeAccessIssue]
    assert not survey.folder.exists(), "nothing is written either"


def test_an_artifact_uri_in_the_store_reads_and_removes_no_file_of_others(survey, victim):
    run_id = survey.train(MINE, [0, 1])
    survey.export()
    survey.artifact(run_id).unlink()
    with closing(sqlite3.connect(survey.output.database)) as database:
        (theirs,) = (trial.mlflow_run_id for trial in victim.store.finished.trials())
        for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
            database.execute(f"UPDATE {table} SET run_uuid = ? WHERE run_uuid = ?", (theirs, run_id))
        database.commit()
    set_uris(survey.output, victim.output.artifacts.as_uri())
    before = files(victim.output.folder)
    assert survey.prune().num_artifacts == 0
    shutil.rmtree(survey.folder)
    with pytest.raises(InputError, match="nothing is read there"):
        export(survey.output)
    assert files(victim.output.folder) == before


def test_a_link_among_the_artifacts_is_left_alone(survey, victim):
    run_id = survey.train(MINE, [0, 1])
    folder = survey.output.artifacts / run_id
    shutil.rmtree(folder)
    (theirs,) = victim.output.artifacts.iterdir()
    folder.symlink_to(theirs)
    before = files(victim.output.folder)
    with pytest.raises(ExportError, match="a link that leads out of the output"):
        survey.prune() if survey.export().num_new_runs else None
    assert files(victim.output.folder) == before


@pytest.mark.parametrize("name", ["artifacts", "dataset", "report", "search_spaces", "mlflow.db", ".lock", "redo.json"])
def test_an_output_whose_entries_lead_out_of_it_is_refused(survey, victim, name):
    entry = survey.output.folder / name
    if entry.is_dir():
        shutil.rmtree(entry)
    entry.unlink(missing_ok=True)
    entry.symlink_to(victim.output.folder / name)
    with pytest.raises(OutputError, match=f"{name} is a link to .*victim/{name}, outside of the output"):
        Output.at(survey.output.folder)


def test_a_lock_that_leads_elsewhere_does_not_make_a_new_output(tmp_path):
    (tmp_path / "precious").write_text("text")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError, match=r"\.lock is a link"):
        Output.at(tmp_path / "out")
    assert (tmp_path / "precious").read_text() == "text"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("survey.repetitions", "x"),
        ("survey.repetitions", '{"a": []}'),
        ("survey.experiment", "[]"),
        ("survey.experiment", '{"dataset": "x"}'),
        ("survey.experiment", "[" * 4000),
        ("experiment_id", "../x"),
        ("experiment_id", "1"),
    ],
)
def test_tags_that_no_trial_writes_are_told(survey, key, value):
    survey.train(MINE, [0])
    with closing(sqlite3.connect(survey.output.database)) as database:
        database.execute("UPDATE tags SET value = ? WHERE key = ?", (value, key))
        database.commit()
    with pytest.raises(TrackingError, match="with tags that no trial writes"):
        survey.export()


def test_a_run_whose_id_is_a_path_is_told(survey):
    survey.train(MINE, [0])
    with closing(sqlite3.connect(survey.output.database)) as database:
        for table in ("runs", "tags"):
            database.execute(f"UPDATE {table} SET run_uuid = '../../victim'")
        database.commit()
    with pytest.raises(TrackingError, match=r"MLflow run '\.\./\.\./victim'"):
        survey.export()


def test_a_compressed_checkpoint_is_not_read(tmp_path):
    """It may be of any size once it is not."""
    checkpoint = Checkpoint(tmp_path / "checkpoints", MINE, [0], data_digest="d")
    checkpoint.save({"epoch": 3})
    assert checkpoint.load() == {"epoch": 3}
    with zipfile.ZipFile(checkpoint.file) as stored:
        parts = {each.filename: stored.read(each) for each in stored.infolist()}
    with zipfile.ZipFile(checkpoint.file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    assert checkpoint.load() is None
