"""MLflow's tables in a new store: those that its migrations make, all of them or none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from survey.errors import TrackingError
from survey.tracking import ready_tables
from survey.tracking.ready_tables import READY, latest_revision, make_tables
from survey.tracking.store import TrackingStore
from tests.support.mlflow_tables import made_by_mlflow, tables_in


def parts(tables: str) -> list[str]:
    """The lines of statements, in an order of their own: constraints of a table are made in any, as sets are."""
    return sorted(line.strip().rstrip(",") for line in tables.splitlines())


def test_they_are_those_that_the_installed_mlflow_makes(tmp_path):
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert latest_revision() == _get_latest_schema_revision()
    ready = READY / f"{latest_revision()}.sql"
    assert ready.exists(), "a new revision of MLflow's tables: python -m tests.support.mlflow_tables"
    assert parts(ready.read_text()) == parts(made_by_mlflow(tmp_path / "theirs.db"))
    make_tables(tmp_path / "ours.db")
    assert tables_in(tmp_path / "ours.db") == ready.read_text()


def test_mlflow_takes_them_for_its_own_and_adds_its_first_experiment(tmp_path):
    store = TrackingStore(f"sqlite:///{tmp_path / 'm.db'}", output_id="o")
    number = store.open_experiment("Default", note="", artifact_location="file:///nowhere")
    assert "client" not in vars(store), "so far MLflow has not been asked"
    assert {each.name for each in store.client.search_experiments()} == {"Default", "Default (2)"}
    assert store.client.get_experiment(number).name == "Default (2)", "the first one is MLflow's"


def test_what_has_tables_is_left_alone(tmp_path):
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE notes (text)")
    before = file.read_bytes()
    make_tables(file)
    assert file.read_bytes() == before


def test_an_mlflow_with_other_tables_makes_them_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(ready_tables, "latest_revision", lambda: "0123456789ab")
    make_tables(tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_all_of_them_are_made_or_none(tmp_path, monkeypatch):
    (tmp_path / f"{latest_revision()}.sql").write_text("CREATE TABLE a (b);\nCREATE TABLE a (b);\n")
    monkeypatch.setattr(ready_tables, "READY", tmp_path)
    with pytest.raises(TrackingError, match="already exists"):
        make_tables(tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_the_folder_of_a_wheel_has_them():
    """What setuptools packs is told in pyproject.toml."""
    import tomllib

    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert settings["tool"]["setuptools"]["package-data"]["survey.tracking"] == ["tables/*.sql"]
