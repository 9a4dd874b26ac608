"""Samples of the pilot: a bundle of networks cut down to take a second or two.

Only as many runs as train together, only some minibatches of rows, and a smaller network of the same shape in place of
one with more than some millions of parameters; on a CPU in float32, which is all that it has. Timing does not depend on
values, so the data are random numbers.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch

from survey.networks.cores import make_trainer
from survey.networks.cost import Work, default_model, epoch_work, rows_of
from survey.networks.experiment import FLOAT32, NetworkExperiment
from survey.networks.layers import network_of
from survey.system.cuda import side_stream
from survey.tasks.loading import TaskDescription
from survey.tasks.parts import PARTS, PartSizes
from survey.workloads.cost import Sample
from survey.workloads.experiment import Run
from survey.workloads.workload import Trainer

_MOST_PARAMETERS, _MOST_ON_GPU = 1 << 22, 1 << 26
_EPOCHS_AT_LEAST = 3
_OVERRUN = 4.0
"""How many times its target an epoch of a sample may take before its minibatches are cut."""

_COMPILED_RUNS = 8
"""Runs of a sample of the compiled core: enough to make little of what is done once for all of a bundle."""

_MOST_PACKED_BYTES = 4 << 30
"""Memory of the bundles tried side by side, at most."""


def measure(whole: Part, bundle_bytes: int, *, device: str, seconds: float, packed: int) -> Sample:
    """Train a small part of a bundle for about `seconds`; arguments as of `survey.workloads.workload.Needs.sample`."""
    on_gpu = device == "cuda"
    if not on_gpu:
        whole = replace(whole, experiment=replace(whole.experiment, precision=FLOAT32))
    part = _part_of(whole, seconds / (_EPOCHS_AT_LEAST + 1))
    make = partial(
        make_trainer,
        part.experiment,
        inputs=torch.rand(part.task.rows, part.task.num_inputs),
        targets=_targets(part.task),
        task_kind=part.task.kind,
        widths=part.widths,
        parts=_parts(part.task),
        seeds=[Run(part.experiment, number).seed for number in range(part.runs)],
        device=device,
    )
    epoch_s = _epoch_s([make()], seconds)
    gain = None
    if on_gpu and packed > 1 and bundle_bytes * packed < _MOST_PACKED_BYTES:
        with suppress(torch.OutOfMemoryError):  # of a card that others use too
            gain = epoch_s / _epoch_s([make() for _ in range(packed)], seconds / 2)
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
class Part:
    """A bundle, or a part of it: fewer runs, rows or parameters, or smaller minibatches."""

    experiment: NetworkExperiment
    task: TaskDescription
    widths: tuple[int, ...]
    num_parameters: int
    runs: int
    on_gpu: bool

    @property
    def work(self) -> Work:
        """Operation counts of its epoch."""
        return epoch_work(
            self.experiment, self.task, self.widths, self.num_parameters, runs=self.runs, on_gpu=self.on_gpu
        )

    @property
    def expected_s(self) -> float:
        """Seconds of its epoch by the built-in costs."""
        return default_model(on_gpu=self.on_gpu).epoch_s(self.work)

    def shorter(self, share: float) -> Part:
        """With a share of the rows, but at least four minibatches."""
        rows, train = self.task.rows, rows_of(self.experiment, self.task).train
        least = math.ceil(4 * self.experiment.batch_size * rows / train)
        share = min(1.0, max(least / rows, share))
        sizes = self.task.parts and PartSizes(*(math.ceil(share * size) for size in self.task.parts))
        return replace(self, task=replace(self.task, rows=sum(sizes) if sizes else round(share * rows), parts=sizes))

    def halved(self) -> Part:
        """With half of the runs; if only one is left, with minibatches of half the rows."""
        if self.runs > 1:
            return replace(self, runs=-(-self.runs // 2))
        experiment = replace(self.experiment, batch_size=self.experiment.batch_size // 2)
        return replace(self, experiment=experiment).shorter(0.5)


def _part_of(bundle: Part, epoch_s: float) -> Part:
    """A part of a bundle whose epoch is expected to take `epoch_s` seconds, or little more."""
    whole = _smaller(bundle)
    one = replace(whole, runs=1, on_gpu=False)
    chunks = max(1, round(whole.work.steps / one.work.steps))
    together = _COMPILED_RUNS if one.work.compiled_steps else -(-whole.runs // chunks)
    most = _MOST_ON_GPU if whole.on_gpu else _MOST_PARAMETERS
    part = replace(whole, runs=max(1, min(whole.runs, together, most // whole.num_parameters)))
    part = part.shorter(min(1.0, epoch_s / part.expected_s))
    while part.expected_s > _OVERRUN * epoch_s and (part.runs > 1 or part.experiment.batch_size > 1):
        part = part.halved()
    return part


def _smaller(bundle: Part) -> Part:
    """The bundle, or one with a smaller network of the same shape."""
    experiment, task, network = bundle.experiment, bundle.task, (bundle.widths, bundle.num_parameters)
    while network[1] > _MOST_PARAMETERS and max(experiment.hidden_widths or (2,)) > 1:
        if experiment.hidden_widths is None:
            experiment = replace(experiment, size=experiment.size // 2)
        else:
            halves = tuple(max(1, width // 2) for width in experiment.hidden_widths)
            if halves == experiment.hidden_widths:
                break
            experiment = replace(experiment, hidden_widths=halves)
        network = network_of(experiment, task)
    return replace(bundle, experiment=experiment, widths=network[0], num_parameters=network[1])


def _parts(task: TaskDescription) -> torch.Tensor | None:
    """The part of each row, if the task has a split of its own."""
    return None if task.parts is None else torch.arange(len(PARTS)).repeat_interleave(torch.tensor(task.parts))


def _targets(task: TaskDescription) -> torch.Tensor:
    if task.kind == "regression":
        return torch.rand(task.rows, task.num_outputs)
    classes = torch.arange(task.rows) % max(2, task.num_outputs)
    if task.num_outputs == 1:
        return classes[:, None].float()
    return torch.nn.functional.one_hot(classes, task.num_outputs).float()
