"""`explore.html`: the explorer as one file that opens without a server, with the data of a small survey in it."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.explore import answers
from analysis.explore.catalogue import catalogue, codes
from analysis.explore.index import Index, open_index
from analysis.explore.page import single_page
from analysis.reading.curves import curve_matrix, num_epochs
from analysis.reading.parts import read_parts
from analysis.reading.tables import SUMMARY
from survey.errors import OutputError
from survey.system.files import write_text
from survey.workloads.metrics import Metric, log_spaced_epochs

FILE = "explore.html"
MOST_EXPERIMENTS = 2000
MOST_BYTES = 10_000_000
"""Largest size of the file; metrics are left out until it is kept."""

EPOCHS = 64
"""Log-spaced epochs of each curve."""

_READ_AT_ONCE_BYTES = 256_000_000
"""Most bytes of summaries of which the curves of all metrics are held at once."""

_PARTS = ("q1", "median", "q3")
_FOR_THE_PAGE = 900_000
"""Bytes that the page takes without data: its libraries, for the most part."""

_DROPPED = np.uint32(0xFFFF_FE00)
"""Clears the last nine bits of a float32, so that it packs well; 14 are left, four digits."""


@dataclass(frozen=True, slots=True)
class PackedCurves:
    """The quartiles of a metric of all experiments.

    Attributes:
        epochs: The epochs.
        counts: How many of them each experiment has reached, uint32 [experiments], packed.
        values: float32 [quartile, experiments, epochs], packed; NaN where one is not finite.
    """

    epochs: list[int]
    counts: str
    values: str

    @property
    def num_bytes(self) -> int:
        """What it takes in the file."""
        return len(self.counts) + len(self.values)


def write_single_file(dataset: Path, out: Path, kept_in: Path | None = None) -> Path | None:
    """Write `explore.html`, with the data of a survey of up to `MOST_EXPERIMENTS` experiments in it.

    Args:
        dataset: Folder of the data set.
        out: Folder of the file, created if missing.
        kept_in: Folder in which the index is kept, see `analysis.explore.index.open_index`.

    Returns:
        The file; None if there are too many experiments, and then one of an earlier time is removed. Its bytes depend
        only on the data set.

    Raises:
        InputError: The folder is not a data set, or has no experiments.
        OutputError: The file cannot be written.
        ExportError: A file of the data set is damaged.
    """
    index, file = open_index(dataset, kept_in), out / FILE
    page = single_page(embedded(index)) if len(index.experiments) <= MOST_EXPERIMENTS else None
    try:
        if page is None:
            file.unlink(missing_ok=True)
            return None
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, page)
    except OSError as error:
        raise OutputError(f"{out}: the explorer cannot be written ({error.strerror or error})") from error
    return file


def embedded(index: Index) -> dict[str, Any]:
    """Return what the file has of a data set, as values of JSON; arrays are packed."""
    about = catalogue(index)
    for each in about["statistics"]:
        each["columns"] = {part: name for part, name in each["columns"].items() if part in _PARTS}
    task_column = [index.columns.task_column] if index.columns.task_column else []
    known = {
        "ids": [str(each) for each in index.experiments["experiment_id"]],
        "codes": {
            name: packed(codes(index, name)) for name in (*(axis["name"] for axis in about["axes"]), *task_column)
        },
        "numbers": dict(_numbers(index, about["statistics"])),
        "effects": {task["name"]: _effects(index, task["name"]) for task in about["tasks"]},
    }
    taken = sum(map(len, (*known["ids"], *known["codes"].values(), *known["numbers"].values())))
    curves = dict(_within(MOST_BYTES - _FOR_THE_PAGE - taken, _curves(index, about["curves"])))
    about["curves"] = [each for each in about["curves"] if each["name"] in curves]
    told = {
        name: {"epochs": each.epochs, "counts": each.counts, "values": each.values} for name, each in curves.items()
    }
    return {"catalogue": about, **known, "curves": told}


def packed(values: npt.NDArray[Any]) -> str:
    """Return the bytes of an array, little-endian, as gzip in base64."""
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return b64encode(gzip.compress(raw, 6, mtime=0)).decode()


def _numbers(index: Index, statistics: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for name in (name for each in statistics for name in each["columns"].values()):
        yield name, packed(index.experiments[name].to_numpy(np.float32, na_value=np.nan))


def _effects(index: Index, task: str) -> dict[str, Any] | None:
    return None if index.runs is None else answers.effects(index, task, {})


def _within(room: int, curves: Iterable[tuple[str, PackedCurves]]) -> Iterator[tuple[str, PackedCurves]]:
    """The first ones that have room together."""
    for name, each in curves:
        room -= each.num_bytes
        if room < 0:
            return
        yield name, each


def _curves(index: Index, listed: Sequence[dict[str, Any]]) -> Iterator[tuple[str, PackedCurves]]:
    """The metrics with quartiles: the objective, then those of which summaries have most, such as losses."""
    there = set(index.summary_columns)
    known = {each["name"] for each in listed}
    metrics = [each for each in index.columns.metrics.all if each.name in known and there.issuperset(_names(each))]
    objective = index.columns.metrics.objective
    metrics.sort(key=lambda each: (each != objective, -len(each.statistics)))
    parts = index.parts[SUMMARY]
    # To open a file takes longer than to read some columns of it.
    are_few = sum(part.size for part in parts) <= _READ_AT_ONCE_BYTES
    for some in [metrics] if are_few else [[metric] for metric in metrics]:
        rows = read_parts(index.dataset, SUMMARY, parts, [name for metric in some for name in _names(metric)]).table
        yield from ((metric.name, _packed_curves(rows, metric)) for metric in some)


def _names(metric: Metric) -> list[str]:
    return [f"{metric.name}_{part}" for part in _PARTS]


def _packed_curves(rows: pa.Table, metric: Metric) -> PackedCurves:
    names = _names(metric)
    lists = [[_curve(values) for values in rows[name].to_pylist()] for name in names]
    last = max(map(num_epochs, lists))
    epochs = log_spaced_epochs(last, EPOCHS) if last else np.empty(0, np.int64)
    values = np.stack([curve_matrix(each, epochs) for each in lists]).astype(np.float32)
    counts = np.array([int((epochs <= num_epochs([curve])).sum()) for curve in lists[1]], np.uint32)
    short = (values.view(np.uint32) & _DROPPED).view(np.float32)
    return PackedCurves(epochs.tolist(), packed(counts), packed(np.where(np.isfinite(values), short, np.nan)))


def _curve(values: list[float] | None) -> npt.NDArray[np.float32] | None:
    return None if values is None else np.asarray(values, np.float32)
