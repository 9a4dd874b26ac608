"""The pilot: trains a few epochs of some planned bundles on this machine, to estimate the cost of all.

Bundles are drawn with probability proportional to their expected cost, evenly over all costs. Each is cut down to take
a second or two: only as many runs as train together, only some minibatches of rows, and a smaller network of the same
shape in place of one with more than some millions of parameters. Timing does not depend on values, so the data are
random numbers. The costs of `cost_model.Work` are then fitted in relative terms, and held near the built-in ones in
proportion, unless the measurements say otherwise.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from scipy.optimize import nnls

from survey.networks.experiment import TEST_SPLIT
from survey.networks.topology import layer_widths
from survey.networks.training.graphs import side_stream
from survey.networks.training.loop import Trainer
from survey.plan.bundles import PlannedBundle
from survey.plan.cost_model import CostModel, Work, default_model, epoch_work
from survey.plan.gpu_sharing import Packing
from survey.plan.plan import Plan
from survey.tasks.loading import TaskDescription
from survey.workloads.experiment import Experiment, Run

PILOT_S = 45.0
"""Time after which no further bundle is started; each takes a few seconds."""

_SAMPLES = 24
_MOST_PARAMETERS, _MOST_ON_GPU = 1 << 22, 1 << 26
_EPOCHS_AT_LEAST = 3
_OVERRUN = 4.0
"""How many times its target an epoch of a sample may take before its minibatches are cut."""

_HELD = 0.15

PACKED = 16
"""Experiments tried side by side on a GPU, and packed where that pays."""

_GAIN_AT_LEAST = 1.3
"""Speed together, relative to one after the other, from which packing pays."""

_MOST_PACKED_BYTES = 4 << 30
"""Memory of the bundles tried side by side, at most."""

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


@dataclass(frozen=True, slots=True)
class Sample:
    """A measurement of a part of a bundle.

    Attributes:
        work: Operation counts of its epoch.
        epoch_s: Seconds of its epoch.
        gain: Speed of several copies side by side relative to one after the other; None on a CPU, and if they would
            take too much memory.
    """

    work: Work
    epoch_s: float
    gain: float | None = None


def run_pilot(
    plan: Plan, describe: Callable[[str], TaskDescription], *, device: str = "cpu", budget_s: float = PILOT_S
) -> Pilot:
    """Measure some bundles of a plan, which has at least one, and fit the costs.

    Args:
        plan: The plan to measure.
        describe: Returns rows, inputs and outputs of a task by its name.
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
            samples.append(measure(bundle, describe(bundle.experiment.dataset), device, seconds))
    finally:
        torch.set_num_threads(threads)
    like = default_model(on_gpu=device == "cuda")
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


def measure(
    bundle: PlannedBundle, task: TaskDescription, device: str, seconds: float, *, packed: int = PACKED
) -> Sample:
    """Train a small part of a bundle for about `seconds`, not counting the first epoch.

    Args:
        bundle: The bundle to take a part of.
        task: Its task; random numbers replace its data.
        device: Where to train.
        seconds: How long.
        packed: How many copies to try side by side on a GPU, for half as long again; 1 for none.
    """
    on_gpu = device == "cuda"
    part = _part_of(bundle, task, seconds / (_EPOCHS_AT_LEAST + 1), on_gpu)
    make_trainer = partial(
        Trainer,
        part.experiment,
        inputs=torch.rand(part.task.rows, part.task.num_inputs),
        targets=_targets(part.task),
        task_kind=part.task.kind,
        widths=part.widths,
        seeds=[Run(part.experiment, number).seed for number in range(part.runs)],
        device=device,
    )
    epoch_s = _epoch_s([make_trainer()], seconds)
    gain = None
    if on_gpu and packed > 1 and bundle.bundle_bytes * packed < _MOST_PACKED_BYTES:
        with suppress(torch.OutOfMemoryError):  # of a card that others use too
            gain = epoch_s / _epoch_s([make_trainer() for _ in range(packed)], seconds / 2)
    return Sample(part.work, epoch_s, gain)


