"""Which of many settings may be the best one: subset selection, as in ranking and selection."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit  # scipy.stats, which has the same, is slow to import

_Array = npt.NDArray[np.float64]


def may_be_least(
    scores: npt.ArrayLike, *, paired: bool, level: float, rivals: int | None = None
) -> npt.NDArray[np.bool_]:
    """Select a subset of settings that contains the one with the least mean.

    Setting i stays unless some setting j is better by more than W_ij = t s_ij / sqrt(R). The one with the least mean
    leaves only if at least one of its comparisons errs, and each of them does so with a probability that is small
    enough for all: so the subset contains it with a probability of at least `level`, if scores are normal. Variances
    may differ.

    - Paired: s_ij is the standard deviation of the differences, and t the quantile at 1 - (1 - level) / rivals, with
      R - 1 degrees of freedom: G. M. Clark and W. Yang, A Bonferroni selection procedure when using common random
      numbers with unknown variances, Winter Simulation Conference 1986, 313-315.
    - Unpaired: s_ij^2 = s_i^2 + s_j^2, and t the quantile at level^(1 / rivals): B. L. Nelson, J. Swann, D. Goldsman
      and W. Song, Simple procedures for selecting the best simulated system when the number of alternatives is large,
      Operations Research 49 (2001) 950-963.

    Args:
        scores: Finite scores (settings, R) of which less is better; a column is a repetition. R is at least 2.
        paired: Whether the runs of a repetition belong together.
        level: Probability with which the best one is in the subset, at least.
        rivals: Number of others that each setting is compared with, if that is more than those given: where only the
            best of many are, chosen by the same scores.

    Returns:
        Whether each setting is in the subset, (settings,). At least one is.
    """
    values = np.asarray(scores, np.float64)
    count, repetitions = values.shape
    comparisons = max(count - 1 if rivals is None else rivals, 1)
    probability = 1 - (1 - level) / comparisons if paired else level ** (1 / comparisons)
    limit = float(stdtrit(repetitions - 1, probability))
    kept = np.ones(count, np.bool_)
    for place in range(count):
        lead = values[place].mean() - values.mean(1)
        kept[place] = not (lead > limit * _errors(values, place, paired)).any()
    return kept


def stddev_of_pairs(scores: npt.ArrayLike, place: int) -> _Array:
    """Return the standard deviation of the differences between the runs of one setting and those of each other one.

    Args:
        scores: Finite scores (settings, R); a column is a repetition.
        place: The row of the one setting.

    Returns:
        float64 (settings - 1,).
    """
    values = np.asarray(scores, np.float64)
    return np.delete(values - values[place], place, axis=0).std(1, ddof=1)


def _errors(values: _Array, place: int, paired: bool) -> _Array:
    """Standard errors of the differences between the means of one setting and of each one."""
    if paired:
        return (values - values[place]).std(1, ddof=1) / np.sqrt(values.shape[1])
    variances = values.var(1, ddof=1)
    return np.sqrt((variances + variances[place]) / values.shape[1])
