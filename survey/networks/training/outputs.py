"""Output layers with their losses: the terms of the statistics, and the gradient that the backward pass starts from.

Three kinds of task (the definitions of the BUTTER data set, which are those of Keras):

    softmax      more than two classes: categorical cross-entropy, from log-softmax
    binary       two classes: one sigmoid unit, binary cross-entropy from the logit
    regression   sigmoid outputs, mean squared error

For each minibatch an output layer stores its `scores` (log-probabilities, logits, or predictions) and its `errors`
(predictions minus targets). The ten statistics of an epoch are computed from these at once, see `statistics`.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor

OutputKind = Literal["softmax", "binary", "regression"]


def output_kind(task_kind: str, num_outputs: int) -> OutputKind:
    """Return the kind of output layer for a `classification` or `regression` task with `num_outputs` outputs."""
    if task_kind == "regression":
        return "regression"
    return "softmax" if num_outputs > 1 else "binary"


def _softmax(logits: Tensor, labels: Tensor, scores: Tensor, errors: Tensor) -> None:
    torch.log_softmax(logits, 1, out=scores)
    torch.exp(scores, out=errors)
    errors.scatter_add_(1, labels, _minus_ones(labels.shape, errors.dtype, errors.device))


@cache  # never freed, as a recorded graph keeps reading it
def _minus_ones(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full(shape, -1.0, dtype=dtype, device=device)


def _binary(logits: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> None:
    scores.copy_(logits)
    torch.sigmoid(logits, out=errors).sub_(targets)


def _regression(logits: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> None:
    torch.sigmoid(logits, out=scores)
    torch.sub(scores, targets, out=errors)


APPLY = {"softmax": _softmax, "binary": _binary, "regression": _regression}
"""Output layers by kind: `apply(logits, targets, scores, errors)`, all [runs, outputs, rows].

Sets `scores` to the log-probabilities (softmax), the logits (binary) or the predictions (regression), and `errors` to
predictions minus targets. Targets of softmax are int64 [runs, 1, rows], the class of each row.
"""


def output_gradient(kind: OutputKind, scores: Tensor, errors: Tensor, num_valid: int, out: Tensor) -> None:
    """Compute the gradient of the mean loss of a minibatch with respect to the logits.

    For a row it is the error for both cross-entropies, and 2 (p - y) p (1 - p) / outputs for the squared error of p.

    Args:
        kind: Kind of output layer.
        scores: [runs, outputs, rows], as set by the output layer.
        errors: [runs, outputs, rows], likewise.
        num_valid: Rows of the minibatch; the others are padding, whose gradient is zero.
        out: [runs, outputs, rows], set to the gradient.
    """
    if kind == "regression":
        torch.addcmul(scores, scores, scores, value=-1.0, out=out)
        out.mul_(errors).mul_(2.0 / (scores.shape[1] * num_valid))
    else:
        torch.mul(errors, 1.0 / num_valid, out=out)
    if num_valid < out.shape[2]:
        out[:, :, num_valid:] = 0.0
