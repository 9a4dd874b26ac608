"""What is recorded: the names of the statistics, quantiles over repetitions, log-spaced epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from survey.errors import InputError

STATISTICS = (
    "loss",
    "accuracy",
    "mean_squared_error",
    "mean_absolute_error",
    "root_mean_squared_error",
    "mean_squared_logarithmic_error",
    "hinge",
    "squared_hinge",
    "cosine_similarity",
    "kullback_leibler_divergence",
)
"""The ten statistics of the training set and of the test set."""

HISTORY_COLUMNS = (*(f"val_{name}" for name in STATISTICS), *STATISTICS)
"""The twenty per-epoch columns of a run: test set (`val_`) first, then training set."""


def quantiles(values: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Quantiles over the first axis by linear interpolation, with non-finite values sorted last.

    Args:
        values: float [repetitions, ...]; NaN and both infinities count as greater than every number.
        probabilities: Each from 0 to 1.

    Returns:
        float64 [probabilities, ...]; infinity where a quantile falls on, or next to, a value that is not finite.
    """
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
