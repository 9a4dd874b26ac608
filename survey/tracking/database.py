"""The sqlite file of an output's own MLflow store, looked at without MLflow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from survey.tracking.tags import OUTPUT


def holds_experiments(file: Path) -> bool:
    """Whether a sqlite file holds MLflow experiments of an output; a file that cannot be read counts as if it did."""
    if not file.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute("SELECT 1 FROM experiment_tags WHERE key = ?", (OUTPUT,)).fetchone() is not None
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.Error:
        return True


def remove_half_made(file: Path) -> None:
    """Remove a sqlite file that holds no experiment of an output.

    MLflow makes its tables in dozens of steps, and cannot go on where it was killed in the midst of them.
    """
    if file.exists() and not holds_experiments(file):
        for part in (file, *file.parent.glob(f"{file.name}-*")):
            part.unlink()
