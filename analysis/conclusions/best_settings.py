"""Which setting is best, what cannot be told from it, and what difference the repetitions resolve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtri

from analysis.conclusions.scores import as_compared, read_scores
from analysis.reading.best import Best
from analysis.reading.frames import where
from analysis.statistics.best_subset import may_be_least, stddev_of_pairs
from analysis.statistics.resolution import repetitions_for, resolved

LEVEL = 0.95
"""Probability with which the truly best setting is among those that may be the best."""

MAX_TESTED = 200
"""Most settings whose runs are compared: those with the best medians."""


@dataclass(frozen=True, slots=True)
class BestSettings:
    """What the runs of a task tell of its best settings.

    Attributes:
        best: How settings are compared.
        leading: The row of the one with the best median; no row if no median is finite.
        candidates: Rows of those that may be the best one, by their medians; none if nothing can be told.
        behind: By how much the mean score of each candidate is worse than that of the leading one, float64; negative
            where it is better. The mean is that which `mean` names.
        tested: Number of settings whose runs were compared, and that with the best medians if not all were.
        surveyed: Number of settings of the task.
        repetitions: Runs of each that were compared.
        paired: Whether these were compared within each repetition.
        in_log: Whether the logarithms of the scores were compared.
        resolved: Difference between two typical settings, chosen beforehand, that so many repetitions find with the
            probability `analysis.statistics.resolution.POWER`; NaN for one repetition.
        needed: Repetitions that would resolve half of it; 0 for one repetition.
        incomplete: Number of settings not compared because they lack a repetition that most have.
        diverged: Number of settings not compared because a run of theirs has no finite score.
        unused: Number of runs not compared because most settings lack their repetition.
    """

    best: Best
    leading: pd.DataFrame
    candidates: pd.DataFrame
    behind: npt.NDArray[np.float64]
    tested: int
    surveyed: int
    repetitions: int
    paired: bool
    in_log: bool
    resolved: float
    needed: int
    incomplete: int
    diverged: int
    unused: int

    @property
    def mean(self) -> str:
        """Name the mean of the runs by which settings are compared; a mean of logarithms is that of a geometric one."""
        return "geometric mean" if self.in_log else "mean"


def best_settings(dataset: str | Path, experiments: pd.DataFrame, best: Best) -> BestSettings:
    """Compare the settings of a task by their runs.

    Those that may be the best are a subset that contains the one with the best mean score with a probability of at
    least `LEVEL`, corrected for comparing it with all others (`analysis.statistics.best_subset`). Losses are compared
    by their logarithms (`analysis.conclusions.scores.as_compared`), and so by geometric means. What is resolved is
    computed from the scores themselves: from the median, over the settings, of the standard deviation of the
    differences from the leading one, or of the runs of a setting if these are not paired.

    Args:
        dataset: Folder of the data set.
        experiments: Rows of its summary, all of one task.
        best: How they are compared.

    Raises:
        InputError: The data set has no table of runs, or lacks a curve.
        ExportError: A file is damaged.
    """
    ordered = experiments.iloc[best.order(experiments)]
    known = where(ordered, np.isfinite(ordered[best.value()].to_numpy(np.float64)))
    scores = read_scores(dataset, known[:MAX_TESTED], best)
    values = scores.values if best.metric.best == "min" else -scores.values
    compared, in_log = as_compared(values, best)
    count, repetitions = values.shape
    can_tell = count > 0 and repetitions > 1
    kept = np.zeros(count, np.bool_)
    if can_tell:
        kept = may_be_least(compared, paired=scores.paired, level=LEVEL, rivals=len(experiments) - 1)
    spread = _spread(values, scores.paired) if can_tell else np.nan
    return BestSettings(
        best=best,
        leading=known[:1],
        candidates=where(scores.experiments, kept),
        behind=_means(compared[kept], in_log) - _means(compared[:1], in_log) if can_tell else np.empty(0),
        tested=count,
        surveyed=len(experiments),
        repetitions=repetitions,
        paired=scores.paired,
        in_log=in_log,
        resolved=resolved(spread, repetitions, paired=scores.paired),
        needed=repetitions_for(0.5, repetitions, paired=scores.paired) if can_tell else 0,
        incomplete=scores.incomplete,
        diverged=scores.diverged + len(experiments) - len(known),
        unused=scores.unused,
    )


def _means(compared: npt.NDArray[np.float64], in_log: bool) -> npt.NDArray[np.float64]:
    """The mean over the runs of each setting, in the unit of the scores; the geometric mean if these are logarithms."""
    return np.exp(compared.mean(1)) if in_log else compared.mean(1)


def _spread(values: npt.NDArray[np.float64], paired: bool) -> float:
    """The standard deviation of a typical comparison with the first setting; NaN if there is no other.

    The median of sample standard deviations is less than what they estimate, for normal scores by a known factor.
    """
    if len(values) < 2:
        return np.nan
    degrees = values.shape[1] - 1
    median = float(np.median(stddev_of_pairs(values, 0) if paired else values.std(1, ddof=1)))
    return median / math.sqrt(float(chdtri(degrees, 0.5)) / degrees)
