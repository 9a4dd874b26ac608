"""The location of a data set: a folder of this machine, or an S3 object store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from survey.errors import ExportError, InputError

CONNECT_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 10
ATTEMPTS = 3
"""Attempts of a request: an unreachable object store is given up after at most about half a minute."""

_AWAY = re.compile(r"NETWORK_CONNECTION|curlCode|[Tt]imeout|SERVICE_UNAVAILABLE|SLOW_DOWN|HTTP status 50\d")
_DENIED = re.compile(r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|HTTP status 40[13]")
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|[Bb]ucket '[^']*' not found|bucket does not exist")


@dataclass(frozen=True, slots=True)
class Location:
    """A folder and its file system.

    Attributes:
        filesystem: The file system, of pyarrow.
        root: Path of the folder in it, without a slash at the end.
        name: The folder as given, for messages.
        host: Host of the object store; empty for a local folder.
    """

    filesystem: fs.FileSystem
    root: str
    name: str
    host: str = ""

    def path(self, *parts: str) -> str:
        """Return a path below the folder."""
        return "/".join((self.root, *parts))

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Turn errors of pyarrow while it reads `path` into errors for users.

        Raises:
            InputError: The store is out of reach, refuses access, or has no such bucket.
            ExportError: The file is damaged.
        """
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            said = one_line(error)
            if self.host:
                self._explain(said, error)
            shown = path.replace(self.root, self.name, 1)
            raise ExportError(f"{shown}: cannot be read ({said}); export it again") from error

    def _explain(self, said: str, error: BaseException) -> None:
        if _AWAY.search(said):
            raise InputError(
                f"{self.name}: the object store at {self.host} does not answer ({said}); check the network, set "
                f"AWS_ENDPOINT_URL if the data are not in Amazon's store, or read a local copy"
            ) from error
        if _NO_BUCKET.search(said):
            raise InputError(f"{self.name}: the object store at {self.host} has no such bucket") from error
        if _DENIED.search(said):
            raise InputError(
                f"{self.name}: the object store at {self.host} refuses access ({said}); credentials are taken from "
                f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, if set"
            ) from error


def open_location(where: str | Path) -> Location:
    """Find the file system of a folder.

    Args:
        where: Path of a local folder, `file://...`, or `s3://BUCKET/FOLDER`. A bucket is read without credentials
            unless AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) are set; AWS_REGION or
            AWS_DEFAULT_REGION names its region, which is looked up otherwise; AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL
            is the address of a store that is not Amazon's.

    Raises:
        InputError: The URL has another scheme or no bucket, or the region cannot be looked up.
    """
    # pathlib.Path reduces the two slashes to one.
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", str(where), flags=re.DOTALL)
    if match is None:
        return Location(fs.LocalFileSystem(), str(Path(where)), str(where))
    scheme, rest = match[1].lower(), match[2].rstrip("/")
    if scheme == "file":
        return Location(fs.LocalFileSystem(), "/" + unquote(rest), str(where))
    if scheme != "s3":
        raise InputError(f"{where}: scheme {scheme!r} is unknown; expected a local folder or s3://BUCKET/FOLDER")
    if not rest:
        raise InputError(f"{where}: no bucket is named; expected s3://BUCKET/FOLDER")
    return _s3(rest)


def one_line(error: BaseException) -> str:
    """Return the text of an error on one line."""
    return " ".join(str(error).split())


def _s3(path: str) -> Location:
    environment = os.environ
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or None
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    address = urlsplit(endpoint) if endpoint else None
    if address and (address.scheme not in ("http", "https") or not address.netloc):
        raise InputError(f"AWS_ENDPOINT_URL is {endpoint!r}; expected an address such as http://127.0.0.1:9000")
    name = f"s3://{path}"
    host = address.netloc if address else "amazonaws.com"
    if not region:
        region = "us-east-1" if address else _region(path.partition("/")[0], name)
    # Not pyarrow's own chain of credentials: it queries the metadata service of a cloud machine, which can take long.
    access = (
        {"access_key": key, "secret_key": secret, "session_token": environment.get("AWS_SESSION_TOKEN")}
        if key and secret
        else {"anonymous": True}
    )
    filesystem = fs.S3FileSystem(
        **access,
        region=region,
        endpoint_override=address.netloc if address else None,
        scheme=address.scheme if address else "https",
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=REQUEST_TIMEOUT_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )
    return Location(filesystem, path, name, host)


def _region(bucket: str, name: str) -> str:
    try:
        return fs.resolve_s3_region(bucket)
    except OSError as error:
        raise InputError(
            f"{name}: the region of the bucket cannot be looked up ({one_line(error)}); check the network and the name "
            f"of the bucket, or set AWS_REGION"
        ) from error
