"""The cost of training networks: the operations of an epoch, their built-in costs, and the memory of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from survey.networks.cores import unit_for
from survey.networks.experiment import NetworkExperiment, TaskExperiment
from survey.networks.rows import RowCounts, count_rows
from survey.tasks.loading import TaskDescription
from survey.workloads.cost import CostModel

_CHUNK_BYTES = 5 << 18
"""Memory for the runs of a bundle that train together on a CPU, see `survey.networks.training.loop`."""

_UPDATE_WEIGHT = {"adam": 1.0, "adamw": 1.6, "RMSprop": 0.8, "SGD": 0.4}
_PENALTY_WEIGHT, _CLIP_WEIGHT = 2.0, 0.6
"""Cost of optimizers, of a penalty and of clipping, for each parameter and step, relative to adam."""

_NORMALIZATION_WEIGHT, _DROPOUT_WEIGHT = 6.0, 6.0
"""Cost of normalization, and of dropout in training, for each number that passes between layers, relative to all else
that is done with it: see `python -m benchmarks.axes`."""

_NORMALIZATION_CALLS, _DROPOUT_CALLS, _CLIP_CALLS = 0.8, 0.5, 0.4
"""The same of the calls that are made for each layer, of clipping too."""


class Work(NamedTuple):
    """Operation counts of one epoch of a bundle; a coefficient turns each into seconds.

    Attributes:
        torch_steps: Minibatches of all chunks of runs, in PyTorch: for calls made once per minibatch.
        layer_steps: Layers of all these minibatches: for calls made once per layer.
        flops: Floating-point operations of the matrix products, of training, test and validation set.
        activations: Numbers that pass between layers, weighted by normalization and dropout.
        updates: Parameters times steps, weighted by optimizer and penalty.
        rows: Rows of all runs, which are shuffled, gathered and evaluated, times weighted inputs and outputs.
        compiled_steps: Minibatches of each run by itself, in the compiled core, which has no other steps.
        compiled_updates: Its updates, likewise weighted.
    """

    torch_steps: float
    layer_steps: float
    flops: float
    activations: float
    updates: float
    rows: float
    compiled_steps: float = 0.0
    compiled_updates: float = 0.0

    @property
    def steps(self) -> float:
        """Minibatches that are trained on one after the other, by whichever core."""
        return self.torch_steps + self.compiled_steps


CORE_MODEL = CostModel(Work(1.2e-4, 6e-5, 1.7e-11, 3e-10, 6e-10, 2e-9, 6e-6, 1.1e-9))
"""Rough costs of one core of an AMD EPYC, to order trials if no pilot has measured the machine."""

GPU_MODEL = CostModel(Work(9e-6, 1.6e-5, 2.3e-14, 1.2e-11, 1.9e-11, 6e-11), trial_s=0.1)
"""The same for an NVIDIA H100: `python -m benchmarks.costs --device cuda`."""


def default_model(*, on_gpu: bool) -> CostModel:
    """Return the built-in model of a core or of a GPU."""
    return GPU_MODEL if on_gpu else CORE_MODEL


@lru_cache(maxsize=1 << 17)
def _of_widths(widths: tuple[int, ...], num_inputs: int) -> tuple[int, int, int, int]:
    """Sum and maximum of the widths; operations of a row's forward and backward pass."""
    pairs = list(zip((num_inputs, *widths), widths, strict=False))
    forward = sum(2 * fan_in * fan_out for fan_in, fan_out in pairs)
    # Backward there are two products of that size for each layer but the first, which needs no gradient of its inputs.
    return sum(widths), max(widths), forward, 2 * forward - 2 * pairs[0][0] * pairs[0][1]


def rows_of(experiment: TaskExperiment, task: TaskDescription) -> RowCounts:
    """Count the rows that a run uses."""
    return count_rows(task.rows, experiment.validation_split, experiment.train_fraction, task.parts)


def epoch_work(
    experiment: NetworkExperiment,
    task: TaskDescription,
    widths: tuple[int, ...],
    num_parameters: int,
    *,
    runs: int,
    on_gpu: bool = False,
) -> Work:
    """Count the operations of one epoch of `runs` runs, all sets of rows, on a core or on a GPU."""
    sum_widths, widest, forward, backward = _of_widths(widths, task.num_inputs)
    rows = rows_of(experiment, task)
    used, trained = rows.used, rows.train
    batch = min(experiment.batch_size, trained)
    steps = -(-trained // batch)
    # On a CPU runs are trained in chunks that fit the caches, on a GPU all together.
    per_chunk = max(1, _CHUNK_BYTES // (12 * (max(widest, task.num_inputs) + 1) * batch))
    chunks = 1 if on_gpu else -(-runs // per_chunk)
    weight = _UPDATE_WEIGHT.get(experiment.optimizer, 1.0)
    if experiment.kernel_regularizer_type:
        weight += _PENALTY_WEIGHT
    if experiment.gradient_clip:
        weight += _CLIP_WEIGHT
    is_normalized, drops = experiment.normalization == "layer", bool(experiment.dropout)
    passes = used * (1 + is_normalized * _NORMALIZATION_WEIGHT) + trained * drops * _DROPOUT_WEIGHT
    calls = 1 + is_normalized * _NORMALIZATION_CALLS + drops * _DROPOUT_CALLS
    calls += bool(experiment.gradient_clip) * _CLIP_CALLS
    flops = runs * (forward * used + backward * trained)
    activations = runs * passes * sum_widths
    updates = runs * num_parameters * weight * steps
    moved = runs * used * (task.num_inputs + 8 * task.num_outputs)
    if unit_for(experiment, task.num_inputs, widths, on_gpu=on_gpu):
        return Work(0.0, 0.0, flops, activations, 0.0, moved, runs * steps, updates)
    return Work(chunks * steps, chunks * steps * len(widths) * calls, flops, activations, updates, moved)


def task_bytes(task: TaskDescription) -> int:
    """Estimate the memory of a task's data, which the runs of a bundle share, in bytes."""
    return 4 * task.rows * (task.num_inputs + 1)


def run_bytes(experiment: NetworkExperiment, task: TaskDescription, widths: Sequence[int], num_parameters: int) -> int:
    """Estimate the memory of each run of a bundle, in bytes."""
    arrays = 3 + (experiment.normalization == "layer") + 2 * bool(experiment.dropout)
    activations = experiment.batch_size * (task.num_inputs + arrays * sum(widths))
    rows = rows_of(experiment, task)
    stored = rows.used * (2 * task.num_outputs + 4)
    history = (30 if rows.validation else 20) * experiment.epochs
    return 4 * (6 * num_parameters + activations + stored + history)
