"""The MLflow store of an output on a disk of the node that launches: its backups, and what is left when it dies."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from survey.errors import InputError, TrackingError
from survey.status import survey_status
from survey.tracking import local_store, sqlite
from survey.tracking.database import completed_runs, holds_experiments
from survey.tracking.local_store import OwnStore
from survey.tracking.recovery import recover
from survey.tracking.sqlite import copy_database
from survey.tracking.store import TrackingStore
from survey.tracking.store_note import live_database
from tests.support.awaiting import HANGS_S, await_that
from tests.support.dead_launch import die
from tests.support.export_data import EXPERIMENTS, Survey, runs_of

FIRST, SECOND, THIRD = EXPERIMENTS[:3]

pytestmark = pytest.mark.usefixtures("node")


def placed(survey, **options) -> OwnStore:
    """Put the store of an output on this node, and have the output's trials tracked there."""
    own = OwnStore(survey.output, on_node=True, **options).__enter__()
    survey.store = TrackingStore(own.uri, output_id=survey.output.output_id)
    return own


def home(survey) -> TrackingStore:
    return TrackingStore(survey.output.default_tracking_uri, output_id=survey.output.output_id)


def backed_up(survey) -> dict[int, set[int]]:
    """What is finished in the output folder; looking at it changes nothing."""
    file = survey.output.database
    return completed_runs(file) if holds_experiments(file) else {}


def value(file: Path, query: str):
    with closing(sqlite3.connect(file)) as database:
        return database.execute(query).fetchone()[0]


def test_on_a_disk_of_its_own_the_file_stays_in_the_output(survey, node):
    with OwnStore(survey.output, on_node=False) as own:
        assert own.file == survey.output.database
        own.back_up()
        assert not survey.output.store_note.exists()
    assert list(node.iterdir()) == []


def test_on_a_network_file_system_it_lies_on_the_node_and_comes_home_at_the_end(survey, node, monkeypatch):
    monkeypatch.setattr(local_store, "on_network", lambda folder: folder == survey.output.folder)
    survey.train(FIRST, [0])
    close(survey)
    with OwnStore(survey.output, on_node=False) as own:
        assert node in own.file.parents
        assert stat.S_IMODE(own.file.parent.stat().st_mode) == 0o700
        assert live_database(survey.output) == own.file
        survey.store = TrackingStore(own.uri, output_id=survey.output.output_id)
        assert value(own.file, "PRAGMA journal_mode") == "wal"
        survey.train(FIRST, [1])
        assert backed_up(survey) == {FIRST.experiment_id: {0}}
    assert value(survey.output.database, "PRAGMA journal_mode") == "delete"
    assert backed_up(survey) == {FIRST.experiment_id: {0, 1}}
    assert live_database(survey.output) == survey.output.database
    assert not survey.output.store_note.exists()
    assert list(node.iterdir()) == []


def close(survey) -> None:
    """Leave the database as a process does that has ended; this one's connections stay with the old file."""
    file = survey.output.database
    copy_database(file, file.with_name("copy"), scratch=file.parent)
    for part in (file, *file.parent.glob("mlflow.db-*")):
        part.unlink()
    file.with_name("copy").rename(file)


def test_a_store_that_another_process_has_open_is_not_replaced(survey, monkeypatch):
    survey.train(FIRST, [0])  # through connections that are kept
    with pytest.raises(TrackingError, match="database is locked; end what has it open, such as an MLflow server"):
        OwnStore(survey.output, on_node=True).__enter__()
    assert backed_up(survey) == {FIRST.experiment_id: {0}}


def test_a_launch_that_died_leaves_its_file_to_the_next_on_this_node(survey, node):
    die(placed(survey))
    survey.train(FIRST, [0, 1])
    assert backed_up(survey) == {}
    assert survey_status(survey.output.folder).num_runs_done == 2
    with OwnStore(survey.output, on_node=False) as own:
        assert own.lost_node is None
        assert backed_up(survey) == {FIRST.experiment_id: {0, 1}}
    assert list(node.iterdir()) == []


def test_what_only_artifacts_tell_of_is_finished_again_once(survey, node):
    """The disk of the node is lost with three trials: one backed up, one not, and one cut short in its artifact."""
    own = placed(survey)
    survey.train(FIRST, [0, 1])
    own.back_up()
    lost = survey.train(SECOND, [0, 1, 2])
    short = survey.artifact(survey.train(THIRD, [0]))
    short.write_bytes(short.read_bytes()[:-100])
    die(own)
    shutil.rmtree(node)
    node.mkdir()

    note = json.loads(survey.output.store_note.read_text())
    with OwnStore(survey.output, on_node=True) as own:
        assert own.lost_node == note["host"]
        survey.store = TrackingStore(own.uri, output_id=survey.output.output_id)
        assert recover(survey.output, survey.store, None, hint=None) == 1
        assert recover(survey.output, survey.store, None, hint=None) == 0
        own.recovered()
        done = {FIRST.experiment_id: {0, 1}, SECOND.experiment_id: {0, 1, 2}}
        assert survey.store.finished.completed_runs() == done
        assert backed_up(survey) == done
        assert survey.export().damaged == ()
        assert survey.prune().num_artifacts == 2
    assert not survey.output.store_note.exists()

    run_ids = {run["mlflow_run_id"] for run in runs_of(survey.folder).values() if run["repetition"] == 2}
    (run,) = (home(survey).client.get_run(each) for each in run_ids)
    assert run.data.tags["recovered_from"] == lost
    assert run.data.params["size"] == str(SECOND.size)
    assert "test_loss" in run.data.metrics
    assert not survey.artifact(lost).exists()


