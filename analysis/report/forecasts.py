"""Predicted and actual cost of launches, from `forecasts.json` beside a data set."""

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
from survey.text.counting import rounded


@dataclass(frozen=True, slots=True)
class Launch:
    """A finished launch.

    Attributes:
        began: When it began (UTC), as text.
        runs: Number of runs that it trained.
        runs_planned: Number of runs that it was to train.
        training_s: Seconds in training, summed over the trained runs.
        training_s_predicted: The prediction of `training_s`; NaN where nothing was predicted.
        factor: The stated uncertainty of the prediction, as a factor; NaN where nothing was predicted.
        wall_s: Seconds from start to end.
        wall_s_predicted: The prediction of `wall_s`; NaN unless all planned runs were trained.
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
    def training_s_bounds(self) -> tuple[float, float]:
        """The prediction of `training_s` at its lowest and highest; NaN where nothing was predicted."""
        return self.training_s_predicted / self.factor, self.training_s_predicted * self.factor

    @property
    def compared(self) -> str:
        """The actual time in training beside the predicted one, in words; empty where one is not known."""
        ratio = self.training_s / self.training_s_predicted if self.training_s_predicted > 0 else math.nan
        if not ratio > 0:
            return ""
        return "as predicted" if 0.95 <= ratio < 1.05 else f"{rounded(ratio, 2)} times as long"


def launches(dataset: Path) -> list[Launch]:
    """Return the recorded launches of a data set, in order; none without `forecasts.json`."""
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
        estimate, _, most = entry.training_s or (math.nan,) * 3
        yield Launch(
            began=f"{datetime.fromtimestamp(entry.began / 1000, UTC):%Y-%m-%d %H:%M} UTC",
            runs=end.runs,
            runs_planned=entry.runs,
            training_s=float(np.nansum(seconds[own])),
            training_s_predicted=_or_nan(end.training_s_expected),
            factor=most / estimate if estimate else math.nan,
            wall_s=end.wall_s,
            wall_s_predicted=entry.wall_s[0] if whole and entry.wall_s else math.nan,
            measured=entry.measured,
        )


def _or_nan(seconds: float | None) -> float:
    return math.nan if seconds is None else seconds
