"""Epochs that stand for all of a long training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from survey.errors import InputError


def log_spaced_epochs(num_epochs: int, count: int = 100) -> npt.NDArray[np.int64]:
    """Choose epochs whose logarithms are evenly spaced, as the published contour maps do.

    Args:
        num_epochs: Last epoch, at least 1.
        count: Number of epochs before equal ones are joined, at least 2.

    Returns:
        Distinct epochs in increasing order from 1 to `num_epochs`, at most `count` of them.

    Raises:
        InputError: A number is below its minimum.
    """
    if num_epochs < 1 or count < 2:
        raise InputError(f"num_epochs {num_epochs} and count {count}: at least 1 and 2 are needed")
    return np.unique(np.rint(np.geomspace(1, num_epochs, count)).astype(np.int64))
