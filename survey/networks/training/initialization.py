"""Initial weights of dense layers, from uniform draws: the initializers of Keras.

    glorot_uniform   uniform in +-sqrt(6 / (fan_in + fan_out))        Glorot and Bengio, AISTATS 2010; as published
    glorot_normal    normal, variance 2 / (fan_in + fan_out)          the same
    he_uniform       uniform in +-sqrt(6 / fan_in)                    He et al., ICCV 2015
    he_normal        normal, variance 2 / fan_in                      the same
    lecun_normal     normal, variance 1 / fan_in                      LeCun et al., 1998

The normal ones are truncated at two standard deviations of what they are cut from, which is so much wider that the
variance is that of the table after the cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_STANDARD_DEVIATION = 0.87962566103423978
"""That of a standard normal distribution that is truncated at -2 and 2, as Keras writes it."""


def _uniform(draws: Tensor, variance: float) -> Tensor:
    return (2.0 * draws - 1.0) * math.sqrt(3.0 * variance)


def _normal(draws: Tensor, variance: float) -> Tensor:
    """By the inverse of the distribution function between -2 and 2."""
    least, most = (0.5 * math.erfc(-bound / math.sqrt(2.0)) for bound in (-2.0, 2.0))
    return torch.special.ndtri(least + draws * (most - least)) * (math.sqrt(variance) / _STANDARD_DEVIATION)


INITIALIZATIONS: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "glorot_uniform": lambda draws, fan_in, fan_out: (2.0 * draws - 1.0) * math.sqrt(6.0 / (fan_in + fan_out)),
    "glorot_normal": lambda draws, fan_in, fan_out: _normal(draws, 2.0 / (fan_in + fan_out)),
    "he_uniform": lambda draws, fan_in, _: _uniform(draws, 2.0 / fan_in),
    "he_normal": lambda draws, fan_in, _: _normal(draws, 2.0 / fan_in),
    "lecun_normal": lambda draws, fan_in, _: _normal(draws, 1.0 / fan_in),
}
"""By name: weights, float64 [n], from uniform draws in (0, 1), float64 [n], with fan_in and fan_out of the layer."""
