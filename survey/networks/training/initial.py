"""The statistics of runs before training: epoch 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from survey.networks.metrics import INITIAL_COLUMNS


def initial_statistics(make_trainer: Callable[..., Any], seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Evaluate the networks that runs start from.

    They are drawn anew, as they depend on seed and experiment alone: so it does not matter whether the runs are trained
    by now, or go on from a checkpoint. One run at a time, to need little memory beside those.

    Args:
        make_trainer: Makes the trainer of an experiment, of whichever core, by the keyword `seeds`.
        seeds: Seeds of the runs.

    Returns:
        float32 [runs] by the names of `INITIAL_COLUMNS`; those of a validation set only where there is one.
    """
    found = torch.cat([make_trainer(seeds=[seed]).evaluate() for seed in seeds], dim=1)
    return dict(zip(INITIAL_COLUMNS, found.float().numpy(), strict=False))
