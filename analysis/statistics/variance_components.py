"""Functional analysis of variance on a full grid: how much each axis and each pair of axes contributes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]
Term = tuple[int, ...]
"""One axis, or a pair of axes, by their places."""


@dataclass(frozen=True, slots=True)
class Components:
    """Variances that add up to that of one run of one setting, both drawn at random, up to what is cut at 0.

    Attributes:
        terms: Variance of the main effect of each axis, then of the interaction of each pair, without noise.
        higher: Variance of the interactions of three and more axes together, without noise.
        noise: Variance between the runs of a setting; NaN for a single run of each. If paired, without what a
            repetition does to all settings alike.
        repetition: If paired, variance of what a repetition does to all settings alike; else 0. It is not counted.
    """

    terms: dict[Term, float]
    higher: float
    noise: float
    repetition: float

    @property
    def total(self) -> float:
        """The sum of all but `repetition`; without a noise that is not known."""
        return sum(self.terms.values()) + self.higher + (0.0 if math.isnan(self.noise) else self.noise)


def components(scores: npt.ArrayLike, *, paired: bool) -> Components:
    """Decompose the variance of scores on a full grid with equal repetitions.

    The means of the settings are decomposed into the grand mean, main effects, interactions of pairs and the rest
    (functional ANOVA, exact on a full grid: F. Hutter, H. Hoos and K. Leyton-Brown, An efficient approach for assessing
    hyperparameter importance, ICML 2014, equations 4 to 6). The mean of R runs has noise of its own, of variance
    noise / R, of which a term with d degrees of freedom gets d / N on N settings. That is subtracted, which makes the
    estimates those of the classical analysis of variance, d (MS_term - MS_noise) / (N R); one below 0 becomes 0.

    If the runs are paired, a repetition is a block: its main effect, what it does to all settings alike, is taken out
    of the noise, which is then the interaction of repetitions and settings.

    Args:
        scores: Finite scores (levels of axis 1, ..., levels of axis k, R).
        paired: Whether the runs of a repetition belong together.
    """
    values = np.asarray(scores, np.float64)
    *levels, repetitions = values.shape
    count = math.prod(levels)
    noise, repetition = _noise(values.reshape(count, repetitions), paired)
    means = values.mean(-1)
    raw = _raw(means)
    degrees = {term: math.prod(levels[axis] - 1 for axis in term) for term in raw}
    share = 0.0 if math.isnan(noise) else noise / repetitions / count
    terms = {term: max(0.0, variance - degrees[term] * share) for term, variance in raw.items()}
    rest, of_rest = means.var() - sum(raw.values()), count - 1 - sum(degrees.values())
    return Components(terms, max(0.0, float(rest) - of_rest * share) if of_rest else 0.0, noise, repetition)


def _raw(means: _Array) -> dict[Term, float]:
    """Variance of each main effect and of each interaction of a pair, noise included."""
    axes = range(means.ndim)
    grand = means.mean()
    main = {axis: means.mean(tuple(other for other in axes if other != axis)) - grand for axis in axes}
    found: dict[Term, float] = {(axis,): float((effect**2).mean()) for axis, effect in main.items()}
    for one, other in combinations(axes, 2):
        cells = means.mean(tuple(axis for axis in axes if axis not in (one, other))) - grand
        found[one, other] = float(((cells - main[one][:, None] - main[other][None, :]) ** 2).mean())
    return found


def _noise(values: _Array, paired: bool) -> tuple[float, float]:
    """Variance of the noise, and of what a repetition does to all settings; values are (settings, R)."""
    count, repetitions = values.shape
    if repetitions < 2:
        return math.nan, 0.0
    within = values - values.mean(1, keepdims=True)
    if not paired or count < 2:
        return float((within**2).sum() / (count * (repetitions - 1))), 0.0
    alike = within.mean(0)
    noise = float(((within - alike) ** 2).sum() / ((count - 1) * (repetitions - 1)))
    return noise, max(0.0, float((alike**2).sum() / (repetitions - 1)) - noise / count)
