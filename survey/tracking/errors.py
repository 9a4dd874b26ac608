"""Errors of MLflow, its database and S3, turned into one message that names the store and shows no password."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from survey.errors import TrackingAwayError, TrackingError
from survey.system.files import disk_full_error, is_disk_full
from survey.tracking.credentials import without_passwords


@contextmanager
def tracking_errors(uri: str, purpose: str = "be used", *, what: str = "the tracking store") -> Iterator[None]:
    """Turn any error of MLflow, its database, its driver or S3 into: the store at `uri` cannot do this, or: it is full.

    Raises:
        TrackingAwayError: It does not answer.
        TrackingError: It refuses.
        DiskFullError: There is no room left.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (SQLAlchemyError, OSError, ImportError, *_mlflow_errors(), *_s3_errors())):
            raise
        if is_disk_full(error):
            raise disk_full_error(without_passwords(f"{what} {uri}", uri)) from None
        text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        kind = TrackingAwayError if _may_be_back(error, uri) else TrackingError
        raise kind(without_passwords(f"{what} {uri} cannot {purpose}: {text}", uri)) from None


def _may_be_back(error: Exception, uri: str) -> bool:
    """Whether an error says that a server does not answer, rather than that it refuses."""
    if _s3_is_away(error):
        return True
    if uri.startswith("http"):
        # MLflow gives this code to all that is no answer of its own server: no connection, a proxy's 502, a time-out.
        return isinstance(error, ConnectionError) or getattr(error, "error_code", "") in _NO_ANSWER
    return isinstance(error, OperationalError) and not uri.startswith("sqlite:")


_NO_ANSWER = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")


def _mlflow_errors() -> tuple[type[Exception], ...]:
    """MLflow's own error, where MLflow has been imported: a worker may do without."""
    module = sys.modules.get("mlflow.exceptions")
    return (module.MlflowException,) if module else ()


def _s3_errors() -> tuple[type[Exception], ...]:
    """The errors of clients of S3, where one has been imported."""
    botocore, boto3 = sys.modules.get("botocore.exceptions"), sys.modules.get("boto3.exceptions")
    errors = (botocore.BotoCoreError, botocore.ClientError) if botocore else ()
    return (*errors, boto3.Boto3Error) if boto3 else errors


def _s3_is_away(error: BaseException | None) -> bool:
    """Whether S3 does not answer, or answers that it cannot at present; boto3 hides that in an error of its own."""
    botocore = sys.modules.get("botocore.exceptions")
    while botocore and error:
        if isinstance(error, (botocore.ConnectionError, botocore.HTTPClientError)):
            return True
        answer = getattr(error, "response", {}) if isinstance(error, botocore.ClientError) else {}
        if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            return True
        error = error.__context__
    return False
