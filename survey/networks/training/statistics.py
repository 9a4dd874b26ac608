"""The ten statistics of the training or test set, from the outputs that an epoch has stored.

Source: the metrics of Keras, see docs/definitions.md. All are means over rows, so that the row-weighted mean over an
epoch's minibatches is the mean over all its rows; the root_mean_squared_error is the root of such a mean.

Arrays are [steps, runs, outputs, rows]: `steps` minibatches. Their rows are padded, see `network.padded`: the first
`num_valid` of them count. Rows are summed first, so that the last and smaller minibatch can be added to the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from survey.networks.metrics import STATISTICS
from survey.networks.training.outputs import OutputKind

Array = Any  # of PyTorch or of NumPy

_EPSILON = 1e-7
_LOG_EPSILON = math.log(_EPSILON)
_SCALE = 1.0 / (1.0 + _EPSILON)
_RMSE = STATISTICS.index("root_mean_squared_error")


def sum_over_rows(kind: OutputKind, scores: Tensor, errors: Tensor, targets: Tensor, num_valid: int) -> Tensor:
    """Sum the terms of the statistics over the rows.

    `scores` and `errors` are overwritten with intermediate results.

    Args:
        kind: Kind of output layer.
        scores: [steps, runs, outputs, rows]: log-probabilities (softmax), logits (binary) or predictions (regression).
        errors: The same shape: prediction - target.
        targets: softmax: int64 [steps, runs, 1, rows], the classes; else the targets, in the shape of `scores`.
        num_valid: Rows of each minibatch that count.

    Returns:
        float64 [sums, runs], which add up over minibatches; `means` turns them into the statistics.
    """
    by_step = _softmax_sums if kind == "softmax" else partial(_sigmoid_sums, kind)
    # Sums over a minibatch's rows by torch are pairwise: float32 is exact enough. Those over minibatches are float64.
    return torch.stack(by_step(scores, errors, targets, num_valid)).double().sum(1)


def num_sums(kind: OutputKind) -> int:
    """Return how many sums `sum_over_rows` has."""
    return 9 if kind == "softmax" else len(STATISTICS)


def means(
    kind: OutputKind, sums: Array, num_rows: int | Array, num_outputs: int, stack: Callable[..., Array] = torch.stack
) -> Array:
    """Turn sums over `num_rows` rows into the statistics, float64 [10, runs], in the order of `STATISTICS`.

    Or those of several sets: from [sums, sets, runs] and [sets, 1] numbers of rows to [10, sets, runs]. Arrays are of
    PyTorch, or of NumPy with its `stack`: it takes a fraction of the time where they have a few numbers.
    """
    sums = sums / num_rows
    if kind == "softmax":
        return stack(_softmax_means(sums, num_outputs))
    sums[_RMSE] = sums[_RMSE] ** 0.5
    return sums


def _softmax_sums(log_p: Tensor, errors: Tensor, labels: Tensor, num_valid: int) -> list[Tensor]:
    """The sums [steps, runs] for one-hot targets, most of which need the label's probability alone.

    With p a probability, l the label, and e = p - y for one-hot y: e_l = p_l - 1 is the only error that is not
    positive, so the least; |p|^2 = |e|^2 + 2 p_l - 1. Cosine similarity is p_l / |p|.
    """
    log_p, errors, labels = (each[..., :num_valid] for each in (log_p, errors, labels))
    log_p_label = log_p.gather(2, labels)[:, :, 0]  # [steps, runs, rows], as all by row
    p_label = errors.amin(2).add_(1.0)
    correct = _correct(log_p, errors, log_p_label, labels)
    # Allocating new arrays of this size, in fresh pages of memory, would cost more than the arithmetic.
    clipped = log_p.clamp_min_(_LOG_EPSILON).sum((2, 3))
    squared = torch.mul(errors, errors, out=log_p).sum(2)
    p_squared = torch.add(squared, p_label, alpha=2.0).sub_(1.0)
    # log(1 + max(e, eps)) is log(1 + eps) at the label, where e <= 0, and correct for the other classes. The squares of
    # log((1 + max(e, eps)) / (1 + eps)) are summed.
    torch.add(_scalar(_SCALE, errors.dtype, errors.device), errors.clamp_min_(_EPSILON), alpha=_SCALE, out=errors)
    by_row = [
        log_p_label,
        log_p_label.clamp_min(_LOG_EPSILON),
        correct,
        p_label,
        squared,
        p_squared.clamp_min_(0.0).rsqrt_().mul_(p_label),
        p_label.clamp_min(_EPSILON).add_(1.0).log_().sub_(math.log(2.0)).square_(),
    ]
    others_logarithmic = torch.linalg.vector_norm(errors.log_(), dim=(2, 3)).square_()
    return [*(each.sum(2) for each in by_row), others_logarithmic, clipped]


def _softmax_means(means: Array, classes: int) -> list[Array]:
    """The statistics from the means of the terms of `_softmax_sums`.

    The sum over c of |e_c| is 2 (1 - p_l), as the p sum to 1. The hinge is mean_c(1 - y'_c p_c) with y' = 2 y - 1, of
    which no term is negative, as p <= 1.
    """
    log_p_l, clipped_l, correct, p_l, squared, cosine, log_l, log_others, clipped = means
    mean_squared = squared / classes
    rest = (1.0 - p_l) / classes
    hinge = 2.0 * rest + (1.0 - 1.0 / classes)
    return [
        -log_p_l,
        correct,
        mean_squared,
        2.0 * rest,
        mean_squared**0.5,
        (log_others + log_l) / classes,
        hinge,
        hinge + mean_squared,
        cosine,
        _EPSILON * ((classes - 1) * _LOG_EPSILON - (clipped - clipped_l)) - clipped_l,
    ]


@cache  # never freed, as a recorded graph keeps reading it
def _scalar(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)


def _correct(log_p: Tensor, errors: Tensor, log_p_label: Tensor, labels: Tensor) -> Tensor:
    """[steps, runs, rows]: 1 where the greatest probability, the first of equals, is the label's."""
    if log_p.device.type == "cpu":
        # argmax over a short axis is not vectorised on a CPU, so it is left to the rare case of equals (or NaN). The
        # greatest error is the greatest probability of the other classes.
        p_label, other = log_p_label.exp(), errors.amax(2)
        correct = p_label > other
        if int(torch.count_nonzero(correct)) + int(torch.count_nonzero(p_label < other)) == correct.numel():
            return correct.to(log_p.dtype)
    return (log_p.argmax(2) == labels[:, :, 0]).to(log_p.dtype)


def _sigmoid_sums(kind: OutputKind, scores: Tensor, errors: Tensor, y: Tensor, num_valid: int) -> list[Tensor]:
    """The sums [steps, runs] for sigmoid outputs, straight from the definitions: such tasks have few outputs."""
    scores, errors, y = (each[..., :num_valid] for each in (scores, errors, y))
    outputs = scores.shape[2]
    p = scores if kind == "regression" else scores.sigmoid()
    squared = _sum_of_powers(errors, 2) / outputs
    loss = squared if kind == "regression" else _binary_cross_entropy(scores, y).sum((2, 3))
    correct = p.argmax(2, keepdim=True) == y.argmax(2, keepdim=True) if outputs > 1 else y == (p > 0.5).to(y.dtype)

    logarithm = [torch.log(torch.clamp_min(x, _EPSILON).add_(1.0)) for x in (p, y)]
    margin = torch.clamp_min(1.0 - _hinge_labels(y) * p, 0.0)
    lengths = [x.abs() if outputs == 1 else x.square().sum(2, keepdim=True).sqrt_() for x in (p, y)]
    unit_p, unit_y = (x * torch.clamp_max(1.0 / n, 1.0 / _EPSILON) for x, n in zip((p, y), lengths, strict=True))
    clipped_p, clipped_y = (x.clamp(_EPSILON, 1.0) for x in (p, y))
    return [
        loss,
        correct.to(scores.dtype).sum((2, 3)),
        squared,
        _sum_of_powers(errors, 1) / outputs,
        squared,
        _sum_of_powers(logarithm[0] - logarithm[1], 2) / outputs,
        margin.sum((2, 3)) / outputs,
        _sum_of_powers(margin, 2) / outputs,
        torch.where(lengths[1] > 0, unit_p * unit_y, 0.0).sum((2, 3)),
        (clipped_y * torch.log(clipped_y / clipped_p)).sum((2, 3)),
    ]


def _sum_of_powers(values: Tensor, order: int) -> Tensor:
    """[steps, runs]: the sum of |x|^order of [steps, runs, outputs, rows], in a single pass over memory."""
    return torch.linalg.vector_norm(values, ord=order, dim=(2, 3)).pow_(order)


def _binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """max(z, 0) - z y + log(1 + exp(-|z|)) for each row, exact for every logit z."""
    return logits.clamp_min(0) - logits * y + torch.log1p(torch.exp(-logits.abs()))


def _hinge_labels(y: Tensor) -> Tensor:
    """The labels as the hinge reads them: 2 y - 1 in each minibatch and run whose labels are all 0 or 1, else y."""
    binary = ((y == 0) | (y == 1)).all(dim=3, keepdim=True).all(dim=2, keepdim=True)
    return torch.where(binary, 2.0 * y - 1.0, y)
