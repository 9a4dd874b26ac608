"""How good networks are in the terms of their users: accuracy, error in the unit of the target, share explained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.best import Best
from analysis.reading.units import RANGE
from survey.networks.metrics import METRICS
from survey.workloads.metrics import Metric

_Array = npt.NDArray[np.float64]

_ACCURACY, _SQUARES = (
    next(metric for metric in METRICS.all if metric.name == name)
    for name in ("test_accuracy", "test_mean_squared_error")
)
_VARIANCE = "target_variance"


@dataclass(frozen=True, slots=True)
class Quality:
    """Medians over the runs, float64 [experiments]; NaN where unknown, or of another kind of task.

    Attributes:
        accuracy: Accuracy of a classification on the test set.
        error: Root-mean-square error of a regression, in the unit of its target.
        explained: R2 of a regression: 1 - mean squared error / variance of the target over all rows.
    """

    accuracy: _Array
    error: _Array
    explained: _Array


def quality_of(experiments: pd.DataFrame, best: Best) -> Quality:
    """Return the quality of experiments on networks.

    Each run counts at the epoch that the validation loss chooses, where there is one; else each number is the best of
    its run, at an epoch of its own. The median over the runs of a root or of R2 is that of their median squared error.

    Args:
        experiments: Rows of a summary table with `task` and any of `columns_of_quality`.
        best: How they are compared.
    """

    def values(name: str) -> _Array:
        found = experiments[name] if name in experiments else pd.Series(np.nan, experiments.index)
        return np.asarray(found.to_numpy(np.float64, na_value=np.nan), np.float64)

    accuracy, squares = (values(_judged(metric, best).value()) for metric in (_ACCURACY, _SQUARES))
    of_classes = (experiments["task"] == "classification").to_numpy(bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = 1 - squares / values(_VARIANCE)
    return Quality(
        accuracy=np.where(of_classes, accuracy, np.nan),
        error=np.where(of_classes, np.nan, np.sqrt(squares) * values(RANGE)),
        explained=np.where(of_classes, np.nan, explained),
    )


def columns_of_quality() -> list[str]:
    """Name the columns that `quality_of` takes, whichever way the best epoch is chosen."""
    judged = [Best(metric, metric) for metric in (_ACCURACY, _SQUARES)]
    if METRICS.chooser:
        judged += [Best(metric, METRICS.chooser) for metric in (_ACCURACY, _SQUARES)]
    return [RANGE, _VARIANCE, *(each.value() for each in judged)]


def _judged(metric: Metric, best: Best) -> Best:
    return Best(metric, metric if best.is_optimistic else best.chosen_by)
