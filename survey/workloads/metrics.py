"""What is recorded of each epoch: metrics; quantiles over repetitions, log-spaced epochs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from survey.errors import InputError

_QUARTILES = ("q1", "median", "q3")
ALL_STATISTICS = ("num_finite", "min", *_QUARTILES, "max", "avg", "stddev")
"""Statistics over repetitions that a summary can have of a metric, in their order."""

MAIN_STATISTICS = (*_QUARTILES, "avg", "stddev")
"""Those of a metric that is not the objective."""

NOT_RECORDED = np.array(0x7FC0_BEEF, dtype=np.uint32).view(np.float32)[()]
"""Stands in curves, which are float32, for what is not recorded: a NaN that no computation yields, as R's NA is."""


def found_metric(name: str) -> Metric:
    """Return the metric of this name that training has found."""
    return Metric(name, "as training gives it", of_runs=True)


def is_recorded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return where there are values, which may be NaN, and not `NOT_RECORDED`."""
    return values.view(np.uint32) != NOT_RECORDED.view(np.uint32)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that each run has after each epoch: a curve.

    Attributes:
        name: Its name, in MLflow and in the columns of summaries: `test_loss`.
        meaning: What it is, for people.
        column: Its column in the rows of runs, if that has another name.
        best: Whether less or more of it is better, so that the best epoch of each run is found; None if neither.
        statistics: Statistics over the repetitions in summaries.
        of_runs: Whether MLflow has it of each repetition too and, if it has a best, its quartiles over them.
        at_choice: Whether summaries have what it is at the epoch that is chosen by `Metrics.choose_by`.
    """

    name: str
    meaning: str
    column: str = ""
    best: Literal["min", "max"] | None = None
    statistics: tuple[str, ...] = MAIN_STATISTICS
    of_runs: bool = False
    at_choice: bool = False

    @property
    def curve(self) -> str:
        """Its column in the rows of runs."""
        return self.column or self.name


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of a workload, or those that one of its trainings records, in the order in which it gives them.

    Attributes:
        all: The metrics; the first one that has a best is the objective, by which experiments are compared.
        choose_by: Name of the metric at whose best the epoch of a run is chosen, so that others, which had no part in
            the choice, can judge the run; empty if there is none.
        is_open: Whether training finds out about further ones, of which these are those that are known.
    """

    all: tuple[Metric, ...]
    choose_by: str = ""
    is_open: bool = False

    def only(self, names: Collection[str]) -> Metrics:
        """Return those with these names, in their order here."""
        return replace(self, all=tuple(metric for metric in self.all if metric.name in names))

    def found(self, names: Iterable[str]) -> Metrics:
        """Return them with further ones that training has found, in their order."""
        more = [name for name in dict.fromkeys(names) if name not in self.names]
        return replace(self, all=(*self.all, *map(found_metric, more)))

    @property
    def objective(self) -> Metric:
        """What experiments are compared by."""
        return next(metric for metric in self.all if metric.best)

    @property
    def chooser(self) -> Metric | None:
        """The metric of `choose_by`; None if there is none, or if it is not recorded."""
        return next((metric for metric in self.all if metric.name == self.choose_by), None)

    @property
    def with_quartiles(self) -> tuple[Metric, ...]:
        """Those of which MLflow has quartiles over the repetitions."""
        return tuple(metric for metric in self.all if metric.of_runs and (metric.best or self.is_open))

    @property
    def of_runs(self) -> tuple[Metric, ...]:
        """Those that MLflow has of each repetition."""
        return tuple(metric for metric in self.all if metric.of_runs)

    @property
    def num_rows(self) -> int:
        """Rows that MLflow gets of a trial for each epoch that is recorded."""
        return len(self.all) + 2 * len(self.with_quartiles)

    @property
    def num_run_rows(self) -> int:
        """Rows that MLflow gets of a repetition for each epoch that is recorded."""
        return len(self.of_runs)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all metrics, in their order."""
        return tuple(metric.name for metric in self.all)

    @property
    def curves(self) -> tuple[str, ...]:
        """Columns of all metrics in the rows of runs, in their order."""
        return tuple(metric.curve for metric in self.all)


def best_epochs(curves: np.ndarray, metric: Metric) -> npt.NDArray[np.float64]:
    """Find the best epoch of each run.

    Args:
        curves: float [runs, epochs] of a metric that has a best, at least one epoch.
        metric: The metric.

    Returns:
        float64 [runs]: the first epoch, from 1, at which it is best; NaN where it is finite at none.
    """
    sign = 1.0 if metric.best == "min" else -1.0
    index = np.where(np.isfinite(curves), sign * curves, np.inf).argmin(1)
    return np.where(np.isfinite(curves).any(1), index + 1.0, np.nan)


def at_epochs(curves: np.ndarray, epochs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the values, float64 [runs], of curves [runs, epochs] at an epoch of each run; NaN where that is NaN."""
    index = np.where(np.isnan(epochs), 1, epochs).astype(np.int64) - 1
    value = np.take_along_axis(curves, index[:, None], 1)[:, 0].astype(np.float64)
    return np.where(np.isnan(epochs), np.nan, value)


def quantiles(values: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Quantiles over the first axis by linear interpolation, with non-finite values sorted last.

    Args:
        values: float [repetitions, ...]; NaN and both infinities count as greater than every number. Of float32, those
            that are not recorded do not count.
        probabilities: Each from 0 to 1.

    Returns:
        float64 [probabilities, ...]; infinity where a quantile falls on, or next to, a value that is not finite; NaN
        where no value is recorded.
    """
    if values.dtype == np.float32 and not (recorded := is_recorded(values)).all():
        return _quantiles_of_recorded(values, recorded, probabilities)
    ordered = np.sort(np.where(np.isfinite(values), values, np.inf).astype(np.float64), axis=0)
    results = []
    for probability in probabilities:
        position = probability * (len(ordered) - 1)
        below = int(position)
        fraction = position - below
        low = ordered[below]
        if fraction == 0.0:
            results.append(low)
            continue
        high = ordered[below + 1]
        with np.errstate(invalid="ignore"):
            between = low + fraction * (high - low)
        results.append(np.where(np.isfinite(high), between, np.inf))
    return np.stack(results)


def _quantiles_of_recorded(
    values: npt.NDArray[np.float32], recorded: npt.NDArray[np.bool_], probabilities: Sequence[float]
) -> np.ndarray:
    """The quantiles of those places that have equally many values, for each number of them."""
    flat, is_there = values.reshape(len(values), -1), recorded.reshape(len(values), -1)
    counts, results = is_there.sum(0), np.full((len(probabilities), flat.shape[1]), np.nan)
    for count in np.unique(counts[counts > 0]):
        places = np.flatnonzero(counts == count)
        some = flat[:, places].T[is_there[:, places].T].reshape(len(places), count).T
        results[:, places] = quantiles(some, probabilities)
    return results.reshape(len(probabilities), *values.shape[1:])


def log_spaced_epochs(num_epochs: int, count: int = 100) -> npt.NDArray[np.int64]:
    """Choose epochs whose logarithms are evenly spaced, as the published contour maps do.

    Args:
        num_epochs: Last epoch, at least 1.
        count: Number of epochs before duplicates are removed, at least 2.

    Returns:
        Distinct epochs in increasing order from 1 to `num_epochs`, at most `count` of them.

    Raises:
        InputError: A number is below its minimum.
    """
    if num_epochs < 1 or count < 2:
        raise InputError(f"num_epochs {num_epochs} and count {count}: at least 1 and 2 are needed")
    return np.unique(np.rint(np.geomspace(1, num_epochs, count)).astype(np.int64))
