"""The runs of some experiments with what tools with fidelities take of each epoch: curves, and the time elapsed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.conclusions.scores import check_recorded
from analysis.reading.best import Best
from analysis.reading.chosen import read_chosen
from analysis.reading.frames import records
from survey.dataset.layout import REPETITIONS
from survey.errors import InputError
from survey.workloads.metrics import Metric

ELAPSED = "elapsed_time"
"""Name of the time that a run has taken up to the end of an epoch, in seconds."""


def metrics_of(best: Best) -> tuple[Metric, ...]:
    """Return what tools get of each epoch: the objective, and the metric that chooses the epoch if that is another."""
    return tuple(dict.fromkeys([best.metric, best.chosen_by]))


def read_runs(dataset: str | Path, experiments: pd.DataFrame, best: Best) -> pd.DataFrame:
    """Read the runs of some experiments.

    Args:
        dataset: Folder of the data set.
        experiments: Rows of its summary, with `experiment_id`.
        best: How they are compared.

    Returns:
        A row for each run that has reached an epoch, by experiment_id and repetition: these two, a column for each of
        `metrics_of`, by name, and `elapsed_time` in seconds; all but the first two are arrays float64 [epochs].
        Elapsed are the `epoch_seconds`, added up; `train_seconds` in equal parts, where they are not known.

    Raises:
        InputError: The data set has no table of runs, or these lack a curve or times.
        ExportError: A file is damaged.
    """
    check_recorded(dataset, best)
    curves = {metric.name: metric.curve for metric in metrics_of(best)}
    columns = ["experiment_id", "repetition", *curves.values(), "epoch_seconds", "train_seconds"]
    runs = read_chosen(dataset, experiments, columns, REPETITIONS)
    if "repetition" not in runs:  # as in the published data, which do not number them
        runs["repetition"] = runs.groupby("experiment_id").cumcount()
    runs = runs.sort_values(["experiment_id", "repetition"], ignore_index=True)
    rows = [_run(dataset, row, curves) for row in records(runs) if _curve(row[curves[best.metric.name]]).size]
    if not rows:
        raise InputError(f"{dataset}: no run has a {best.metric.name}")
    return pd.DataFrame(rows)


def _run(dataset: str | Path, row: Mapping[str, Any], curves: Mapping[str, str]) -> dict[str, Any]:
    values = {name: _curve(row[column]) for name, column in curves.items()}
    epochs = max(map(len, values.values()))
    elapsed = _elapsed(row, epochs)
    if elapsed is None:
        raise InputError(
            f"{dataset}: the runs have neither epoch_seconds nor train_seconds, without which no tool can simulate "
            "what they took"
        )
    return {
        "experiment_id": row["experiment_id"],
        "repetition": row["repetition"],
        **{name: curve if curve.size else np.full(epochs, np.nan) for name, curve in values.items()},
        ELAPSED: elapsed,
    }


def _elapsed(row: Mapping[str, Any], epochs: int) -> npt.NDArray[np.float64] | None:
    seconds = _curve(row.get("epoch_seconds"))
    if len(seconds) >= epochs:
        return np.cumsum(seconds[:epochs])
    whole = row.get("train_seconds")
    return None if whole is None or pd.isna(whole) else float(whole) * np.arange(1, epochs + 1) / epochs


def _curve(values: object) -> npt.NDArray[np.float64]:
    return np.asarray([] if values is None else values, np.float64)
