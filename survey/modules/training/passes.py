"""A pass of all runs over some of their rows: where these are gathered, outputs kept, and statistics taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from survey.modules.training.lesson import Lesson
from survey.networks.training.memory import Memory
from survey.networks.training.statistics import means, sum_over_rows

_GATHERED_BYTES = 32 << 20
"""Inputs that are gathered at once, for as many minibatches as fit: a gather for each is slower."""


class Passes:
    """Passes over the rows of a lesson, which use the same memory one after the other."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson, self._memory = lesson, Memory(lesson.inputs)

    def over(self, rows: Tensor, targets: Tensor, size: int, act: Callable[..., object]) -> Tensor:
        """Pass over rows in minibatches, and return the statistics of what is predicted: float64 [10, runs].

        Args:
            rows: [runs, rows], row numbers.
            targets: [runs, outputs, rows].
            size: Rows of a minibatch.
            act: Called for each with its inputs [runs, rows, *shape] and targets [runs, outputs, rows]; it fills scores
                and errors of that shape, as `survey.networks.training.outputs.APPLY` does.
        """
        lesson, sums = self._lesson, []
        runs, outputs, shape = len(rows), lesson.num_outputs, lesson.inputs.shape[1:]
        most = max(1, _GATHERED_BYTES // (runs * size * lesson.inputs[0].nbytes))
        for part, steps in _minibatches(rows.shape[1], size, most):
            by_step = rows[:, part].unflatten(1, (steps, -1)).transpose(0, 1)
            inputs = lesson.inputs.index_select(0, by_step.reshape(-1)).view(*by_step.shape, *shape)
            y = targets[:, :, part].unflatten(2, (steps, -1)).permute(2, 0, 1, 3).contiguous()
            scores, errors = (
                self._memory.zeros(name, steps, runs, outputs, by_step.shape[2]) for name in ("scores", "errors")
            )
            for step in zip(inputs, y, scores, errors, strict=True):
                act(*step)
            sums.append(sum_over_rows(lesson.kind, scores, errors, y, by_step.shape[2]))
        return means(lesson.kind, torch.stack(sums).sum(0), rows.shape[1], outputs)


def _minibatches(num_rows: int, size: int, most: int) -> Iterator[tuple[slice, int]]:
    """Yield slices of rows, and how many equal minibatches each is, at most `most`; the last one may be smaller."""
    full = num_rows // size
    for first in range(0, full, most):
        steps = min(most, full - first)
        yield slice(first * size, (first + steps) * size), steps
    if num_rows % size:
        yield slice(full * size, num_rows), 1
