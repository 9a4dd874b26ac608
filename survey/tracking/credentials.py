"""Credentials for a tracking store and its artifacts: from the environment of each process that uses them, alone.

A password in a URI would stand in the list of processes, and in Ray's dashboard, which shows how a job was started.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, unquote_plus, urlparse

from survey.errors import InputError

_NEEDED = re.compile(r"MLFLOW_TRACKING_(?!URI$)\w+|MLFLOW_S3_\w+|AWS_\w+|PG[A-Z]+")
"""Variables with which clients of MLflow, S3 and PostgreSQL find and unlock their servers."""


_SECRET = re.compile(r"pass(?!file)|pwd|token|secret", re.IGNORECASE)
"""Parameters of a URI's query that hold a secret: database drivers take `?password=` too."""


def passwords_of(uri: str) -> set[str]:
    """Return the passwords that a URI holds, as they stand there and decoded.

    Raises:
        ValueError: It is no URI.
    """
    parts = urlparse(uri)
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    standing = [parts.password or "", *(value for name, _, value in pairs if _SECRET.search(name))]
    return {form for each in standing for form in (each, unquote(each), unquote_plus(each)) if form}


def check_no_password(option: str, uri: str) -> None:
    """See that a URI holds no password.

    Raises:
        InputError: It does; the message says which environment variable is for it, and does not repeat it.
    """
    try:
        parts, passwords = urlparse(uri), passwords_of(uri)
    except ValueError:
        raise InputError(f"{option}: this is no URI") from None
    if passwords:
        variables = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        if parts.scheme.startswith("postgresql"):
            variables = "PGPASSWORD, or a file that PGPASSFILE names"
        elif not parts.scheme.startswith("http"):
            variables = "the environment variable that the store's client reads"
        raise InputError(
            f"{option}: others can read a command line, so a password has no place in it: leave it out of the URI and "
            f"give it by {variables}"
        )


def variables_needed(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the variables, set here, that other machines need to reach store and artifacts."""
    return sorted(name for name in environment if _NEEDED.fullmatch(name))


def without_passwords(text: str, uri: str) -> str:
    """Replace the passwords of a URI, as they stand there and decoded, wherever a text has them."""
    for password in sorted(passwords_of(uri), key=len, reverse=True):
        text = text.replace(password, "***")
    return text
