"""The statistics of runs before training: epoch 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from survey.networks.metrics import INITIAL_COLUMNS


class Evaluated(Protocol):
    """Networks, or modules, whose statistics can be taken without training."""

    def evaluate(self) -> Tensor:
        """Return the statistics of all sets, [20, runs], or [30, runs] with a validation set."""
        ...


def initial_statistics(make: Callable[..., Evaluated], seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Evaluate what runs start from.

    They are drawn anew, as they depend on seed and experiment alone: so it does not matter whether the runs are trained
    by now, or go on from a checkpoint. One run at a time, to need little memory beside those.

    Args:
        make: Makes some runs of an experiment, by the keyword `seeds`.
        seeds: Seeds of the runs.

    Returns:
        float32 [runs] by the names of `INITIAL_COLUMNS`; those of a validation set only where there is one.
    """
    found = torch.cat([make(seeds=[seed]).evaluate().cpu() for seed in seeds], dim=1)
    return dict(zip(INITIAL_COLUMNS, found.float().numpy(), strict=False))
