"""Which fits the data determine: only these are shown, with intervals from the repetitions.

A curve through as many points as it has parameters fits whatever the points are. And a least-squares fit always has
parameters, also where many others fit as well: then one of them lies at its bound, or anywhere, depending on the
repetitions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.fits.fits import Bootstrap, Fits
from analysis.fits.landmarks import LANDMARKS

LEVEL = 0.95
"""Level of the intervals."""

_POSITIVE = {"minimizing_epoch": (), "minimum_loss": ("c", "p", "s0"), "descent_slope": ("l",)}
"""Parameters that are zero or more."""

_ZERO = 1e-6
"""What is less is a parameter at its bound."""

_WIDEST = 10.0
"""Ratio of the ends of an interval from which a parameter counts as not determined: even its magnitude is unknown."""

_MOST_WITHOUT = 0.05
"""Share of the resamples without a fit from which on the fit to all repetitions is an accident."""

TOO_FEW = "there are too few points"
SOMETIMES_TOO_FEW = "other repetitions would often leave too few points"
IMPOSSIBLE = "it would rise where it has to fall"
UNDETERMINED = "the data do not determine its parameters"


def doubts_of_fits(fits: Fits) -> dict[str, str]:
    """Say why fits are not to be trusted, before any resampling.

    Returns:
        For each landmark of which this is known, the reason: `TOO_FEW`, `UNDETERMINED` or `IMPOSSIBLE`.
    """
    found = {}
    for relation in LANDMARKS:
        values = getattr(fits, relation)
        if np.isnan(values).any():
            found[relation] = TOO_FEW
        elif any(getattr(values, name) < _ZERO for name in _POSITIVE[relation]):
            found[relation] = UNDETERMINED
        elif relation == "descent_slope" and fits.descent_slope.a0 > 0:
            found[relation] = IMPOSSIBLE
    return found


def doubts_of_samples(drawn: Bootstrap, intervals: pd.DataFrame) -> dict[str, str]:
    """Say why fits are not to be trusted, from those to the resamples.

    Args:
        drawn: The fits, and those to the resamples.
        intervals: `drawn.parameters(LEVEL)`.
    """
    found = {}
    table = intervals.set_index(["relation", "parameter"])
    for relation in LANDMARKS:
        without = np.mean([np.isnan(getattr(sample, relation)).any() for sample in drawn.samples])
        rows = table.loc[relation]
        positive = rows.loc[list(_POSITIVE[relation])]
        is_wide = (positive["low"] < _ZERO) | (positive["high"] > _WIDEST * positive["low"])
        is_outside = (rows["estimate"] < rows["low"]) | (rows["estimate"] > rows["high"])
        if without > _MOST_WITHOUT:
            found[relation] = SOMETIMES_TOO_FEW
        elif is_wide.any() or is_outside.any():
            found[relation] = UNDETERMINED
    return found
