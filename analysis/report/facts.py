"""Words and numbers of a report: how a data set was made, and a line per experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures.panels import panels, varied
from analysis.reading.best import Best, best_of
from analysis.reading.frames import equal, records
from analysis.reading.labels import SETTINGS, UNSAID, label, size_text
from analysis.reading.quality import quality_of
from analysis.reading.tables import schema_of, tables
from analysis.report.condense import LAST
from analysis.report.provenance import provenance
from survey.dataset.reading import sweeps_of
from survey.errors import InputError
from survey.networks.metrics import METRICS


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table of experiments on networks. Numbers are medians over the runs unless said otherwise, or NaN.

    Attributes:
        dataset: Name of the task.
        label: Name of the experiment within its task, such as `rectangle d3 2^10`.
        parameters: Number of trainable parameters.
        widths: Layer widths, such as `64×3, 10`.
        repetitions: Number of runs.
        loss: Test loss at each run's best epoch, see `analysis.reading.best`.
        low: Lower quartile of `loss`.
        high: Upper quartile of `loss`.
        epoch: The best epoch, counted from 1.
        final_loss: Test loss at the last epoch.
        accuracy, error, explained: As in `analysis.reading.quality.Quality`.
    """

    dataset: str
    label: str
    parameters: int
    widths: str
    repetitions: int
    loss: float
    low: float
    high: float
    epoch: float
    final_loss: float
    accuracy: float
    error: float
    explained: float


def lines(experiments: pd.DataFrame, count: int | None = None) -> list[Line]:
    """Describe experiments on networks, of one task.

    Args:
        experiments: Rows as `analysis.report.condense` returns them, all of the task.
        count: How many to take, the best ones; all by default.

    Returns:
        Lines in the order of the panels, then of the parameters; with `count`, the best first.
    """
    names, best = varied(experiments), best_of(METRICS, experiments)
    if count is not None:
        ordered = experiments.iloc[best.order(experiments)[:count]]
    else:
        ordered = pd.concat([panel.frame for panel in panels(experiments)]) if len(experiments) else experiments
    quality = quality_of(ordered, best)
    rows = zip(records(ordered), quality.accuracy, quality.error, quality.explained, strict=True)
    return [_line(row, names, best, *map(float, terms)) for row, *terms in rows]


def overview(dataset: Path, experiments: pd.DataFrame) -> list[tuple[str, str]]:
    """Describe which networks were surveyed and how, as pairs of a term and its description.

    Args:
        dataset: Folder of the data set.
        experiments: All its experiments, as `analysis.report.condense.experiments` returns them.

    Raises:
        InputError: There are no experiments.
    """
    check_some(dataset, experiments)
    surveyed = [
        ("Data sets", ", ".join(sorted(experiments["dataset"].unique()))),
        *counts(dataset, experiments),
        ("Shapes", ", ".join(sorted(experiments["shape"].unique()))),
        ("Sizes", _sizes(experiments["size"])),
        ("Depths", ", ".join(str(depth) for depth in sorted(experiments["depth"].unique()))),
        ("Settings", _settings(experiments)),
    ]
    return surveyed + made(dataset)


def check_some(dataset: Path, experiments: pd.DataFrame) -> None:
    """Check that there are experiments.

    Raises:
        InputError: There are none.
    """
    if experiments.empty:
        raise InputError(f"{dataset}: no experiments in complete_summary/ yet; export some runs first")


def counts(dataset: Path, experiments: pd.DataFrame) -> list[tuple[str, str]]:
    """Count the experiments of each search space, and all experiments, runs and epochs, of any workload."""
    sweeps = sweeps_of(schema_of(dataset), dataset)
    sizes = {name: len(equal(experiments, name, True)) for name in sweeps}
    runs, recorded = _total(experiments, "num_runs"), _total(experiments, "recorded")
    return [
        ("Search spaces", ", ".join(f"{name} ({count:,})" for name, count in sizes.items() if count) or "none named"),
        ("Experiments", f"{len(experiments):,}"),
        ("Runs", f"{runs:,} ({_span(experiments['num_runs'])} per experiment)"),
        ("Epochs recorded", f"{recorded:,} ({_span(experiments['epochs'])} per run)"),
    ]


def made(dataset: Path) -> list[tuple[str, str]]:
    """Describe how the runs were made, as `provenance` does, if the data set has a table of runs."""
    return provenance(dataset) if "all_repetitions" in tables(dataset) else []


def widths_text(widths: Any) -> str:
    """Write layer widths, three or more equal ones as a product: `64, 64, 64, 10` becomes `64×3, 10`."""
    runs = [(int(width), len(list(same))) for width, same in groupby(() if widths is None else widths)]
    return ", ".join(f"{width}×{count}" if count > 2 else ", ".join([str(width)] * count) for width, count in runs)


def _line(
    row: Mapping[Any, Any], names: list[str], best: Best, accuracy: float, error: float, explained: float
) -> Line:
    return Line(
        dataset=row["dataset"],
        label=label(row, names),
        parameters=int(row["num_free_parameters"]),
        widths=widths_text(row["widths"]),
        repetitions=int(row["num_runs"]),
        loss=float(row[best.value()]),
        low=float(row[best.value("q1")]),
        high=float(row[best.value("q3")]),
        epoch=float(row[best.epoch()]),
        final_loss=float(row[LAST]),
        accuracy=accuracy,
        error=error,
        explained=explained,
    )


def _total(frame: pd.DataFrame, name: str) -> int:
    return int(frame[name].to_numpy(np.int64).sum())


def _span(values: Iterable[int]) -> str:
    numbers = list(values)
    low, high = int(min(numbers)), int(max(numbers))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _sizes(values: Iterable[int]) -> str:
    sizes = sorted({int(size) for size in values})
    texts = [size_text(size) for size in sizes]
    return ", ".join(texts) if len(texts) <= 8 else f"{texts[0]} to {texts[-1]} ({len(texts)} sizes)"


def _settings(experiments: pd.DataFrame) -> str:
    """Values of the other hyperparameters, without those that never have an effect."""
    parts = []
    for name in (
        name for name in SETTINGS if name in experiments and name not in ("epochs", "kernel_regularizer.type")
    ):
        found = sorted(set(experiments[name].dropna()))
        if any(value != UNSAID.get(name, 0) for value in found):
            texts = [f"{value:.6g}" if isinstance(value, float) else str(value) for value in found]
            parts.append(SETTINGS[name].format(", ".join(texts)))
    return " · ".join(parts)
