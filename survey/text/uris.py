"""Paths as URIs and back: the only place where one is made of the other.

A path may hold letters that mean something else in a URI (`%`, `?`, `#`, `&`), and then names another file in it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from survey.errors import InputError


def sqlite_uri(file: Path) -> str:
    """Return the URI by which MLflow and SQLAlchemy open a sqlite file.

    Raises:
        InputError: This version of SQLAlchemy cannot name the file: it would open another one.
    """
    from sqlalchemy.engine import URL, make_url

    path = str(file.absolute())
    plain = f"sqlite:///{path}"
    # With the name of a driver in it, MLflow does not take the quoted path for that of a folder and make it.
    uri = plain if make_url(plain).database == path else URL.create("sqlite+pysqlite", database=path).render_as_string()
    if sqlite_file(uri) != file.absolute():
        raise InputError(f"{file}: a sqlite file cannot lie there, as its path cannot be written as a URI: use another")
    return uri


def sqlite_file(uri: str) -> Path | None:
    """Return the absolute path of the file that a sqlite URI names; None for any other URI, and for one in memory."""
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
    """Return the URI of a folder that is given as a path, or as a URI already; without a slash at the end."""
    return str(folder).rstrip("/") if "://" in str(folder) else Path(folder).expanduser().absolute().as_uri()


def local_path(uri: str) -> Path | None:
    """Return the path of a `file:` URI, or of a text that is no URI; None for what lies elsewhere."""
    parts = urlsplit(uri)
    if parts.scheme == "":
        return Path(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None
