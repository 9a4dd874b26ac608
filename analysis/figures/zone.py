"""The butter zone: where, over size and epoch, the test loss of a task is near its minimum.

Source: Tripp et al., "The BUTTER Zone" (2022), figure 1 and its notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.figures.panels import Panel
from analysis.reading.curves import curve_matrix, num_epochs

CAP = 2.0
"""Ratio to the minimum beyond which all losses look the same in the published figures."""

_CAPS = (CAP, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
_BEYOND = 0.25
"""Most of a map that may be beyond the cap, so that its structure is seen."""


_ROUNDING = 1e-5
"""Of logarithms of statistics in float32, and of their standard deviations over repetitions."""


@dataclass(frozen=True, slots=True)
class MinMax:
    """Scaling of values between `low` and `high` to 0 .. 1; 1 where the two are equal."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[npt.NDArray[np.float64]]) -> MinMax:
        """Take the limits from the finite values of some arrays; 0 and 0 if there are none.

        The values are logarithms of recorded statistics. Limits that differ by no more than those statistics' rounding
        are equal, so that rounding is not drawn as a landscape.
        """
        finite = np.concatenate([np.zeros(0), *(value[np.isfinite(value)] for value in values)])
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        return cls(low, high if high - low > _ROUNDING else low)

    def __call__(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scale an array; NaN stays NaN."""
        array = np.asarray(values, dtype=np.float64)
        return (array - self.low) / (self.high - self.low) if self.high > self.low else array * 0.0 + 1.0


@dataclass(frozen=True, slots=True)
class Minimum:
    """The least median test loss of some experiments.

    Attributes:
        value: The loss.
        num_free_parameters: Trainable parameters of its experiment.
        epoch: Its epoch, counted from 1.
        title: Title of its panel.
    """

    value: float
    num_free_parameters: int
    epoch: int
    title: str


def least(panels: Sequence[Panel], statistic: str = "test_loss_median") -> Minimum | None:
    """Find the least finite value of a curve; the earliest panel, smallest network and first epoch win a tie.

    Returns:
        The minimum, or None if no value is finite.
    """
    best: Minimum | None = None
    for panel in panels:
        values = all_epochs(panel.frame, statistic)
        if not np.isfinite(values).any():
            continue
        row, column = np.unravel_index(np.nanargmin(values), values.shape)
        value = float(values[row, column])
        if best is None or value < best.value:
            parameters = int(panel.frame["num_free_parameters"].iloc[int(row)])
            best = Minimum(value, parameters, int(column) + 1, panel.title)
    return best


def relative_loss(loss: npt.ArrayLike, minimum: float, maximum: float) -> npt.NDArray[np.float64]:
    """Relate losses to the minimum: the ratio; NaN stays NaN.

    With a minimum of zero or less, ratios mean nothing: the scale is linear, 1 at the minimum, `CAP` at the maximum.
    """
    values = np.asarray(loss, dtype=np.float64)
    if minimum > 0:
        return values / minimum
    return 1.0 + (values - minimum) / (maximum - minimum) if maximum > minimum else values * 0.0 + 1.0


def cap_of(ratios: Sequence[npt.NDArray[np.float64]]) -> float:
    """Return the ratio beyond which all losses look the same: `CAP` unless more than a quarter is beyond it."""
    finite = np.concatenate([np.empty(0), *(each[np.isfinite(each)] for each in ratios)])
    return next((cap for cap in _CAPS if np.count_nonzero(finite > cap) <= _BEYOND * finite.size), _CAPS[-1])


def zone_value(ratio: npt.ArrayLike, cap: float = CAP) -> npt.NDArray[np.float64]:
    """Compute -log10(min(cap, ratio) - 0.9): 1 at the minimum, -0.04 at twice its loss. The published cap is `CAP`."""
    return -np.log10(np.minimum(cap, np.asarray(ratio, dtype=np.float64)) - 0.9)


def variation(stddev: npt.ArrayLike, avg: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute the coefficient of variation over repetitions, stddev / avg; NaN where avg is not positive."""
    mean = np.asarray(avg, dtype=np.float64)
    return np.asarray(stddev, dtype=np.float64) / np.where(mean > 0, mean, np.nan)


def variation_value(coefficient: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute the natural logarithm of 1 + 10 coefficient: 0 where the repetitions agree."""
    return np.log1p(10 * np.asarray(coefficient, dtype=np.float64))


def all_epochs(frame: pd.DataFrame, statistic: str) -> npt.NDArray[np.float64]:
    """Gather the curves of n experiments at all epochs, (n, epochs); NaN where there is no finite value."""
    return curve_matrix(frame[statistic], np.arange(1, num_epochs(frame[statistic]) + 1))
