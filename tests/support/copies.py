"""Copies of what tests make once: a sqlite file, an output."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path


def copy_sqlite(file: Path, copy: Path) -> None:
    """Copy a database to a new file, whoever has it open."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def copy_output(made: Path, folder: Path) -> None:
    """Copy an output with its own MLflow store; the runs of the copy have their artifacts in it."""
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("mlflow.db*"))
    copy_sqlite(made / "mlflow.db", folder / "mlflow.db")
    moved = (str(made), str(folder))
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)", moved)
        database.execute("UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)", moved)
