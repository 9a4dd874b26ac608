"""Output layers with their losses: the gradient that training starts from, and what the statistics are made of.

Three kinds of task (the definitions of the BUTTER data set, which are those of Keras):

    softmax      more than two classes: categorical cross-entropy, from log-softmax
    binary       two classes: one sigmoid unit, binary cross-entropy from the logit
    regression   sigmoid outputs, mean squared error

For each minibatch an output layer stores its `scores` (log-probabilities, logits, or predictions) and its `errors`
(predictions minus targets). The ten statistics of an epoch are made of these in one go, see `statistics`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

OutputKind = Literal["softmax", "binary", "regression"]


def output_kind(task_kind: str, num_outputs: int) -> OutputKind:
    """Return the kind of output layer for a task of `classification` or `regression` with so many outputs."""
    if task_kind == "regression":
        return "regression"
    return "softmax" if num_outputs > 1 else "binary"


def apply_softmax(logits: Tensor, labels: Tensor, scores: Tensor, errors: Tensor) -> Tensor:
    """Softmax and categorical cross-entropy.

    Args:
        logits: [runs, classes, rows].
        labels: int64 [runs, 1, rows], the class of each row.
        scores: [runs, classes, rows], set to the log-probabilities.
        errors: [runs, classes, rows], set to probability - target.

    Returns:
        The gradient of each row's loss by the logits, which is `errors` itself.
    """
    torch.log_softmax(logits, 1, out=scores)
    torch.exp(scores, out=errors)
    return errors.scatter_add_(1, labels, _minus_ones(labels.shape, errors.dtype, errors.device))


@lru_cache(maxsize=32)
def _minus_ones(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full(shape, -1.0, dtype=dtype, device=device)


def apply_binary(logits: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> Tensor:
    """One sigmoid unit and binary cross-entropy; arguments as in `apply_softmax`, with targets of 0 and 1.

    `scores` is set to the logits. All arrays are [runs, 1, rows].
    """
    scores.copy_(logits)
    return torch.sigmoid(logits, out=errors).sub_(targets)


def apply_regression(logits: Tensor, targets: Tensor, scores: Tensor, errors: Tensor) -> Tensor:
    """Sigmoid outputs and mean squared error; arguments as in `apply_softmax`, with targets [runs, outputs, rows].

    `scores` is set to the predictions p. The gradient is 2 (p - y) p (1 - p) / outputs; it overwrites `logits`.
    """
    torch.sigmoid(logits, out=scores)
    torch.sub(scores, targets, out=errors)
    slope = torch.addcmul(scores, scores, scores, value=-1.0, out=logits)
    return slope.mul_(errors).mul_(2.0 / logits.shape[1])


APPLY = {"softmax": apply_softmax, "binary": apply_binary, "regression": apply_regression}
"""Output layers by kind."""
