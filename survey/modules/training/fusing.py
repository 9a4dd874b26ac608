"""Whether the runs of a module are trained as one: only where that gives the same numbers, and takes less time.

`torch.vmap` refuses some layers (LSTM, GRU) and control flow that depends on the data. What it takes may still differ:
a buffer that is assigned anew, and not changed in place, is lost without an error. So before the first epoch, a short
one is trained both ways and compared.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from survey.modules.training.lesson import Lesson
from survey.modules.training.runs import Runs
from survey.networks.metrics import STATISTICS

_TOLERANCE = 1e-4
"""Relative difference that rounding can make in some steps."""

_REASONS = {
    "random operation": "it draws random numbers by other means than nn.Dropout",
    "data-dependent control flow": "its control flow depends on the data",
    ".item()": "it takes numbers out of tensors (.item())",
}
"""What the messages of `torch.vmap` mean, by a part of them."""

_STEPS = 3
_COMPARED_RUNS = 3
_TRIALS = 3

_CLIPPED = STATISTICS.index("accuracy")
"""A statistic that jumps where two outputs are equal but for rounding; the outputs themselves are compared too."""


@dataclass(frozen=True)
class Decision:
    """Whether the runs of an experiment are trained as one, and if not, why.

    Attributes:
        is_fused: Whether they are.
        reason: Why not; empty if they are.
    """

    is_fused: bool
    reason: str = ""

    def __str__(self) -> str:
        return "yes" if self.is_fused else f"no: {self.reason}"


def decide(lesson: Lesson, seeds: Sequence[int]) -> Decision:
    """Train a short epoch both ways, compare all numbers, and measure which way takes less time.

    Raises:
        torch.OutOfMemoryError, RuntimeError, MemoryError: They do not fit into memory together.
    """
    if len(seeds) == 1:
        return Decision(False, "a single run")
    short = lesson.shorter(-(-_STEPS * lesson.experiment.batch_size * 5 // 4))
    if problem := disagreement(short, seeds[:_COMPARED_RUNS]):
        return Decision(False, problem)
    fused, alone = (_seconds(short, seeds, is_fused=is_fused) for is_fused in (True, False))
    return Decision(True) if fused < alone else Decision(False, "one by one is measured to be faster")


def disagreement(lesson: Lesson, seeds: Sequence[int]) -> str:
    """Say in what the runs would differ if they were trained as one; an empty text if in nothing."""
    # Steps of Adam blow rounding up where a gradient is zero but for rounding; whose gradients agree, those of SGD do.
    plain = replace(
        lesson.experiment, optimizer="SGD", momentum=0.0, learning_rate=0.01, schedule="constant", train_fraction=1.0
    )
    lesson = replace(lesson, experiment=plain)
    alone = dict(_numbers(lesson, seeds, is_fused=False))
    try:
        for name, values in _numbers(lesson, seeds, is_fused=True):
            if not _agree(values, alone[name]):
                return f"{name} would differ from those of runs trained alone"
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of code that is not ours, or of what vmap cannot do
        if "DefaultCPUAllocator" in str(error):
            raise
        return _why(error)
    return ""


def _numbers(lesson: Lesson, seeds: Sequence[int], *, is_fused: bool) -> Iterator[tuple[str, Tensor]]:
    """All numbers of a short epoch, by what they are."""
    runs = Runs(lesson, seeds, is_fused=is_fused)
    yield "outputs in training", runs.outputs(is_training=True)
    statistics = runs.train_epoch(1)
    yield "buffers", torch.cat([torch.zeros(1), *(each.flatten().float() for each in runs.forward.buffers().values())])
    yield "parameters", runs.parameters.flat
    yield "outputs in evaluation", runs.outputs(is_training=False)
    yield "statistics", torch.stack([each for k, each in enumerate(statistics) if k % len(STATISTICS) != _CLIPPED])


def _agree(some: Tensor, others: Tensor) -> bool:
    scale = float(others.nan_to_num(0.0, 0.0, 0.0).abs().max())
    return torch.allclose(some, others, rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True)


def _seconds(lesson: Lesson, seeds: Sequence[int], *, is_fused: bool) -> float:
    """The least time that a short epoch takes: on a CPU, of the processor, as others may use it too."""
    runs, found = Runs(lesson, seeds, is_fused=is_fused), []
    clock = time.thread_time if lesson.inputs.device.type == "cpu" else time.perf_counter
    for epoch in range(1, _TRIALS + 2):
        began = clock()
        runs.train_epoch(epoch).cpu()
        found.append(clock() - began)
    return min(found[1:])  # the first one takes longer


def _why(error: Exception) -> str:
    """Say what `torch.vmap` cannot do; its own message where that is another one."""
    text = " ".join(str(error).split())
    for part, reason in _REASONS.items():
        if part in text:
            return reason
    operator = re.search(r"aten::([\w.]*\w)", text)
    what = f"{operator[1]}" if operator else f"it: {type(error).__name__}: {text[:200]}"
    return f"torch.vmap cannot take {what}"