def _epoch_s(trainers: Sequence[Trainer], seconds: float) -> float:
    """Seconds for an epoch of one trainer, if all train side by side as in a packed trial."""
    streams = [side_stream(number) if len(trainers) > 1 else None for number, _ in enumerate(trainers, start=1)]

    def start(number: int) -> None:
        with torch.cuda.stream(streams[number]):
            trainers[number].start_epoch()

    def end(number: int) -> None:
        with torch.cuda.stream(streams[number]):
            trainers[number].end_epoch()

    for number in range(len(trainers)):  # the first one takes longer
        start(number)
        end(number)
    times: list[float] = []
    ends = time.perf_counter() + seconds
    for number in range(len(trainers)):
        start(number)
    while len(times) < _EPOCHS_AT_LEAST or (time.perf_counter() < ends and len(times) < 50):
        began = time.perf_counter()
        for number in range(len(trainers)):
            end(number)
            start(number)
        times.append((time.perf_counter() - began) / len(trainers))
    for number in range(len(trainers)):
        end(number)
    return statistics.fmean(times)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a bundle: fewer runs, rows or parameters, or smaller minibatches."""

    experiment: Experiment
    task: TaskDescription
    widths: tuple[int, ...]
    num_parameters: int
    runs: int
    on_gpu: bool

    @property
    def work(self) -> Work:
        return epoch_work(
            self.experiment, self.task, self.widths, self.num_parameters, runs=self.runs, on_gpu=self.on_gpu
        )

    @property
    def expected_s(self) -> float:
        return default_model(on_gpu=self.on_gpu).epoch_s(self.work)

    def shorter(self, share: float) -> _Part:
        """With a share of the rows, but at least four minibatches."""
        least = math.ceil(4 * self.experiment.batch_size / (1 - TEST_SPLIT))
        return replace(
            self, task=replace(self.task, rows=min(self.task.rows, max(least, round(share * self.task.rows))))
        )

    def halved(self) -> _Part:
        """With half of the runs; if only one is left, with minibatches of half the rows."""
        if self.runs > 1:
            return replace(self, runs=-(-self.runs // 2))
        experiment = replace(self.experiment, batch_size=self.experiment.batch_size // 2)
        return replace(self, experiment=experiment).shorter(0.5)


def _part_of(bundle: PlannedBundle, task: TaskDescription, epoch_s: float, on_gpu: bool) -> _Part:
    """A part of a bundle whose epoch is expected to take `epoch_s` seconds, or little more."""
    experiment, widths, parameters = _smaller(bundle, task)
    whole = epoch_work(experiment, task, widths, parameters, runs=len(bundle.repetitions), on_gpu=on_gpu)
    chunks = max(1, round(whole.steps / epoch_work(experiment, task, widths, parameters, runs=1).steps))
    most = _MOST_ON_GPU if on_gpu else _MOST_PARAMETERS
    runs = max(1, min(-(-len(bundle.repetitions) // chunks), most // parameters))
    part = _Part(experiment, task, widths, parameters, runs, on_gpu)
    part = part.shorter(min(1.0, epoch_s / part.expected_s))
    while part.expected_s > _OVERRUN * epoch_s and (part.runs > 1 or part.experiment.batch_size > 1):
        part = part.halved()
    return part


def _smaller(bundle: PlannedBundle, task: TaskDescription) -> tuple[Experiment, tuple[int, ...], int]:
    """The bundle's experiment, or one with a smaller network of the same shape."""
    experiment, network = bundle.experiment, (bundle.widths, bundle.num_free_parameters)
    while network[1] > _MOST_PARAMETERS:
        experiment = replace(experiment, size=experiment.size // 2)
        network = layer_widths(experiment.shape, experiment.size, experiment.depth, task.num_inputs, task.num_outputs)
    return experiment, *network


def _targets(task: TaskDescription) -> torch.Tensor:
    if task.kind == "regression":
        return torch.rand(task.rows, task.num_outputs)
    classes = torch.arange(task.rows) % max(2, task.num_outputs)
    if task.num_outputs == 1:
        return classes[:, None].float()
    return torch.nn.functional.one_hot(classes, task.num_outputs).float()


def find_packing(works: Sequence[Work], gains: Sequence[float]) -> Packing | None:
    """Find which experiments to pack: those whose steps take fewer operations than any that gains too little.

    Args:
        works: Operation counts of an epoch of each sample.
        gains: Speed of `PACKED` copies of it side by side relative to one after the other.

    Returns:
        None if even the smallest gains too little.
    """
    packed: list[tuple[float, float]] = []
    for flops, gain in sorted((work.flops / work.steps, gain) for work, gain in zip(works, gains, strict=True)):
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
    expected = np.array(works) * np.array(like.seconds)  # [samples, kinds]
    speed = float(np.median(measured / expected.sum(1)))
    holding = math.sqrt(held) * np.eye(expected.shape[1])
    left = np.vstack([expected * speed / measured[:, None], holding])
    right = np.concatenate([np.ones(len(measured)), holding.sum(1)])
    multiples, _ = nnls(left, right)
    ratios = measured / (expected @ (multiples * speed))
    scale = float(ratios.mean())
    error = float(ratios.std(ddof=1)) / math.sqrt(len(ratios)) / scale if len(ratios) > 1 else 0.5
    seconds = Work(*(np.array(like.seconds) * multiples * speed * scale).tolist())
    model = CostModel(seconds, like.trial_s * speed, like.run_s * speed)
    return model, 1.0 + 2.0 * math.hypot(error, _DRIFT)
