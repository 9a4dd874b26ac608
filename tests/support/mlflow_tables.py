"""The tables that MLflow's migrations make, as survey/tracking/tables has them.

`python -m tests.support.mlflow_tables` writes those of the MLflow that is installed.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from survey.tracking.ready_tables import READY, latest_revision


def tables_in(file: Path) -> str:
    """The statements that make the tables of a sqlite file, and the rows that are the same in every store."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("DELETE FROM experiments")  # the first one tells a time and a folder
        statements = [each for each in database.iterdump() if each not in ("BEGIN TRANSACTION;", "COMMIT;")]
    statements.sort(key=lambda each: each if each.startswith("CREATE INDEX") else "")  # made in any order, as sets are
    return "\n".join(line.rstrip() for line in "\n".join(statements).splitlines()) + "\n"


def made_by_mlflow(file: Path) -> str:
    """The same of a new file that MLflow's migrations have filled."""
    from mlflow.store.db.utils import _initialize_tables
    from sqlalchemy import NullPool, create_engine

    _initialize_tables(create_engine(f"sqlite:///{file}", poolclass=NullPool))
    return tables_in(file)


def main() -> None:
    """Write the tables of the MLflow that is installed."""
    with tempfile.TemporaryDirectory() as folder:
        READY.mkdir(exist_ok=True)
        (READY / f"{latest_revision()}.sql").write_text(made_by_mlflow(Path(folder) / "mlflow.db"), encoding="utf-8")


if __name__ == "__main__":
    main()
