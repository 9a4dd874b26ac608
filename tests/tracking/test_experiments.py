"""The MLflow experiments of an output: the same by SQL as through MLflow's client, whoever has made them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from survey.tracking import experiments as module
from survey.tracking.experiments import ClientExperiments, Experiments, SqlExperiments, database_of
from survey.tracking.rows import NewRun
from survey.tracking.tags import EXPERIMENT, EXPERIMENT_ID, OUTPUT, REPETITIONS, ROLE, TRIAL_ROLE
from survey.tracking.writer import make_writer
from tests.support.copies import copy_sqlite
from tests.support.servers import client_of

MINE = {OUTPUT: "mine", "survey.name": "first", "note": "ü"}
TRIAL = {ROLE: TRIAL_ROLE, EXPERIMENT: "{}", EXPERIMENT_ID: f"{4711:016x}", REPETITIONS: "[0, 1]"}


def by_sql(uri: str) -> Experiments:
    engine = database_of(uri)
    assert engine is not None
    return SqlExperiments(engine, "mine")


def by_client(uri: str) -> Experiments:
    return ClientExperiments(client_of(uri), "mine")


@pytest.fixture
def uri(database) -> str:
    return f"sqlite:///{database}"


def filled(experiments: Experiments, uri: str) -> list[str]:
    """Two MLflow experiments of this output and one of another; in each a run that has ended, and one that has not."""
    numbers = [
        experiments.create("first", "file:///a", MINE),
        experiments.create("second", "file:///b", {OUTPUT: "mine"}),
        experiments.create("theirs", "file:///c", {OUTPUT: "another"}),
    ]
    experiments.set_tag(numbers[0], "view", "one")
    experiments.set_tag(numbers[0], "view", "two")
    for number in numbers:
        writer = make_writer(uri, number, sql_artifacts="file:///a")
        ended, _ = writer.create_runs([NewRun("ended", 5, TRIAL), NewRun("runs", 7, TRIAL)])
        writer.end_runs([ended], "FINISHED", 6)
    return numbers


def told(experiments: Experiments) -> dict:
    return {
        "all": {each.experiment_id: (each.artifact_location, dict(each.tags)) for each in experiments.all()},
        "taken": [experiments.is_taken(title) for title in ("first", "theirs", "third", "Default")],
        "unended": sorted(experiments.unended()),
        "finished": sorted(experiments.finished()),
    }


@pytest.mark.parametrize("make", [by_sql, by_client])
def test_both_tell_the_same_of_what_either_has_made(make: Callable[[str], Experiments], uri):
    first, second, theirs = filled(make(uri), uri)
    found = told(by_sql(uri))
    assert found == told(by_client(uri))
    assert found["all"] == {first: ("file:///a", {**MINE, "view": "two"}), second: ("file:///b", {OUTPUT: "mine"})}
    assert found["taken"] == [True, True, False, True]
    assert [each.experiment_id for each in found["unended"]].count(theirs) == 0
    assert (len(found["unended"]), len(found["finished"])) == (2, 2)
    client_of(uri).delete_experiment(second)
    assert list(told(by_sql(uri))["all"]) == [first]
    assert told(by_sql(uri)) == told(by_client(uri))


def test_both_leave_the_same_rows(empty_store, tmp_path):
    rows = []
    for make in (by_sql, by_client):
        file = tmp_path / f"{make.__name__}.db"
        copy_sqlite(empty_store, file)
        client_of(f"sqlite:///{file}").search_experiments()  # which makes the first one
        filled(make(f"sqlite:///{file}"), f"sqlite:///{file}")
        with closing(sqlite3.connect(file)) as database:
            columns = "experiment_id, name, artifact_location, lifecycle_stage, workspace, creation_time > 0"
            rows.append(database.execute(f"SELECT {columns} FROM experiments WHERE experiment_id > 0").fetchall())
            rows.append(sorted(database.execute("SELECT * FROM experiment_tags").fetchall()))
    assert rows[:2] == rows[2:]
    assert (len(rows[0]), len(rows[1])) == (3, 6)


def test_a_database_with_other_tables_is_not_read_by_sql(uri, database, tmp_path, monkeypatch):
    assert database_of(uri) is not None
    assert database_of(f"sqlite:///{tmp_path / 'empty.db'}") is None
    assert database_of("http://127.0.0.1:5000") is None
    with monkeypatch.context() as patch:
        patch.setattr(module, "latest_revision", lambda: "0123456789ab")
        assert database_of(uri) is None, "MLflow has to say what becomes of it"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE runs ADD COLUMN something TEXT")
    assert database_of(uri) is None


def test_the_file_of_a_store_may_be_replaced(uri, database, empty_store):
    experiments = by_sql(uri)
    experiments.create("first", "file:///a", MINE)
    Path(database).unlink()
    copy_sqlite(empty_store, database)
    assert experiments.all() == []
