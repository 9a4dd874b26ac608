"""What a number of repetitions can tell apart, and how many are needed."""

from __future__ import annotations

import math

from scipy.special import nctdtrinc, stdtrit  # scipy.stats, which has the same, is slow to import

POWER = 0.8
"""Share of surveys in which a difference that is resolved is found."""

LEVEL = 0.95
"""Level of the interval that then leaves zero out."""

_MOST = 100_000
"""Repetitions beyond which there is no use in counting."""


def resolved(stddev: float, repetitions: int, *, paired: bool) -> float:
    """Return the difference between two settings that so many repetitions find with a probability of `POWER`.

    Found means that the interval of the difference, at `LEVEL`, lies on the right side of zero. The settings were
    chosen before their scores were seen. The probability is that of the noncentral t distribution, and so exact for
    normal scores (J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2).

    Args:
        stddev: If paired, standard deviation of the differences between partners; else that of the runs of a setting.
        repetitions: Runs of each of the two settings.
        paired: Whether the runs are paired.

    Returns:
        The difference, in the unit of `stddev`; NaN for fewer than two repetitions.
    """
    return stddev * _standardized(repetitions, paired) if repetitions > 1 else math.nan


def repetitions_for(fraction: float, repetitions: int, *, paired: bool) -> int:
    """Return how many repetitions resolve a fraction of what some resolve.

    Args:
        fraction: Between 0 and 1.
        repetitions: At least 2.
        paired: Whether the runs are paired.
    """
    aim = fraction * _standardized(repetitions, paired)
    low, high = repetitions, 2 * repetitions
    while _standardized(high, paired) > aim and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _standardized(middle, paired) <= aim else (middle, high)
    return high


def _standardized(repetitions: int, paired: bool) -> float:
    """The difference that is resolved where the standard deviation is 1."""
    degrees = repetitions - 1 if paired else 2 * (repetitions - 1)
    error = math.sqrt((1 if paired else 2) / repetitions)
    limit = float(stdtrit(degrees, (1 + LEVEL) / 2))
    return float(nctdtrinc(degrees, 1 - POWER, limit)) * error
