"""Trials on GPUs: the share of a GPU that each gets, and small experiments packed into one trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from survey.plan.bundles import PlannedBundle, in_order
from survey.workloads.cost import step_flops

GPU_FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Fractions of a GPU that a trial can have: few, as Ray reuses an actor only for an equal request."""

MOST_PACKED = 24
"""Experiments of a trial, at most: torch has 32 streams, some of them for other uses."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Which experiments to pack into one trial on a GPU: small ones, each of which leaves most of it idle.

    Attributes:
        size: Experiments of a trial, at most.
        most_flops: Matrix-product operations of a step beyond which experiments are not packed.
        gain: Speed together relative to one after the other.
        num_gpus: Share of a GPU for the trial. The whole is best: where processes take turns on a GPU, packing gains
            nothing (docs/performance.md).
    """

    size: int
    most_flops: float = math.inf
    gain: float = 1.0
    num_gpus: float = 1.0

    def gain_of(self, bundle: PlannedBundle) -> float:
        """Return how much faster a bundle becomes by packing."""
        return self.gain if step_flops(bundle.work) <= self.most_flops else 1.0


def placed(
    bundles: Iterable[PlannedBundle], fraction: Callable[[int], float], packing: Packing | None
) -> list[list[PlannedBundle]]:
    """Pack bundles into trials with their fractions of a GPU, see `Plan.on_gpus`; return the bundles of each trial."""
    trials = []
    for trial in _packed(in_order(bundles), packing, fraction):
        gain, num_gpus = 1.0, fraction(trial[0].bundle_bytes)
        if packing and len(trial) > 1:
            gain, num_gpus = packing.gain, packing.num_gpus
        trials.append(
            [
                each._replace(num_gpus=num_gpus, cost_s=each.cost_s / gain, training_s=each.training_s / gain)
                for each in trial
            ]
        )
    # By fraction first, as actors are reused only for equal fractions.
    trials.sort(key=lambda trial: (-trial[0].num_gpus, -sum(bundle.cost_s for bundle in trial)))
    return trials


def _packed(
    bundles: Iterable[PlannedBundle], packing: Packing | None, fraction: Callable[[int], float]
) -> list[list[PlannedBundle]]:
    """Pack the small bundles, in order; each of the others is a trial of its own."""
    trials: list[list[PlannedBundle]] = []
    begun: list[PlannedBundle] = []
    for bundle in bundles:
        if packing is None or step_flops(bundle.work) > packing.most_flops:
            trials.append([bundle])
        elif begun and len(begun) < packing.size and _have_room(begun, bundle, fraction):
            begun.append(bundle)
        else:
            begun = [bundle]
            trials.append(begun)
    return trials


def _have_room(trial: Sequence[PlannedBundle], bundle: PlannedBundle, fraction: Callable[[int], float]) -> bool:
    """Whether half of a GPU holds the trial with another bundle, or its share is fixed."""
    return fraction(sum(each.bundle_bytes for each in (*trial, bundle))) <= max(0.5, fraction(1))


def fraction_for(bundle_bytes: int, gpu_bytes: int) -> float:
    """The least of `GPU_FRACTIONS` whose share of the GPU's memory holds the bundle and CUDA's own half gibibyte.

    A bundle of 0 bytes, of which nothing is known, gets the whole.
    """
    if not bundle_bytes:
        return 1.0
    needed = (bundle_bytes + (1 << 29)) / gpu_bytes
    return next((fraction for fraction in GPU_FRACTIONS if needed <= fraction), 1.0)
