"""Which trials the cores of a machine train beside its GPUs: so that the whole ends soonest."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from survey.plan.bundles import PlannedBundle, in_order
from survey.workloads.cost import CostModel

_HALVINGS = 40
"""Steps in which the time of the whole is found; each halves what it may be off by."""

Trial = list[PlannedBundle]


@dataclass(frozen=True, slots=True)
class Places:
    """Where trials train at the same time.

    Attributes:
        num_cpus: Cores. Each trial has one, on a GPU too.
        num_gpus: GPUs.
    """

    num_cpus: int
    num_gpus: float

    def num_shares(self, fraction: float) -> int:
        """Return how many trials have such a fraction of a GPU at a time."""
        return min(self.num_cpus, int(self.num_gpus / fraction + 1e-9))

    def on_cores(self, trials: Sequence[Sequence[PlannedBundle]]) -> int:
        """Return how many cores are left beside trials on GPUs, as if all had as small a share as any of them."""
        least = min((trial[0].num_gpus for trial in trials), default=0.0)
        return self.num_cpus - (min(self.num_shares(least), len(trials)) if least else 0)


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores beside GPUs.

    Attributes:
        places: Where trials train.
        model: What training on a core costs.
        can_train: Whether a core can train a bundle.
    """

    places: Places
    model: CostModel
    can_train: Callable[[PlannedBundle], bool]

    def cost(self, bundle: PlannedBundle) -> PlannedBundle:
        """Return a bundle as it is on a core."""
        runs = len(bundle.repetitions)
        work = bundle.needs.work(runs)
        cost_s, training_s = self.model.bundle_s(work, epochs=bundle.num_epochs, runs=runs)
        return bundle._replace(work=work, cost_s=cost_s, training_s=training_s, num_gpus=0.0)


def divided(
    bundles: Sequence[PlannedBundle], gain: Callable[[PlannedBundle], float], cores: Cores, num_cores: int
) -> tuple[Trial, Trial]:
    """Divide bundles between GPUs and cores.

    Those come to the cores first for which a core is slowest by the least factor. The shortest time is found in which
    both kinds are done: it is no shorter than any trial, and the bundles of the GPUs take turns.

    Args:
        bundles: The bundles, with what each costs alone on a GPU.
        gain: Returns how much faster one becomes by packing.
        cores: The cores.
        num_cores: How many of them train.

    Returns:
        The bundles of the GPUs, and those of the cores, with what they cost there.
    """
    on_cores = [cores.cost(bundle) if cores.can_train(bundle) else None for bundle in bundles]
    gpu_s = np.array([bundle.cost_s / gain(bundle) for bundle in bundles])
    core_s = np.array([bundle.cost_s if bundle else np.inf for bundle in on_cores])
    order = np.argsort(core_s / gpu_s, kind="stable")
    gpu_s, core_s = gpu_s[order], core_s[order]
    num_gpus = cores.places.num_gpus

    def given_to_cores(whole_s: float) -> np.ndarray:
        short = core_s <= whole_s
        return short & (np.cumsum(np.where(short, core_s, 0.0)) <= num_cores * whole_s)

    def is_enough(whole_s: float) -> bool:
        left_s = gpu_s[~given_to_cores(whole_s)]
        return left_s.sum() <= num_gpus * whole_s and left_s.max(initial=0.0) <= whole_s

    least_s, most_s = 0.0, max(gpu_s.sum() / num_gpus, gpu_s.max(initial=0.0))
    for _ in range(_HALVINGS):
        middle_s = (least_s + most_s) / 2
        least_s, most_s = (least_s, middle_s) if is_enough(middle_s) else (middle_s, most_s)
    given = np.zeros(len(bundles), dtype=bool)
    given[order] = given_to_cores(most_s)
    left = [bundle for bundle, is_given in zip(bundles, given, strict=True) if not is_given]
    return left, [bundle for bundle, is_given in zip(on_cores, given, strict=True) if bundle and is_given]


def interleaved(on_gpus: Sequence[Trial], on_cores: Iterable[PlannedBundle]) -> list[Trial]:
    """Merge trials on GPUs, in order, and those on cores, so that every first part takes both kinds equally long."""
    kinds = [on_gpus, [[bundle] for bundle in in_order(on_cores)]]
    return [trial for _, trial in heapq.merge(*map(_with_shares, kinds), key=lambda each: each[0])]


def _with_shares(trials: Sequence[Trial]) -> Iterable[tuple[float, Trial]]:
    """Each trial with the share of the cost of all that stands before it."""
    costs = [sum(bundle.cost_s for bundle in trial) for trial in trials]
    before, total = 0.0, sum(costs)
    for cost_s, trial in zip(costs, trials, strict=True):
        yield before / total, trial
        before += cost_s
