"""Dropout of hidden layers, from a random stream of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from survey.networks.training.memory import Memory
from survey.networks.training.streams import Words


class Dropout:
    """The masks of one minibatch, for all runs of a chunk (Srivastava et al., JMLR 2014).

    A unit is dropped with a probability of `rate`, rounded to a multiple of 2^-16, in each row by itself; those that
    are kept are divided by the probability of that. Each decision takes 16 bits of the stream of `Words`, in the order
    of layers, units and rows, padding included. So it depends on the run's key and the step alone.

    Attributes:
        masks: [runs, width, rows] for each hidden layer, what its outputs are multiplied by: 0, or 1 / (1 - rate).
    """

    def __init__(self, rate: float, widths: Sequence[int], num_runs: int, rows: int, memory: Memory) -> None:
        count = sum(widths) * rows
        dropped = round(rate * (1 << 16))
        self._threshold, self._scale = dropped - (1 << 15), (1 << 16) / ((1 << 16) - dropped)
        words, mixed = (memory.zeros(name, num_runs, count // 4, dtype=torch.int64) for name in ("words", "mixed"))
        self._words = Words(words, mixed)
        self._bits = words.view(torch.int16)  # [runs, count]
        self._all = memory.zeros("masks", num_runs, count)
        parts = self._all.split([width * rows for width in widths], dim=1)
        self.masks = [part.view(num_runs, width, rows) for part, width in zip(parts, widths, strict=True)]

    def draw(self, keys: Tensor, step: int) -> None:
        """Draw the masks of a step.

        Args:
            keys: int64 [runs], those of `streams.dropout_keys` for the epoch, on the device.
            step: Number of the step in the epoch, from 0.
        """
        self._words.draw(keys, step)
        torch.ge(self._bits, self._threshold, out=self._all).mul_(self._scale)
