"""Sources of public tables: scikit-learn and the Penn Machine Learning Benchmarks (PMLB).

A PMLB table is looked up in the folder `SURVEY_PMLB_DIR`, then in the cache (`SURVEY_CACHE_DIR`, else the user's cache
folder), then fetched into the cache from the public repository.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from survey.errors import TaskError
from survey.system.home import user_cache
from survey.tasks.catalog import PUBLISHED
from survey.tasks.names import SKLEARN_PREFIX
from survey.tasks.table import Table, is_lfs_pointer, row_place

PMLB_URL = "https://github.com/EpistasisLab/pmlb/raw/master/datasets"
"""The public repository, with files `NAME/NAME.tsv.gz`."""

PMLB_TARGET = "target"
"""The target column of every PMLB table."""

TIMEOUT_S = 10.0
"""Longest wait for an answer of the server, in seconds."""

_GZIP = b"\x1f\x8b"


def read_bundled(name: str) -> Table:
    """Read a set that comes with scikit-learn, `sklearn:NAME`."""
    import pandas as pd
    from sklearn import datasets

    bare = name.removeprefix(SKLEARN_PREFIX)
    # Unscaled: scikit-learn's scaling would only add rounding before ours.
    options = {"scaled": False} if bare == "diabetes" else {}
    data: Any = getattr(datasets, f"load_{bare}")(**options)
    inputs = pd.DataFrame(data.data, columns=[str(column) for column in data.feature_names])
    return Table(name, inputs, pd.Series(data.target, name="target"), row_place)


def cache_dir() -> Path:
    """Return the cache of PMLB tables, laid out as `SURVEY_PMLB_DIR`; it need not exist."""
    return user_cache() / "pmlb"


def find_pmlb(name: str) -> Path | None:
    """Return the file of the PMLB table `name` in `SURVEY_PMLB_DIR`, or None.

    Its checksum is not checked: it is the user's own stand-in, and the results record the digest of its content.
    """
    folder = os.environ.get("SURVEY_PMLB_DIR")
    if not folder:
        return None
    file = f"{name}/{name}.tsv.gz"
    places = (Path(folder).expanduser() / file, Path(folder).expanduser() / "datasets" / file)
    return next((place for place in places if place.is_file()), None)


def is_at_hand(name: str) -> bool:
    """Whether a file for the PMLB table `name` lies in `SURVEY_PMLB_DIR` or in the cache."""
    return find_pmlb(name) is not None or (cache_dir() / name / f"{name}.tsv.gz").is_file()


def obtain_pmlb(name: str) -> Path:
    """Return the file of the PMLB table `name`, fetched into the cache unless it is on this machine.

    A cached file is fetched again if its SHA-256 is not the published one, which only data sets that BUTTER uses have.

    Raises:
        TaskError: It is not on this machine, and the server is out of reach, lacks the file, or sends another one.
    """
    found = find_pmlb(name)
    if found is not None:
        return found
    import pooch

    pooch.get_logger().setLevel("WARNING")
    url = f"{PMLB_URL}/{name}/{name}.tsv.gz"
    known_hash = PUBLISHED[name].sha256 if name in PUBLISHED else None
    folder, new = cache_dir() / name, list[Path]()
    # Any: pooch's type of a downloader has other parameters than those it passes.
    downloader: Any = _download
    try:
        new = [each for each in (folder, *folder.parents) if not each.exists()]  # the innermost first
        return Path(pooch.retrieve(url, known_hash, f"{name}.tsv.gz", folder, downloader=downloader))
    except (OSError, ValueError) as error:
        for each in new:
            with suppress(OSError):  # something is in it
                each.rmdir()
        raise TaskError(_not_obtained(name, url, error)) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, output_file: str, pooch: Any) -> None:
    """Download to a temporary file, which pooch verifies and moves into place; refuse anything but gzip."""
    from pooch import HTTPDownloader

    HTTPDownloader(chunk_size=1 << 18, timeout=TIMEOUT_S)(url, output_file, pooch)
    path = Path(output_file)
    if is_lfs_pointer(path):
        raise ValueError("the server sent a Git LFS pointer instead of the file")
    with path.open("rb") as file:
        if file.read(len(_GZIP)) != _GZIP:
            raise ValueError("the server sent something that is not a gzip file")


def _not_obtained(name: str, url: str, error: Exception) -> str:
    folder = os.environ.get("SURVEY_PMLB_DIR")
    looked = f"SURVEY_PMLB_DIR ({folder})" if folder else "SURVEY_PMLB_DIR (not set)"
    return (
        f"task {name!r}: its table was not found. Looked in {looked} and in the cache {cache_dir()}, "
        f"then tried {url}: {_reason(error)}. Set SURVEY_PMLB_DIR to a folder with {name}/{name}.tsv.gz, or run "
        "`survey fetch` with the search space on a machine with a network and share its SURVEY_CACHE_DIR"
    )


def _reason(error: Exception) -> str:
    """Say briefly why the download failed; the messages of `requests` are long and name its internals."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return " ".join(str(error).split()).partition(" Deleted download")[0].rstrip(".")
