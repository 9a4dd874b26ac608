"""Converts paths to URIs and back, only here: `%`, `?`, `#` and `&` mean something else in a URI."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from survey.errors import InputError


def sqlite_uri(file: Path) -> str:
    """Return the URI with which MLflow and SQLAlchemy open an SQLite file.

    Raises:
        InputError: SQLAlchemy would open another file.
    """
    from sqlalchemy.engine import URL, make_url

    path = str(file.absolute())
    plain = f"sqlite:///{path}"
    # The driver in the URI keeps MLflow from creating the quoted path as a folder.
    uri = plain if make_url(plain).database == path else URL.create("sqlite+pysqlite", database=path).render_as_string()
    if sqlite_file(uri) != file.absolute():
        raise InputError(f"{file}: this path of an SQLite file cannot be written as a URI: use another")
    return uri


def sqlite_file(uri: str) -> Path | None:
    """Return the absolute path of the file of an SQLite URI; None for other URIs and for a database in memory."""
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        database = make_url(uri).database
    except ArgumentError:
        return None
    return Path(database).absolute() if database and database != ":memory:" else None


def folder_uri(folder: str | Path) -> str:
    """Return the URI of a folder given as a path or a URI, without a slash at the end."""
    return str(folder).rstrip("/") if "://" in str(folder) else Path(folder).expanduser().absolute().as_uri()


def local_path(uri: str) -> Path | None:
    """Return the path of a `file:` URI, or of a plain path; None for other URIs."""
    parts = urlsplit(uri)
    if parts.scheme == "":
        return Path(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None
