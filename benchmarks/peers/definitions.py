"""The statistics as their definitions read, for torch or jax.numpy: sums over the rows of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from survey.networks.metrics import STATISTICS

_EPSILON = 1e-7
_RMSE = STATISTICS.index("root_mean_squared_error")


def softmax_sums(xp: Any, log_p: Any, y: Any) -> Any:
    """Sum the ten statistics over the rows of a batch, [10]; the root_mean_squared_error is left as its mean square.

    Args:
        xp: `torch` or `jax.numpy`.
        log_p: Log-probabilities [rows, classes].
        y: One-hot targets [rows, classes].
    """
    p = xp.exp(log_p)
    error = p - y
    squared = (error * error).mean(1).sum()
    margin = xp.clip(1.0 - (2.0 * y - 1.0) * p, 0.0, None)
    log_p1 = xp.log(xp.clip(p, _EPSILON, None) + 1.0)
    log_y1 = xp.log(xp.clip(y, _EPSILON, None) + 1.0)
    clipped_p, clipped_y = xp.clip(p, _EPSILON, 1.0), xp.clip(y, _EPSILON, 1.0)
    correct = p.argmax(1) == y.argmax(1)
    return xp.stack(
        [
            -(y * log_p).sum(),
            (correct * 1.0).sum(),
            squared,
            xp.abs(error).mean(1).sum(),
            squared,
            ((log_p1 - log_y1) * (log_p1 - log_y1)).mean(1).sum(),
            margin.mean(1).sum(),
            (margin * margin).mean(1).sum(),
            ((p * y).sum(1) / xp.sqrt((p * p).sum(1))).sum(),
            (clipped_y * xp.log(clipped_y / clipped_p)).sum(),
        ]
    )


def regression_sums(xp: Any, p: Any, y: Any) -> Any:
    """Sum the ten statistics of predictions [rows, outputs] over the rows of a batch, as `softmax_sums` does.

    The hinge labels are taken as they are: none of the tasks here has a batch of zeros and ones alone.
    """
    error = p - y
    squared = (error * error).mean(1).sum()
    margin = xp.clip(1.0 - y * p, 0.0, None)
    log_p1 = xp.log(xp.clip(p, _EPSILON, None) + 1.0)
    log_y1 = xp.log(xp.clip(y, _EPSILON, None) + 1.0)
    clipped_p, clipped_y = xp.clip(p, _EPSILON, 1.0), xp.clip(y, _EPSILON, 1.0)
    lengths = xp.clip(xp.sqrt((p * p).sum(1)), _EPSILON, None) * xp.clip(xp.sqrt((y * y).sum(1)), _EPSILON, None)
    return xp.stack(
        [
            squared,
            ((p.argmax(1) == y.argmax(1)) if p.shape[1] > 1 else (y[:, 0] == (p[:, 0] > 0.5) * 1.0)).sum() * 1.0,
            squared,
            xp.abs(error).mean(1).sum(),
            squared,
            ((log_p1 - log_y1) * (log_p1 - log_y1)).mean(1).sum(),
            margin.mean(1).sum(),
            (margin * margin).mean(1).sum(),
            ((p * y).sum(1) / lengths).sum(),
            (clipped_y * xp.log(clipped_y / clipped_p)).sum(),
        ]
    )


def epoch_statistics(test_sums: np.ndarray, num_test: int, train_sums: np.ndarray, num_train: int) -> np.ndarray:
    """Turn sums [..., 10] of the test and training set into the statistics, [20, ...], test set first."""
    parts = [test_sums / num_test, train_sums / num_train]
    for part in parts:
        part[..., _RMSE] = np.sqrt(part[..., _RMSE])
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, 0)
