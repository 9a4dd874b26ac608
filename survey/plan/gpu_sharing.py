"""Trials on GPUs: the share of one that each has, and small experiments that are packed into one trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from survey.plan.bundles import PlannedBundle, in_order

GPU_FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Fractions of a GPU that a trial can have: few, as an actor is used again only for the same request."""

MOST_PACKED = 24
"""Experiments of a trial, at most: torch has 32 streams, some of which serve other ends."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Which experiments are packed into one trial on a GPU: small ones, each of which leaves most of it idle.

    Attributes:
        size: Experiments of a trial, at most.
        most_flops: Operations of all matrix products of a step beyond which experiments stay alone.
        gain: How many times as fast they are together as one after the other.
        num_gpus: Share of a GPU that they have together. Of the whole one they make the most: where processes take
            turns on it, they gain nothing from being packed (docs/performance.md).
    """

    size: int
    most_flops: float = math.inf
    gain: float = 1.0
    num_gpus: float = 1.0


def placed(
    bundles: Iterable[PlannedBundle], fraction: Callable[[int], float], packing: Packing | None
) -> list[list[PlannedBundle]]:
    """Pack bundles into trials and give each its fraction of a GPU, see `Plan.on_gpus`: the bundles of each trial."""
    trials = []
    for trial in _packed(in_order(bundles), packing, fraction):
        gain, num_gpus = 1.0, fraction(trial[0].bundle_bytes)
        if packing and len(trial) > 1:
            gain, num_gpus = packing.gain, packing.num_gpus
        trials.append(
            [
                replace(each, num_gpus=num_gpus, cost_s=each.cost_s / gain, training_s=each.training_s / gain)
                for each in trial
            ]
        )
    # By fraction first, as actors are used again only for the same.
    trials.sort(key=lambda trial: (-trial[0].num_gpus, -sum(bundle.cost_s for bundle in trial)))
    return trials


def _packed(
    bundles: Iterable[PlannedBundle], packing: Packing | None, fraction: Callable[[int], float]
) -> list[list[PlannedBundle]]:
    """Pack those that may be, in their order; each that may not is alone."""
    trials: list[list[PlannedBundle]] = []
    begun: list[PlannedBundle] = []
    for bundle in bundles:
        if packing is None or bundle.work.flops / bundle.work.steps > packing.most_flops:
            trials.append([bundle])
        elif begun and len(begun) < packing.size and _have_room(begun, bundle, fraction):
            begun.append(bundle)
        else:
            begun = [bundle]
            trials.append(begun)
    return trials


def _have_room(trial: Sequence[PlannedBundle], bundle: PlannedBundle, fraction: Callable[[int], float]) -> bool:
    """Whether half of a GPU holds a trial with another bundle, or it has a fixed share whatever it takes."""
    return fraction(sum(each.bundle_bytes for each in (*trial, bundle))) <= max(0.5, fraction(0))


def fraction_for(bundle_bytes: int, gpu_bytes: int) -> float:
    """The least of `GPU_FRACTIONS` whose share of the card's memory holds the bundle and CUDA's own half gibibyte."""
    needed = (bundle_bytes + (1 << 29)) / gpu_bytes
    return next((fraction for fraction in GPU_FRACTIONS if needed <= fraction), 1.0)
