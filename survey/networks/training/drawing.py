"""What a run draws of its task: how many rows of each set, and the targets that it is trained on, noise included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
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


class Drawn(NamedTuple):
    """What the runs of an experiment draw of its task, on the CPU.

    Attributes:
        train: Rows that they are trained on, int64 [runs, rows].
        train_targets: Their targets, noise included, [runs, rows, *].
        held_out: The rows of the test set, and of the validation set if there is one, int64 [runs, rows] each.
    """

    train: Tensor
    train_targets: Tensor
    held_out: list[Tensor]


def draw_runs(
    experiment: TaskExperiment,
    seeds: Sequence[int],
    targets: Tensor,
    kind: OutputKind,
    num_outputs: int,
    parts: Tensor | None,
) -> Drawn:
    """Draw each run's rows and noisy targets.

    Args:
        experiment: The hyperparameters.
        seeds: Seed of each run.
        targets: Classes or values of all rows of the task, [rows, *], on the CPU.
        kind: Kind of output layer.
        num_outputs: Number of outputs.
        parts: [rows], the part of each row of a task with a split of its own; None without.
    """
    counts, noise = row_counts(experiment, len(targets), parts), experiment.label_noise
    drawn = [streams.draw_rows(len(targets), counts, seed=seed, parts=parts) for seed in seeds]
    noisy = [
        with_noise(targets[rows.train], noise, kind, num_outputs, seed=seed)
        for seed, rows in zip(seeds, drawn, strict=True)
    ]
    held_out = ([rows.test for rows in drawn], [rows.validation for rows in drawn])
    return Drawn(
        torch.stack([rows.train for rows in drawn]),
        torch.stack(noisy),
        [torch.stack(rows) for rows in held_out if len(rows[0])],
    )


def draw_sets(
    experiment: TaskExperiment, seeds: Sequence[int], targets: Tensor, kind: OutputKind, parts: Tensor | None
) -> list[tuple[Tensor, Tensor]]:
    """Draw the training, the test and perhaps the validation set of each run, as cores of our own take them.

    Args:
        experiment: The hyperparameters.
        seeds: Seed of each run.
        targets: [rows, outputs], as of `Trainer`, on the CPU.
        kind: Kind of output layer.
        parts: [rows], the part of each row of a task with a split of its own; None without.

    Returns:
        Of each set the rows, int64 [runs, rows], and their targets, with noise in the training set: of softmax the
        classes, int32 [runs, rows, 1], else float32 [runs, rows, outputs].
    """
    is_softmax = kind == "softmax"
    stored = targets.argmax(1, keepdim=True) if is_softmax else targets.float()
    drawn = draw_runs(experiment, seeds, stored, kind, targets.shape[1], parts)
    sets = [(drawn.train, drawn.train_targets), *((rows, stored[rows]) for rows in drawn.held_out)]
    return [(rows, found.to(torch.int32 if is_softmax else torch.float32)) for rows, found in sets]
