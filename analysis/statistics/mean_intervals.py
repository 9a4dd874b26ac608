"""Student's intervals: of a mean, and of the difference between two means."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit  # scipy.stats, which has the same, is slow to import

from survey.errors import InputError

_Array = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with the ends of its interval; the ends are NaN where there is none."""

    estimate: float
    low: float
    high: float


def check_level(level: Any) -> None:
    """Check the level of an interval.

    Raises:
        InputError: It is no number between 0 and 1.
    """
    if not isinstance(level, Real) or not 0 < float(level) < 1:
        raise InputError(f"level is {level!r}; expected a number between 0 and 1, such as 0.95")


def half_width(stddev: npt.ArrayLike, count: npt.ArrayLike, level: float) -> _Array:
    """Return half the width of Student's interval of a mean.

    Args:
        stddev: Standard deviation of a sample, of any shape.
        count: Number of values in each sample, of the same shape or one for all.
        level: Probability that the interval contains the mean of what the values were drawn from, if that is normal.

    Returns:
        float64 of that shape; NaN where there are fewer than two values.
    """
    counts = np.asarray(count, np.float64)
    known = np.where(counts > 1, counts, np.nan)
    return stdtrit(known - 1, (1 + level) / 2) * np.asarray(stddev, np.float64) / np.sqrt(known)


def paired_interval(a: npt.ArrayLike, b: npt.ArrayLike, level: float) -> Interval:
    """Estimate mean(b) - mean(a) of values that belong together: a t interval of the mean of their differences.

    Args:
        a: n finite values.
        b: Their n partners, in the same order.
        level: Level of the interval.
    """
    differences = np.asarray(b, np.float64) - np.asarray(a, np.float64)
    return _around(float(differences.mean()), float(half_width(_stddev(differences), len(differences), level)))


def unpaired_interval(a: npt.ArrayLike, b: npt.ArrayLike, level: float) -> Interval:
    """Estimate mean(b) - mean(a) of values that do not belong together, with Welch's interval.

    The variances may differ: B. L. Welch, Biometrika 34 (1947) 28-35.

    Args:
        a: Finite values.
        b: Finite values, not necessarily as many.
        level: Level of the interval.
    """
    samples = [np.asarray(values, np.float64) for values in (a, b)]
    difference = float(samples[1].mean() - samples[0].mean())
    spreads, counts = [_stddev(values) for values in samples], [len(values) for values in samples]
    return _around(difference, float(welch_half_width((spreads[0], spreads[1]), (counts[0], counts[1]), level)))


def welch_half_width(
    stddevs: tuple[npt.ArrayLike, npt.ArrayLike], counts: tuple[npt.ArrayLike, npt.ArrayLike], level: float
) -> _Array:
    """Return half the width of Welch's interval of the difference between two means.

    Args:
        stddevs: Standard deviations of the two samples, of any shapes that broadcast.
        counts: Numbers of their values, likewise.
        level: Level of the interval.

    Returns:
        float64 of the common shape; NaN where a sample has fewer than two values, 0 where neither varies.
    """
    numbers = [np.asarray(count, np.float64) for count in counts]
    errors = [np.asarray(stddev, np.float64) ** 2 / number for stddev, number in zip(stddevs, numbers, strict=True)]
    total = errors[0] + errors[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = total**2 / sum(error**2 / (number - 1) for error, number in zip(errors, numbers, strict=True))
        half = stdtrit(degrees, (1 + level) / 2) * np.sqrt(total)
    return np.where(total == 0, 0.0, half)


def _stddev(values: _Array) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def _around(estimate: float, half: float) -> Interval:
    return Interval(estimate, estimate - half, estimate + half)
