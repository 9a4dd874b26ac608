"""Predicted against actual: what launches were expected to cost, from `forecasts.json` beside a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.reading.tables import read, schema_of, tables
from survey.output.forecasts import Ended, Entry, read_forecasts


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch that has come to its end.

    Attributes:
        began: When, as text.
        runs: Runs that it has trained.
        runs_planned: Runs that it was to train.
        training_s: Seconds in training, summed over its runs: what they took, and what was predicted of them.
        factor: How far off the prediction was said to be at most, as a factor.
        wall_s: Seconds from start to end; the prediction is NaN where not all was trained.
        measured: Whether a pilot had measured the machine.
    """

    began: str
    runs: int
    runs_planned: int
    training_s: float
    training_s_predicted: float
    factor: float
    wall_s: float
    wall_s_predicted: float
    measured: bool

    @property
    def miss(self) -> float:
        """Predicted over actual time in training, less 1; NaN where nothing was trained."""
        return self.training_s_predicted / self.training_s - 1.0 if self.training_s > 0 else math.nan


def launches(dataset: Path) -> list[Launch]:
    """The launches of a data set that are known, in order; none where there is no file of forecasts."""
    ended = [(entry, entry.end) for entry in read_forecasts(dataset.parent) if entry.end and entry.end.runs]
    if not ended or "all_repetitions" not in tables(dataset):
        return []
    if not {"update_time", "train_seconds"} <= set(schema_of(dataset, "all_repetitions").names):
        return []
    runs = read(dataset, table="all_repetitions", columns=["update_time", "train_seconds"])
    return list(_launches(ended, runs))


def _launches(entries: list[tuple[Entry, Ended]], runs: pd.DataFrame) -> Iterator[Launch]:
    updated, seconds = runs["update_time"].to_numpy(), runs["train_seconds"].to_numpy(float)
    for entry, end in entries:
        own = (updated >= entry.began) & (updated <= end.at)
        whole = end.runs == entry.runs
        estimate, _, most = entry.training_s
        yield Launch(
            began=f"{datetime.fromtimestamp(entry.began / 1000, UTC):%Y-%m-%d %H:%M} UTC",
            runs=end.runs,
            runs_planned=entry.runs,
            training_s=float(np.nansum(seconds[own])),
            training_s_predicted=end.training_s_expected,
            factor=most / estimate if estimate else math.nan,
            wall_s=end.wall_s,
            wall_s_predicted=entry.wall_s[0] if whole else math.nan,
            measured=entry.measured,
        )
