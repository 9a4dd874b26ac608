"""Student's intervals: of a mean, and of the difference between two means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from survey.errors import InputError

_Array = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with the ends of its interval; the ends are NaN where there is none."""

    estimate: float
    low: float
    high: float


def check_level(level: float) -> None:
    """Check the level of an interval.

    Raises:
        InputError: It is not between 0 and 1.
    """
    if not 0 < level < 1:
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
    return student.ppf((1 + level) / 2, known - 1) * np.asarray(stddev, np.float64) / np.sqrt(known)


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
    errors = np.array([_stddev(values) ** 2 / len(values) for values in samples])
    if errors.sum() == 0:
        return _around(difference, 0.0)
    degrees = errors.sum() ** 2 / sum(
        error**2 / (len(values) - 1) for error, values in zip(errors, samples, strict=True)
    )
    return _around(difference, float(student.ppf((1 + level) / 2, degrees) * np.sqrt(errors.sum())))


def _stddev(values: _Array) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def _around(estimate: float, half: float) -> Interval:
    return Interval(estimate, estimate - half, estimate + half)
