"""Schedules: the factor that multiplies the learning rate at each update."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Schedule:
    """A learning rate that changes from update to update, as `torch.optim.lr_scheduler` has it if stepped at each.

    With T updates in all, W of them in the warm-up, and u an update, from 0, the learning rate is multiplied by

        warm-up    (u + 1) / W, while u < W: `LinearLR(start_factor=1 / W, total_iters=W - 1)`

    and from then on, with t = (u - W) / (T - W), by

        constant   1
        cosine     (1 + cos(pi t)) / 2: `CosineAnnealingLR(T_max=T - W)` (Loshchilov and Hutter, ICLR 2017)
        linear     1 - t: `LinearLR(start_factor=1, end_factor=0, total_iters=T - W)`
        step       step_factor^k after every k x step_epochs epochs: `StepLR`

    Attributes:
        kind: One of these four.
        epochs: Epochs of the whole training, warm-up included.
        warmup_epochs: Epochs of the warm-up; fewer than all.
        step_epochs: For `step`, epochs from one change to the next.
        step_factor: For `step`, what each change multiplies the learning rate by.
    """

    kind: str = "constant"
    epochs: int = 1
    warmup_epochs: int = 0
    step_epochs: int = 0
    step_factor: float = 1.0

    @property
    def is_constant(self) -> bool:
        """Whether the learning rate never changes."""
        return self.kind == "constant" and not self.warmup_epochs

    def factors(self, first: int, num_updates: int) -> Tensor:
        """Return the factors of an epoch, float64 [num_updates] on the CPU.

        Args:
            first: Updates before this epoch.
            num_updates: Updates of each epoch.
        """
        if self.is_constant:  # in one operation rather than in ten
            return torch.ones(num_updates, dtype=torch.float64)
        warmup, total = self.warmup_epochs * num_updates, self.epochs * num_updates
        update = torch.arange(first, first + num_updates, dtype=torch.float64)
        after = update - warmup
        if self.kind == "cosine":
            found = (1.0 + torch.cos(math.pi * after / (total - warmup))) / 2.0
        elif self.kind == "linear":
            found = 1.0 - after / (total - warmup)
        elif self.kind == "step":
            found = self.step_factor ** torch.floor(after / (self.step_epochs * num_updates))
        else:
            found = torch.ones(num_updates, dtype=torch.float64)
        return torch.where(after < 0, (update + 1.0) / max(1, warmup), found)
