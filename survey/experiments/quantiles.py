"""Statistics over repetitions, as the published summaries define them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
