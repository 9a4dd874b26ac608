"""Errors of MLflow and its database, turned into one message that names the store and shows no password."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from survey.errors import TrackingAwayError, TrackingError
from survey.files import full, is_full
from survey.tracking.credentials import passwords_of


@contextmanager
def told(uri: str, purpose: str = "be used") -> Iterator[None]:
    """Turn any error of MLflow, its database or its driver into: the store at `uri` cannot do this, or: it is full."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, (SQLAlchemyError, OSError, ImportError, *_mlflow_errors())):
            raise
        if is_full(error):
            raise full(without_password(f"the tracking store {uri}", uri)) from None
        text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        kind = TrackingAwayError if _may_be_back(error, uri) else TrackingError
        raise kind(without_password(f"the tracking store {uri} cannot {purpose}: {text}", uri)) from None


def _may_be_back(error: Exception, uri: str) -> bool:
    """Whether an error says that a server does not answer, rather than that it refuses."""
    if uri.startswith("http"):
        # MLflow gives this code to all that is no answer of its own server: no connection, a proxy's 502, a time-out.
        return isinstance(error, ConnectionError) or getattr(error, "error_code", "") in _NO_ANSWER
    return isinstance(error, OperationalError) and not uri.startswith("sqlite:")


_NO_ANSWER = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")


def _mlflow_errors() -> tuple[type[Exception], ...]:
    """MLflow's own error, where MLflow has been imported: a worker may do without."""
    module = sys.modules.get("mlflow.exceptions")
    return (module.MlflowException,) if module else ()


def without_password(text: str, uri: str) -> str:
    """Replace the passwords of a URI, as they stand there and decoded, wherever a text has them."""
    for password in sorted(passwords_of(uri), key=len, reverse=True):
        text = text.replace(password, "***")
    return text
