"""The sqlite file of an output's own MLflow store, looked at without MLflow."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from survey.dataset.completed_runs import CompletedRuns
from survey.errors import TrackingError
from survey.tracking.tags import OUTPUT, REPETITIONS


def holds_experiments(file: Path) -> bool:
    """Whether a sqlite file holds MLflow experiments of an output; a file that cannot be read counts as if it did."""
    if not file.exists():
        return False
    try:
        with closing(_read_only(file)) as database:
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


def completed_runs(file: Path, *, since_s: float = 0.0) -> CompletedRuns:
    """Return what the trials have trained that finished since a time, in seconds since 1970.

    It waits for no writer, and no writer waits for it.

    Raises:
        TrackingError: The file cannot be read.
    """
    query = (
        "SELECT e.value, r.value FROM runs JOIN tags e USING (run_uuid) JOIN tags r USING (run_uuid) "
        "WHERE runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active' AND runs.end_time >= ? "
        "AND e.key = 'experiment_id' AND r.key = ?"
    )
    completed = CompletedRuns()
    try:
        with closing(_read_only(file)) as database:
            for experiment_id, numbers in database.execute(query, (since_s * 1000, REPETITIONS)):
                completed.add(int(experiment_id, 16), json.loads(numbers))
    except sqlite3.Error as error:
        raise TrackingError(f"{file}: cannot be read: {error}") from None
    return completed


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
