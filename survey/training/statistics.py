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
_RMSE = STATISTICS.index("root_mean_squared_error")


def sum_over_rows(kind: OutputKind, scores: Tensor, errors: Tensor, targets: Tensor, num_valid: int) -> Tensor:
    """Sum each statistic over the rows; the root_mean_squared_error is left as its mean square.

    `scores` and `errors` are used up: their memory serves for what is in between.

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
        return _softmax_sums(scores, errors, targets, num_valid)
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


def _softmax_sums(log_p: Tensor, errors: Tensor, labels: Tensor, num_valid: int) -> Tensor:
    """The sums for one-hot targets, most of which need the label's probability alone, and few passes over all classes.

    With p a probability, l the label, and e = p - y for one-hot y: e_l = p_l - 1 is the only error that is not
    positive, so the least; the sum of |e| is 2 (1 - p_l), as the p sum to 1; |p|^2 = |e|^2 + 2 p_l - 1. The hinge is
    mean_c(1 - y'_c p_c) with y' = 2 y - 1, never negative as p <= 1. Cosine similarity is p_l / |p|.
    """
    classes, num_rows = log_p.shape[2], log_p.shape[0] * num_valid
    log_p, errors, labels = (each[..., :num_valid] for each in (log_p, errors, labels))
    log_p_label = log_p.gather(2, labels)[:, :, 0]  # [steps, runs, rows], as all by row
    p_label = errors.amin(2) + 1.0
    correct = _correct(log_p, errors, log_p_label, labels)
    # New arrays of this size would cost more, in fresh pages of memory, than what is done with them.
    clipped = log_p.clamp_min_(_LOG_EPSILON).sum((2, 3))
    squared = torch.mul(errors, errors, out=log_p).sum(2)
    p_squared = torch.add(squared - 1.0, p_label, alpha=2.0)
    by_row = [
        log_p_label,
        p_label,
        squared,
        correct,
        p_label * p_squared.clamp_min(0).rsqrt(),
        torch.log(p_label.clamp_min(_EPSILON) + 1.0).sub_(math.log(2.0)).square_(),
        log_p_label.clamp_min(_LOG_EPSILON),
    ]
    # log(1 + max(e, eps)) is log(1 + eps) at the label, where e <= 0, and what is wanted for the other classes. What is
    # summed are the squares of log((1 + max(e, eps)) / (1 + eps)).
    scale = errors.new_tensor(1.0 / (1.0 + _EPSILON))
    torch.add(scale, errors.clamp_min_(_EPSILON), alpha=scale.item(), out=errors)
    others_logarithmic = torch.linalg.vector_norm(errors.log_(), dim=(2, 3)).square_()

    # Sums of a minibatch's rows by torch are pairwise, so float32 is exact enough; those over minibatches are float64.
    by_step = torch.stack([*(each.sum(2) for each in by_row), others_logarithmic, clipped])
    log_p_l, p_l, sq, correct, cosine, log_l, clipped_l, log_others, clipped_all = by_step.double().sum(1)
    return torch.stack(
        [
            -log_p_l,
            correct,
            sq / classes,
            2.0 * (num_rows - p_l) / classes,
            sq / classes,
            (log_others + log_l) / classes,
            num_rows + (num_rows - 2.0 * p_l) / classes,
            num_rows + (num_rows - 2.0 * p_l + sq) / classes,
            cosine,
            _EPSILON * ((classes - 1) * num_rows * _LOG_EPSILON - (clipped_all - clipped_l)) - clipped_l,
        ]
    )


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
