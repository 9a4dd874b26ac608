"""The ten statistics of a data set, from the outputs that an epoch has stored.

Source: the metrics of Keras, see docs/definitions.md. All are means over rows, so that the row-weighted mean over an
epoch's minibatches is the mean over all its rows; the root_mean_squared_error is the root of such a mean.

Arrays are [steps, runs, outputs, rows]: `steps` minibatches. Their rows are padded, see `network.padded`: the first
`num_valid` of them count. Sums over rows are returned, float64 [10, runs], so that the last and smaller minibatch can
be added to the others.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from survey.metrics import STATISTICS
from survey.training.outputs import OutputKind

_EPSILON = 1e-7
_LOG_EPSILON = math.log(_EPSILON)
_LOG_ONE_PLUS_EPSILON = math.log1p(_EPSILON)
_RMSE = STATISTICS.index("root_mean_squared_error")


def sum_over_rows(kind: OutputKind, scores: Tensor, errors: Tensor, targets: Tensor, num_valid: int) -> Tensor:
    """Sum each statistic over the rows; the root_mean_squared_error is left as its mean square.

    Args:
        kind: Kind of output layer.
        scores: [steps, runs, outputs, rows]: log-probabilities (softmax), logits (binary) or predictions (regression).
        errors: The same shape: prediction - target.
        targets: softmax: int64 [steps, runs, 1, rows], the classes; else the targets, in the shape of `scores`.
        num_valid: Rows of each minibatch that count.

    Returns:
        float64 [10, runs], in the order of `survey.metrics.STATISTICS`.
    """
    if kind == "softmax":
        return torch.stack(_softmax_sums(scores, errors, targets, num_valid))
    return torch.stack(_sigmoid_sums(kind, scores, errors, targets, num_valid))


def means(sums: Tensor, num_rows: int) -> Tensor:
    """Turn sums over `num_rows` rows into the statistics, float64 [10, runs]."""
    result = sums / num_rows
    result[_RMSE] = result[_RMSE].sqrt()
    return result


def _total(values: Tensor, num_valid: int) -> Tensor:
    """float64 [runs]: the sum of [steps, runs, *, rows] over all but the runs."""
    # float32 sums of torch are pairwise, so those of a minibatch stay exact enough.
    return values[..., :num_valid].sum((2, 3)).double().sum(0)


def _norm(values: Tensor, order: int, num_valid: int) -> Tensor:
    """float64 [runs]: the sum of |x|^order, in a single pass over memory."""
    norms = torch.linalg.vector_norm(values[..., :num_valid], ord=order, dim=(2, 3))
    return norms.double().pow(order).sum(0)


def _softmax_sums(log_p: Tensor, errors: Tensor, labels: Tensor, num_valid: int) -> list[Tensor]:
    """The sums for one-hot targets, which need few passes over all classes.

    With y one-hot at the label l, and e = p - y: the hinge is mean_c(1 - y'_c p_c) with y' = 2 y - 1, never negative as
    p <= 1; cosine similarity is p_l / |p|; |p|^2 = |e|^2 + 2 p_l - 1.
    """
    classes, rows = log_p.shape[2], log_p.shape[0] * num_valid
    total, norm = partial(_total, num_valid=num_valid), partial(_norm, num_valid=num_valid)
    log_p_label = log_p.gather(2, labels)
    error_label = errors.gather(2, labels)
    p_label = error_label + 1.0
    squared = (errors * errors).sum(2, keepdim=True)
    p_squared = squared + (2.0 * p_label - 1.0)

    # log(1 + max(e, eps)) is log(1 + eps) at the label, where e <= 0, and what is wanted for the other classes.
    others = torch.clamp_min(errors, _EPSILON).add_(1.0).log_().sub_(_LOG_ONE_PLUS_EPSILON)
    logarithmic = norm(others, 2) + norm((p_label + 1.0).log_().sub_(math.log(2.0)), 2)

    clipped_label = log_p_label.clamp_min(_LOG_EPSILON)
    clipped_others = total(log_p.clamp_min(_LOG_EPSILON)) - total(clipped_label)
    divergence = _EPSILON * ((classes - 1) * rows * _LOG_EPSILON - clipped_others) - total(clipped_label)

    sum_p_label, sum_squared = total(p_label), total(squared)
    sum_p = total(errors) + rows
    sum_p_squared = total(p_squared)
    return [
        -total(log_p_label),
        total(_correct(log_p, log_p_label, labels, num_valid)),
        sum_squared / classes,
        norm(errors, 1) / classes,
        sum_squared / classes,
        logarithmic / classes,
        rows + (sum_p - 2.0 * sum_p_label) / classes,
        rows + (2.0 * (sum_p - 2.0 * sum_p_label) + sum_p_squared) / classes,
        total(p_label * p_squared.clamp_min(0).rsqrt()),
        divergence,
    ]


def _correct(scores: Tensor, score_label: Tensor, labels: Tensor, num_valid: int) -> Tensor:
    """[steps, runs, 1, rows]: 1 where the greatest score, the first of equals, is the label's."""
    if scores.device.type == "cpu":
        # argmax over a short axis is not vectorised on a CPU, so it is left to the rare case of equal scores (or NaN).
        greatest = scores.amax(2, keepdim=True)
        if int(torch.count_nonzero((scores == greatest)[..., :num_valid])) == greatest[..., :num_valid].numel():
            return (score_label == greatest).to(scores.dtype)
    return (scores.argmax(2, keepdim=True) == labels).to(scores.dtype)


def _sigmoid_sums(kind: OutputKind, scores: Tensor, errors: Tensor, y: Tensor, num_valid: int) -> list[Tensor]:
    """The sums for sigmoid outputs, straight from the definitions: such tasks have one output, or few."""
    outputs = scores.shape[2]
    total, norm = partial(_total, num_valid=num_valid), partial(_norm, num_valid=num_valid)
    p = scores if kind == "regression" else scores.sigmoid()
    squared = norm(errors, 2) / outputs
    loss = squared if kind == "regression" else total(_binary_cross_entropy(scores, y))
    correct = p.argmax(2, keepdim=True) == y.argmax(2, keepdim=True) if outputs > 1 else y == (p > 0.5).to(y.dtype)

    logarithm = [torch.log(torch.clamp_min(x, _EPSILON).add_(1.0)) for x in (p, y)]
    margin = torch.clamp_min(1.0 - _hinge_labels(y, num_valid) * p, 0.0)
    lengths = [torch.linalg.vector_norm(x, dim=2, keepdim=True) for x in (p, y)]
    unit_p, unit_y = (x * torch.clamp_max(1.0 / n, 1.0 / _EPSILON) for x, n in zip((p, y), lengths, strict=True))
    clipped_p, clipped_y = (x.clamp(_EPSILON, 1.0) for x in (p, y))
    return [
        loss,
        total(correct.to(scores.dtype)),
        squared,
        norm(errors, 1) / outputs,
        squared,
        norm(logarithm[0] - logarithm[1], 2) / outputs,
        total(margin) / outputs,
        norm(margin, 2) / outputs,
        total(torch.where(lengths[1] > 0, unit_p * unit_y, 0.0)),
        total(clipped_y * torch.log(clipped_y / clipped_p)),
    ]


def _binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """max(z, 0) - z y + log(1 + exp(-|z|)) for each row, exact for every logit z."""
    return logits.clamp_min(0) - logits * y + torch.log1p(torch.exp(-logits.abs()))


def _hinge_labels(y: Tensor, num_valid: int) -> Tensor:
    """The labels as the hinge reads them: 2 y - 1 in each minibatch and run whose labels are all 0 or 1, else y."""
    valid = y[..., :num_valid]
    binary = ((valid == 0) | (valid == 1)).all(dim=3, keepdim=True).all(dim=2, keepdim=True)
    return torch.where(binary, 2.0 * y - 1.0, y)
