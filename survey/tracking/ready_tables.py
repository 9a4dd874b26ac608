"""MLflow's tables in a new sqlite file, made at once: by its migrations they take seconds, and an import of MLflow.

`tables/` has what the migrations up to a revision leave in an empty file. It is used where this is the last revision of
the MLflow that is installed; a test compares both. For any other revision MLflow makes its tables itself.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from survey.errors import TrackingError
from survey.system.files import disk_full_error, is_disk_full

READY = Path(__file__).with_name("tables")
"""Folder of a file `REVISION.sql` for each known revision."""

_MIGRATIONS = "store/db_migrations/versions"
_REVISION = re.compile(r"^(revision|down_revision)\b[^=]*= *[\"'](\w+)[\"']", re.MULTILINE)


@cache
def latest_revision() -> str | None:
    """Return the revision of the tables that the installed MLflow asks for, without importing it.

    Returns:
        The revision after which its migrations have no other; None if they do not say.
    """
    mlflow = find_spec("mlflow")
    if mlflow is None or mlflow.origin is None:
        return None
    found: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for file in (Path(mlflow.origin).parent / _MIGRATIONS).glob("*.py"):
        for kind, revision in _REVISION.findall(file.read_text(encoding="utf-8")):
            found[kind].add(revision)
    latest = found["revision"] - found["down_revision"]
    return latest.pop() if len(latest) == 1 else None


def make_tables(file: Path) -> None:
    """Make MLflow's tables in a sqlite file that has none, if they are known; all of them, or none.

    Raises:
        TrackingError: The file is no sqlite database, or cannot be written to.
        DiskFullError: There is no room for them.
    """
    ready = READY / f"{latest_revision()}.sql"
    if not ready.exists():
        return
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")  # so that no other process makes them too
            if database.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                for statement in _statements(ready.read_text(encoding="utf-8")):
                    database.execute(statement)
            database.execute("COMMIT")
    except sqlite3.Error as error:
        if is_disk_full(error):
            raise disk_full_error(file) from None
        raise TrackingError(f"{file}: cannot be used as a sqlite database: {error}") from None


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