def test_recovered_runs_have_the_numbers_of_those_that_were_lost(survey, node, tmp_path, empty_store):
    die(placed(survey))
    survey.train(FIRST, [0, 1, 2, 3])
    shutil.rmtree(node)
    node.mkdir()
    undisturbed = Survey(tmp_path / "undisturbed", empty_store)
    undisturbed.train(FIRST, [0, 1, 2, 3])
    undisturbed.export()
    with OwnStore(survey.output, on_node=True) as own:
        survey.store = TrackingStore(own.uri, output_id=survey.output.output_id)
        assert recover(survey.output, survey.store, None, hint=None) == 1
        own.recovered()
        survey.export()
    assert repr(without_ids(survey)) == repr(without_ids(undisturbed))


def without_ids(survey) -> list[dict]:
    runs = runs_of(survey.folder).values()
    return [{name: each for name, each in run.items() if name != "mlflow_run_id"} for run in runs]


def test_what_redo_has_replaced_is_not_recovered(survey, node):
    die(placed(survey))
    survey.output.redo_log.add("depth=3", [survey.train(FIRST, [0])])
    shutil.rmtree(node)
    node.mkdir()
    with OwnStore(survey.output, on_node=False):
        assert recover(survey.output, home(survey), None, hint=None) == 0


def test_a_note_that_cannot_be_read_is_one_of_a_lost_node(survey):
    survey.output.store_note.write_text("{")
    with OwnStore(survey.output, on_node=False) as own:
        assert own.lost_node == "an unknown node"
        own.recovered()
    assert not survey.output.store_note.exists()


def test_as_long_as_not_all_is_recovered_the_node_stays_noted(survey):
    survey.output.store_note.write_text(json.dumps({"host": "gone", "file": "/nowhere"}))
    with OwnStore(survey.output, on_node=True):
        pass
    with OwnStore(survey.output, on_node=True) as own:
        assert own.lost_node == "gone"


def test_backups_are_made_while_it_is_used(survey):
    own = placed(survey, backup_every_s=0.05, backup_share=1.0)
    survey.train(FIRST, [0, 1])
    await_that(lambda: backed_up(survey))
    die(own)
    assert backed_up(survey) == {FIRST.experiment_id: {0, 1}}


def test_a_backup_that_fails_is_told_and_the_last_one_keeps_the_file(survey, monkeypatch):
    said = []
    own = placed(survey, say=said.append, backup_every_s=0.05, backup_share=1.0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sqlite.shutil, "copyfile", full)
    # Not a trial, whose history is copied too.
    survey.store.open_experiment("alpha", note="", artifact_location=None)
    await_that(lambda: said)
    assert "cannot be backed up to the output folder: [Errno 28] No space left on device" in said[0]
    with pytest.raises(TrackingError, match="No space left"):
        own.__exit__()
    assert len(said) == 1
    assert own.file.exists()
    assert live_database(survey.output) == own.file
    assert list(survey.output.folder.glob(".mlflow*")) == []


def test_without_a_disk_of_its_own_a_node_is_refused(survey, monkeypatch):
    monkeypatch.setattr(local_store, "on_network", lambda _: True)
    with pytest.raises(InputError, match=r"needs a folder on a disk of this node, and .* set TMPDIR"):
        OwnStore(survey.output, on_node=True).__enter__()


def test_a_copy_is_whole_while_others_write(tmp_path):
    """Each transaction adds a pair of rows: a copy between them would have an odd number."""
    source, target = tmp_path / "live.db", tmp_path / "out" / "copy.db"
    target.parent.mkdir()
    with closing(sqlite3.connect(source)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE pairs (x TEXT)")
        database.commit()
    ended, written = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(source, timeout=HANGS_S)) as database:
            while not ended.is_set():
                database.execute("INSERT INTO pairs VALUES (?)", ["x" * 5000])
                database.execute("INSERT INTO pairs VALUES (?)", ["y" * 5000])
                database.commit()
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    written.wait(HANGS_S)
    counts = []
    try:
        for _ in range(10):
            copy_database(source, target, scratch=tmp_path)
            counts.append(value(target, "SELECT count(*) FROM pairs"))
            assert value(target, "PRAGMA integrity_check") == "ok"
    finally:
        ended.set()
        writer.join()
    assert counts == sorted(counts)
    assert counts[0] > 0
    assert all(count % 2 == 0 for count in counts)
    assert value(target, "PRAGMA journal_mode") == "delete"
    assert [file.name for file in target.parent.iterdir()] == ["copy.db"]
