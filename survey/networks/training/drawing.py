"""What a run draws of its task: how many rows of each set, and the targets that it is trained on, noise included."""

from __future__ import annotations

from torch import Tensor

from survey.networks.experiment import TaskExperiment
from survey.networks.rows import RowCounts, count_rows
from survey.networks.training import streams
from survey.networks.training.outputs import OutputKind
from survey.tasks.parts import PARTS, PartSizes


def row_counts(experiment: TaskExperiment, num_rows: int, parts: Tensor | None) -> RowCounts:
    """Count the rows of each set of a run, of a task whose rows have these parts, [rows], or none."""
    sizes = None if parts is None else PartSizes(*parts.long().bincount(minlength=len(PARTS)).tolist())
    return count_rows(num_rows, experiment.validation_split, experiment.train_fraction, sizes)


def with_noise(targets: Tensor, noise: float, kind: OutputKind, num_outputs: int, *, seed: int) -> Tensor:
    """Return the training targets of a run, in the shape and dtype of `targets`, [rows, *], on the CPU.

    Args:
        targets: Classes [rows, 1] or values [rows, outputs] of the training rows, in the order of `streams.draw_rows`.
        noise: The label noise, see `streams.noisy_labels` and `streams.noisy_values`.
        kind: Kind of output layer.
        num_outputs: Number of outputs.
        seed: Seed of the run.
    """
    if not noise:
        return targets
    if kind == "regression":
        return streams.noisy_values(targets, noise, seed=seed)
    num_classes = max(2, num_outputs)
    return streams.noisy_labels(targets[:, 0].long(), num_classes, noise, seed=seed)[:, None].to(targets.dtype)
