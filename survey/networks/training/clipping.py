"""Clipping of gradients by their norm, of each run by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_EPSILON = 1e-6


class Clipping:
    """Scales a run's gradients down where their norm is above a limit, as `torch.nn.utils.clip_grad_norm_` does.

    With n the root of the sum of all squares of a run's gradients, they are multiplied by min(1, limit / (n + 1e-6)).

    Args:
        blocks: Views of the gradients, [runs, *] each, which keep their memory addresses.
        limit: Norm above which a run's gradients are scaled.
    """

    def __init__(self, blocks: Sequence[Tensor], limit: float) -> None:
        self._blocks, self._limit = [block.flatten(1) for block in blocks], limit

    def apply(self) -> None:
        """Scale the gradients in place; neither order nor number of the runs changes a bit of any."""
        squares = torch.stack([torch.linalg.vector_norm(block, dim=1) for block in self._blocks]).double().square_()
        total = squares[0]
        for each in squares[1:]:  # one by one: a sum over an outer axis may round differently for other numbers of runs
            total += each
        scale = (self._limit / (total.sqrt_() + _EPSILON)).clamp_max_(1.0).to(self._blocks[0].dtype)
        for block in self._blocks:
            block.mul_(scale[:, None])
