"""What a report says in words and numbers: how a data set was made, and a line per experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.panels import SETTINGS, label, panels, size_text, varied
from analysis.read import read, schema_of, tables
from analysis.zone import all_epochs
from survey.errors import InputError

_RUN_COLUMNS = (
    "python_version",
    "torch_version",
    "tensorflow_version",
    "ray_version",
    "mlflow_version",
    "platform",
    "git_hash",
    "hostname",
    "device",
    "start_time",
    "update_time",
    "train_seconds",
)
_VERSIONS = {"python": "Python", "torch": "PyTorch", "tensorflow": "TensorFlow", "ray": "Ray", "mlflow": "MLflow"}


@dataclass(frozen=True, slots=True)
class Line:
    """One experiment in a table. Losses and accuracies are medians over repetitions; NaN where there is none.

    Attributes:
        dataset: Name of the task.
        label: Name of the experiment within its task, such as `rectangle d3 2^10`.
        parameters: Number of trainable parameters.
        widths: Layer widths, such as `64×3, 10`.
        repetitions: Number of runs.
        least_loss: Least value of the median test loss, by epoch.
        least_epoch: Its epoch, counted from 1; 0 where the loss is never finite.
        final_loss: Median test loss at the last epoch.
        best_loss: Median over runs of each run's least test loss.
        best_epoch: Median over runs of the epoch of each run's least test loss.
        best_accuracy: Median over runs of each run's greatest test accuracy.
    """

    dataset: str
    label: str
    parameters: int
    widths: str
    repetitions: int
    least_loss: float
    least_epoch: int
    final_loss: float
    best_loss: float
    best_epoch: float
    best_accuracy: float


def lines(frame: pd.DataFrame) -> list[Line]:
    """Describe the experiments of one task, in the order of the panels, then by parameters."""
    names = varied(frame)
    ordered = pd.concat([panel.frame for panel in panels(frame)]) if len(frame) else frame
    losses = all_epochs(ordered, "test_loss_median")
    return [
        _line(row, names, losses[number], len(row["test_loss_median"]) if row["test_loss_median"] is not None else 0)
        for number, row in enumerate(ordered.to_dict("records"))
    ]


def overview(dataset: Path, experiments: pd.DataFrame) -> list[tuple[str, str]]:
    """Say what was surveyed and how it was made, as pairs of a term and its description.

    Args:
        dataset: Folder of the data set.
        experiments: All rows of `complete_summary`, with the descriptive columns and `num`.

    Raises:
        InputError: There are no experiments.
    """
    if experiments.empty:
        raise InputError(f"{dataset}: no experiments in complete_summary/ yet; export some runs first")
    sweeps = [field.name for field in schema_of(dataset) if pa.types.is_boolean(field.type)]
    counts = {name: sum(value is True for value in experiments[name].tolist()) for name in sweeps}
    runs = sum(map(int, experiments["num_runs"]))
    recorded = sum(int(np.sum(num)) for num in experiments["num"] if num is not None)
    surveyed = [
        ("Data sets", ", ".join(sorted(experiments["dataset"].unique()))),
        ("Sweeps", ", ".join(f"{name} ({count:,})" for name, count in counts.items() if count) or "none named"),
        ("Experiments", f"{len(experiments):,}"),
        ("Runs", f"{runs:,} ({_span(experiments['num_runs'])} per experiment)"),
        ("Epochs recorded", f"{recorded:,} ({_span(experiments['epochs'])} per run)"),
        ("Shapes", ", ".join(sorted(experiments["shape"].unique()))),
        ("Sizes", _sizes(experiments["size"])),
        ("Depths", ", ".join(str(depth) for depth in sorted(experiments["depth"].unique()))),
        ("Settings", _settings(experiments)),
    ]
    return surveyed + (_provenance(dataset) if "all_repetitions" in tables(dataset) else [])


def widths_text(widths: Any) -> str:
    """Write layer widths with three or more equal ones joined: `64, 64, 64, 10` is `64×3, 10`."""
    runs = [(int(width), len(list(same))) for width, same in groupby(() if widths is None else widths)]
    return ", ".join(f"{width}×{count}" if count > 2 else ", ".join([str(width)] * count) for width, count in runs)


def _line(row: Mapping[Any, Any], names: list[str], loss: np.ndarray, last: int) -> Line:
    finite = bool(np.isfinite(loss).any())
    least = int(np.nanargmin(loss)) if finite else -1
    return Line(
        dataset=row["dataset"],
        label=label(row, names),
        parameters=int(row["num_free_parameters"]),
        widths=widths_text(row["widths"]),
        repetitions=int(row["num_runs"]),
        least_loss=float(loss[least]) if finite else np.nan,
        least_epoch=least + 1,
        final_loss=float(loss[last - 1]) if last else np.nan,
        best_loss=float(row["test_loss_min_value_median"]),
        best_epoch=float(row["test_loss_min_epoch_median"]),
        best_accuracy=float(row["test_accuracy_max_value_median"]) if row["task"] == "classification" else np.nan,
    )


def _provenance(dataset: Path) -> list[tuple[str, str]]:
    """How the runs were made, as far as their table says it."""
    known = set(schema_of(dataset, "all_repetitions").names)
    runs = read(dataset, table="all_repetitions", columns=[name for name in _RUN_COLUMNS if name in known])
    versions = [f"{word} {_values(runs, f'{name}_version')}" for name, word in _VERSIONS.items()]
    facts = [
        ("Trained", _dates(runs)),
        ("Software", " · ".join(text for text in versions if not text.endswith(" "))),
        ("Source", _values(runs, "git_hash")),
        ("Devices", _values(runs, "device")),
        ("Hosts", f"{runs['hostname'].nunique()} ({_values(runs, 'platform')})" if "hostname" in runs else ""),
        (
            "Time in training",
            _hours(float(np.nansum(runs["train_seconds"].to_numpy(float)))) if "train_seconds" in runs else "",
        ),
    ]
    return [(term, text) for term, text in facts if text]


def _values(runs: pd.DataFrame, name: str) -> str:
    """Distinct values of a column, at most six named."""
    found = sorted(runs[name].dropna().unique()) if name in runs else []
    return ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")


def _dates(runs: pd.DataFrame) -> str:
    known = runs[["start_time", "update_time"]].dropna() if {"start_time", "update_time"} <= set(runs) else runs[:0]
    if known.empty:
        return ""
    first, last = min(map(int, known["start_time"])), max(map(int, known["update_time"]))
    return " to ".join(f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}" for ms in (first, last)) + " UTC"


def _hours(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}, summed over runs"
    return f"{seconds:.1f} seconds, summed over runs"


def _span(values: Iterable[int]) -> str:
    numbers = list(values)
    low, high = int(min(numbers)), int(max(numbers))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _sizes(values: Iterable[int]) -> str:
    sizes = sorted({int(size) for size in values})
    texts = [size_text(size) for size in sizes]
    return ", ".join(texts) if len(texts) <= 8 else f"{texts[0]} to {texts[-1]} ({len(texts)} sizes)"


def _settings(experiments: pd.DataFrame) -> str:
    """Values of the other hyperparameters, whether they vary or not; those that are zero throughout are left out."""
    parts = []
    for name in (
        name for name in SETTINGS if name in experiments and name not in ("epochs", "kernel_regularizer.type")
    ):
        found = sorted(set(experiments[name].dropna()))
        if any(found):
            texts = [f"{value:.6g}" if isinstance(value, float) else str(value) for value in found]
            parts.append(SETTINGS[name].format(", ".join(texts)))
    return " · ".join(parts)
