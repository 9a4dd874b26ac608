"""The differences of many settings from one: `difference`, for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.statistics.mean_intervals import half_width, welch_half_width

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of N experiments in R columns, one for each number of a repetition.

    Attributes:
        values: What each run counts by, float64 (N, R); NaN where it is not finite, or where there is no run.
        there: Whether there is a run, bool (N, R).
        seeds: Their seeds, int64 (N, R); 0 where there is none.
        paired: Whether the draws of each experiment are paired, bool (N,).
    """

    values: _Floats
    there: npt.NDArray[np.bool_]
    seeds: npt.NDArray[np.int64]
    paired: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Differences:
    """Mean score of each of N experiments less that of one of them.

    Attributes:
        estimate: float64 (N,); NaN where a run has no finite score, or no repetition is shared.
        low: Lower ends of the intervals; NaN where there are none.
        high: Upper ends.
        paired: Whether runs of the same repetition were compared with each other, bool (N,).
    """

    estimate: _Floats
    low: _Floats
    high: _Floats
    paired: npt.NDArray[np.bool_]


def runs_of(experiments: pd.DataFrame, runs: pd.DataFrame) -> Runs:
    """Arrange runs as a matrix.

    Args:
        experiments: N rows of a summary, with `experiment_id` and perhaps `draws`.
        runs: Their runs: experiment_id, repetition, `value`, and perhaps `seed`.
    """
    rows = pd.Index(experiments["experiment_id"]).get_indexer(pd.Index(runs["experiment_id"]))
    numbers, columns = np.unique(runs["repetition"].to_numpy(np.int64), return_inverse=True)
    shape = (len(experiments), len(numbers))
    values, there, seeds = np.full(shape, np.nan), np.zeros(shape, np.bool_), np.zeros(shape, np.int64)
    known, at = rows >= 0, (rows[rows >= 0], columns[rows >= 0])
    there[at] = True
    scores = runs["value"].to_numpy(np.float64)[known]
    values[at] = np.where(np.isfinite(scores), scores, np.nan)
    paired = np.zeros(len(experiments), np.bool_)
    if "draws" in experiments and "seed" in runs:
        paired = (experiments["draws"] == "paired").to_numpy(np.bool_)
        seeds[at] = runs["seed"].to_numpy(np.int64)[known]
    return Runs(values, there, seeds, paired)


def differences_from(runs: Runs, reference: int, level: float = 0.95) -> Differences:
    """Estimate the differences of experiments from one of them.

    Each is what `analysis.difference` returns for the two, in which way they are paired, and with the same interval.
    It holds for each alone: of many intervals at 95 %, five in a hundred leave the difference out.

    Args:
        runs: Runs of experiments of one task.
        reference: Row of the one that the others are compared with.
        level: Level of the intervals.
    """
    shared = runs.there & runs.there[reference]
    same_seeds = ((runs.seeds == runs.seeds[reference]) | ~shared).all(1)
    paired = runs.paired & runs.paired[reference] & same_seeds
    of_pairs, of_means = _of_pairs(runs, shared, reference, level), _of_means(runs, reference, level)
    estimate, half = (np.where(paired, *both) for both in zip(of_pairs, of_means, strict=True))
    return Differences(estimate, estimate - half, estimate + half, paired)


def are_all_paired(runs: Runs) -> bool:
    """Whether the draws of experiments are paired: each repetition has the same seed in all of them."""
    columns = zip(runs.seeds.T, runs.there.T, strict=True)
    return bool(runs.paired.all()) and all(len(np.unique(seeds[there])) < 2 for seeds, there in columns)


def _of_pairs(runs: Runs, shared: npt.NDArray[np.bool_], reference: int, level: float) -> tuple[_Floats, _Floats]:
    """Mean and half the width of the interval of the differences within the repetitions."""
    mean, stddev, count = _moments(runs.values - runs.values[reference], shared)
    return mean, half_width(stddev, count, level)


def _of_means(runs: Runs, reference: int, level: float) -> tuple[_Floats, _Floats]:
    """Difference of the means of all runs, and half the width of Welch's interval."""
    mean, stddev, count = _moments(runs.values, runs.there)
    half = welch_half_width((stddev, stddev[reference]), (count, count[reference]), level)
    return mean - mean[reference], half


def _moments(values: _Floats, there: npt.NDArray[np.bool_]) -> tuple[_Floats, _Floats, _Floats]:
    """Mean, standard deviation and number of those that are there; NaN where one of them is not finite."""
    count = there.sum(1).astype(np.float64)
    known = np.where(there, values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = known.sum(1) / count
        squares = np.where(there, (values - mean[:, None]) ** 2, 0.0).sum(1)
        stddev = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    return mean, stddev, count
