"""The ten statistics of a data set, from the outputs that an epoch has stored.

Source: the metrics of Keras, as butter.md states them. All are means over rows, so that the row-weighted mean over an
epoch's minibatches is the mean over all its rows; the root_mean_squared_error is the root of such a mean.

Arrays are [steps, runs, outputs, rows]: `steps` minibatches of `rows` rows each. Sums over rows are returned, float64
[10, runs], so that the last and smaller minibatch can be added to the others.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from survey.metrics import STATISTICS
from survey.training.outputs import OutputKind

_EPSILON = 1e-7
_LOG_EPSILON = math.log(_EPSILON)
_LOG_ONE_PLUS_EPSILON = math.log1p(_EPSILON)
_RMSE = STATISTICS.index("root_mean_squared_error")


def sum_over_rows(kind: OutputKind, scores: Tensor, errors: Tensor, targets: Tensor, hinge_rows: int = 0) -> Tensor:
    """Sum each statistic over the rows; the root_mean_squared_error is left as its mean square.

    Args:
        kind: Kind of output layer.
        scores: [steps, runs, outputs, rows]: log-probabilities (softmax), logits (binary) or predictions (regression).
        errors: The same shape: prediction - target.
        targets: softmax: int64 [steps, runs, 1, rows], the classes; else the targets, in the shape of `scores`.
        hinge_rows: Rows of the batches in which labels that are all 0/1 are read as -1/+1; 0 for those of `rows`.

    Returns:
        float64 [10, runs], in the order of `survey.metrics.STATISTICS`.
    """
    if kind == "softmax":
        return torch.stack(_softmax_sums(scores, errors, targets))
    return torch.stack(_sigmoid_sums(kind, scores, errors, targets, hinge_rows or scores.shape[3]))


def means(sums: Tensor, num_rows: int) -> Tensor:
    """Turn sums over `num_rows` rows into the statistics, float64 [10, runs]."""
    result = sums / num_rows
    result[_RMSE] = result[_RMSE].sqrt()
    return result


def _total(values: Tensor) -> Tensor:
    """float64 [runs]: the sum of [steps, runs, *] over all but the runs."""
    # In two stages, the first over contiguous memory; float32 sums of torch are pairwise, so they stay exact enough.
    return values.flatten(2).sum(2).double().sum(0)


def _norm(values: Tensor, order: int) -> Tensor:
    """float64 [runs]: the sum of |x|^order, in a single pass over memory."""
    return torch.linalg.vector_norm(values.flatten(2), ord=order, dim=2).double().pow(order).sum(0)


def _softmax_sums(log_p: Tensor, errors: Tensor, labels: Tensor) -> list[Tensor]:
    """The sums for one-hot targets, which need few passes over all classes.

    With y one-hot at the label l, and e = p - y: the hinge is mean_c(1 - y'_c p_c) with y' = 2 y - 1, never negative as
    p <= 1; cosine similarity is p_l / |p|; |p|^2 = |e|^2 + 2 p_l - 1.
    """
    classes = log_p.shape[2]
    log_p_label = log_p.gather(2, labels)
    error_label = errors.gather(2, labels)
    p_label = error_label + 1.0
    squared = (errors * errors).sum(2, keepdim=True)
    p_squared = squared + (2.0 * p_label - 1.0)

    # log(1 + max(e, eps)) is log(1 + eps) at the label, where e <= 0, and what is wanted for the other classes.
    others = torch.clamp_min(errors, _EPSILON).add_(1.0).log_().sub_(_LOG_ONE_PLUS_EPSILON)
    logarithmic = _norm(others, 2) + _norm((p_label + 1.0).log_().sub_(math.log(2.0)), 2)

    clipped_label = log_p_label.clamp_min(_LOG_EPSILON)
    rows = log_p.shape[0] * log_p.shape[3]
    clipped_others = _total(log_p.clamp_min(_LOG_EPSILON)) - _total(clipped_label)
    divergence = _EPSILON * ((classes - 1) * rows * _LOG_EPSILON - clipped_others) - _total(clipped_label)

    sum_p_label, sum_squared = _total(p_label), _total(squared)
    sum_p = _total(errors) + rows
    sum_p_squared = _total(p_squared)
    return [
        -_total(log_p_label),
        _count_correct(log_p, log_p_label, labels),
        sum_squared / classes,
        _norm(errors, 1) / classes,
        sum_squared / classes,
        logarithmic / classes,
        rows + (sum_p - 2.0 * sum_p_label) / classes,
        rows + (2.0 * (sum_p - 2.0 * sum_p_label) + sum_p_squared) / classes,
        _total(p_label * p_squared.clamp_min(0).rsqrt()),
        divergence,
    ]


def _count_correct(scores: Tensor, score_label: Tensor, labels: Tensor) -> Tensor:
    """float64 [runs]: rows whose greatest score, the first of equals, is the label's."""
    if scores.device.type == "cpu":
        # argmax over a short axis is not vectorised on a CPU, so it is left to the rare case of equal scores (or NaN).
        greatest = scores.amax(2, keepdim=True)
        if int(torch.count_nonzero(scores == greatest)) == greatest.numel():
            return _total((score_label == greatest).to(scores.dtype))
    return _total((scores.argmax(2, keepdim=True) == labels).to(scores.dtype))


def _sigmoid_sums(kind: OutputKind, scores: Tensor, errors: Tensor, y: Tensor, hinge_rows: int) -> list[Tensor]:
    """The sums for sigmoid outputs, straight from the definitions: such tasks have one output, or few."""
    outputs = scores.shape[2]
    p = scores if kind == "regression" else scores.sigmoid()
    squared = _norm(errors, 2) / outputs
    loss = squared if kind == "regression" else _binary_cross_entropy(scores, y)
    correct = p.argmax(2) == y.argmax(2) if outputs > 1 else y == (p > 0.5).to(y.dtype)

    logarithm = [torch.log(torch.clamp_min(x, _EPSILON).add_(1.0)) for x in (p, y)]
    margin = torch.clamp_min(1.0 - _hinge_labels(y, hinge_rows) * p, 0.0)
    lengths = [torch.linalg.vector_norm(x, dim=2, keepdim=True) for x in (p, y)]
    unit_p, unit_y = (x * torch.clamp_max(1.0 / n, 1.0 / _EPSILON) for x, n in zip((p, y), lengths, strict=True))
    clipped_p, clipped_y = (x.clamp(_EPSILON, 1.0) for x in (p, y))
    return [
        loss,
        _total(correct.to(scores.dtype)),
        squared,
        _norm(errors, 1) / outputs,
        squared,
        _norm(logarithm[0] - logarithm[1], 2) / outputs,
        _total(margin) / outputs,
        _norm(margin, 2) / outputs,
        _total(torch.where(lengths[1] > 0, unit_p * unit_y, 0.0)),
        _total(clipped_y * torch.log(clipped_y / clipped_p)),
    ]


def _binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """float64 [runs]: sum of max(z, 0) - z y + log(1 + exp(-|z|)), exact for every logit z."""
    return _total(logits.clamp_min(0) - logits * y + torch.log1p(torch.exp(-logits.abs())))


def _hinge_labels(y: Tensor, hinge_rows: int) -> Tensor:
    """The labels as the hinge reads them: 2 y - 1 in each batch and run whose labels are all 0 or 1, else y."""
    parts = []
    for part in y.split(hinge_rows, dim=3):
        binary = ((part == 0) | (part == 1)).all(dim=3, keepdim=True).all(dim=2, keepdim=True)
        parts.append(torch.where(binary, 2.0 * part - 1.0, part))
    return torch.cat(parts, dim=3)
