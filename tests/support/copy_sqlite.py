"""A copy of a sqlite file, whoever has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def copy_sqlite(file: Path, copy: Path) -> None:
    """Copy a database to a new file."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
