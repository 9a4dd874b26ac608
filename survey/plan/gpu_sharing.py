"""Trials on GPUs: the share of one that each has, and small experiments that are joined to one trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from survey.plan.trials import PlannedTrial, in_order

GPU_FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Fractions of a GPU that a trial can have: few, as an actor is used again only for the same request."""

MOST_JOINED = 24
"""Experiments of a trial, at most: torch has 32 streams, some of which serve other ends."""


@dataclass(frozen=True, slots=True)
class Joining:
    """Which experiments are joined to one trial on a GPU: small ones, each of which leaves most of it idle.

    Attributes:
        size: Experiments of a trial, at most.
        most_flops: Operations of all matrix products of a step beyond which experiments stay alone.
        gain: How many times as fast they are together as one after the other.
        num_gpus: Share of a GPU that they have together. Of the whole one they make the most: where processes take
            turns on it, they gain nothing from standing side by side (docs/performance.md).
    """

    size: int
    most_flops: float = math.inf
    gain: float = 1.0
    num_gpus: float = 1.0


def placed(
    trials: Iterable[PlannedTrial], fraction: Callable[[int], float], joining: Joining | None
) -> list[list[PlannedTrial]]:
    """Join trials and give each its fraction of a GPU, see `Plan.on_gpus`; what is joined is a list of several."""
    groups = []
    for group in _joined(in_order(trials), joining, fraction):
        gain, num_gpus = 1.0, fraction(group[0].bundle_bytes)
        if joining and len(group) > 1:
            gain, num_gpus = joining.gain, joining.num_gpus
        groups.append(
            [
                replace(each, num_gpus=num_gpus, cost_s=each.cost_s / gain, training_s=each.training_s / gain)
                for each in group
            ]
        )
    # By fraction first, as actors are used again only for the same.
    groups.sort(key=lambda group: (-group[0].num_gpus, -sum(trial.cost_s for trial in group)))
    return groups


def _joined(
    trials: Iterable[PlannedTrial], joining: Joining | None, fraction: Callable[[int], float]
) -> list[list[PlannedTrial]]:
    """Join those that may be, in their order; each that may not is alone."""
    groups: list[list[PlannedTrial]] = []
    begun: list[PlannedTrial] = []
    for trial in trials:
        if joining is None or trial.work.flops / trial.work.steps > joining.most_flops:
            groups.append([trial])
        elif begun and len(begun) < joining.size and _have_room(begun, trial, fraction):
            begun.append(trial)
        else:
            begun = [trial]
            groups.append(begun)
    return groups


def _have_room(group: Sequence[PlannedTrial], trial: PlannedTrial, fraction: Callable[[int], float]) -> bool:
    """Whether half of a GPU holds a group with another trial, or it has a fixed share whatever it takes."""
    return fraction(sum(each.bundle_bytes for each in (*group, trial))) <= max(0.5, fraction(0))


def fraction_for(bundle_bytes: int, gpu_bytes: int) -> float:
    """The least of `GPU_FRACTIONS` whose share of the card's memory holds the bundle and CUDA's own half gibibyte."""
    needed = (bundle_bytes + (1 << 29)) / gpu_bytes
    return next((fraction for fraction in GPU_FRACTIONS if needed <= fraction), 1.0)
