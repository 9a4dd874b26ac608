"""The pilot: trains a few epochs of some planned bundles on this machine, to estimate the cost of all.

Bundles are drawn with probability proportional to their expected cost, evenly over all costs, and their workload cuts
each down to take a second or two. The costs of each kind of work are then fitted in relative terms, and held near the
built-in ones in proportion, unless the measurements say otherwise.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import nnls

from survey.plan.bundles import PlannedBundle
from survey.plan.gpu_sharing import Packing
from survey.plan.plan import Plan
from survey.workloads.cost import CostModel, Sample, Work, step_flops

PILOT_S = 45.0
"""Time after which no further bundle is started; each takes a few seconds."""

_SAMPLES = 24
_HELD = 0.15

PACKED = 16
"""Experiments tried side by side on a GPU, and packed where that pays."""

_GAIN_AT_LEAST = 1.3
"""Speed together, relative to one after the other, from which packing pays."""

_DRIFT = 0.08
"""Relative difference between minutes of one machine, which no number of samples averages out."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """The results of the pilot.

    Attributes:
        model: Costs of this machine.
        packing: Which experiments to pack on a GPU; None if packing does not pay, and on a CPU.
        factor: How far off the cost of the whole plan may be, as a factor, in 19 of 20 cases.
        num_trials: Bundles measured.
        seconds: Duration of the pilot.
    """

    model: CostModel
    factor: float
    num_trials: int
    seconds: float
    packing: Packing | None = None
    core_model: CostModel | None = None

    def beside(self, of_cores: Pilot) -> Pilot:
        """Add a pilot of a core to that of a GPU."""
        return replace(
            self,
            factor=max(self.factor, of_cores.factor),
            num_trials=self.num_trials + of_cores.num_trials,
            seconds=self.seconds + of_cores.seconds,
            core_model=of_cores.model,
        )


def run_pilot(plan: Plan, like: CostModel, *, device: str = "cpu", budget_s: float = PILOT_S) -> Pilot:
    """Measure some bundles of a plan, which has at least one, and fit the costs.

    Args:
        plan: The plan to measure.
        like: The expected costs of such a device.
        device: Where trials train.
        budget_s: Seconds after which no further bundle is started.
    """
    began = time.perf_counter()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        chosen = _choose(plan.bundles, _SAMPLES)
        samples: list[Sample] = []
        for bundle in chosen:
            left = budget_s - (time.perf_counter() - began)
            if left <= 0:
                break
            seconds = min(2.0, left / (len(chosen) - len(samples)))
            runs = len(bundle.repetitions)
            samples.append(bundle.needs.sample(runs, device=device, seconds=seconds, packed=PACKED))
    finally:
        torch.set_num_threads(threads)
    model, factor = fit_costs([sample.work for sample in samples], [sample.epoch_s for sample in samples], like)
    tried = [(sample.work, sample.gain) for sample in samples if sample.gain is not None]
    packing = find_packing([work for work, _ in tried], [gain for _, gain in tried])
    if device == "cuda":
        torch.cuda.empty_cache()  # for the trials
    return Pilot(model, factor, len(samples), time.perf_counter() - began, packing)


def _choose(bundles: Sequence[PlannedBundle], count: int) -> list[PlannedBundle]:
    """Draw bundles, evenly over the sum of their costs; in random order, as there may not be time for all."""
    costs = np.cumsum([bundle.cost_s for bundle in bundles])
    places = (np.arange(count) + 0.5) / count * costs[-1]
    chosen = [bundles[k] for k in np.searchsorted(costs, places)]
    random.Random(0).shuffle(chosen)
    return chosen


def find_packing(works: Sequence[Work], gains: Sequence[float]) -> Packing | None:
    """Find which experiments to pack: those whose steps take fewer operations than any that gains too little.

    Args:
        works: Operation counts of an epoch of each sample.
        gains: Speed of `PACKED` copies of it side by side relative to one after the other.

    Returns:
        None if even the smallest gains too little.
    """
    packed: list[tuple[float, float]] = []
    for flops, gain in sorted((step_flops(work), gain) for work, gain in zip(works, gains, strict=True)):
        if gain < _GAIN_AT_LEAST:
            break
        packed.append((flops, gain))
    if not packed:
        return None
    return Packing(PACKED, packed[-1][0], statistics.harmonic_mean(gain for _, gain in packed))


def fit_costs(
    works: Sequence[Work], epoch_s: Sequence[float], like: CostModel, held: float = _HELD
) -> tuple[CostModel, float]:
    """Fit the costs of each kind of work to measured epochs.

    Non-negative least squares in relative terms, each coefficient held near that of `like` times the median of
    measured over expected; then all are scaled so that the mean of measured over predicted is 1: bundles are drawn by
    their cost, so that makes the sum over the whole plan right.

    Args:
        works: Operation counts of an epoch of each sample.
        epoch_s: Measured seconds of that epoch.
        like: The expected costs of such a device.
        held: How firmly each coefficient is held near its expected value: as by so many measurements.

    Returns:
        The model, and how far off the cost of the whole plan may be, as a factor.
    """
    measured = np.array(epoch_s)
    expected = np.array([tuple(work) for work in works]) * np.array(like.seconds)  # [samples, kinds]
    speed = float(np.median(measured / expected.sum(1)))
    holding = math.sqrt(held) * np.eye(expected.shape[1])
    left = np.vstack([expected * speed / measured[:, None], holding])
    right = np.concatenate([np.ones(len(measured)), holding.sum(1)])
    multiples, _ = nnls(left, right)
    ratios = measured / (expected @ (multiples * speed))
    scale = float(ratios.mean())
    error = float(ratios.std(ddof=1)) / math.sqrt(len(ratios)) / scale if len(ratios) > 1 else 0.5
    seconds = tuple((np.array(like.seconds) * multiples * speed * scale).tolist())
    of_overhead = 1.0 if like.is_relative else speed
    model = CostModel(seconds, like.trial_s * of_overhead, like.run_s * of_overhead)
    return model, 1.0 + 2.0 * math.hypot(error, _DRIFT)
