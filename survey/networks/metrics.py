"""What is recorded of networks: ten statistics of the training set and of the test set."""

from __future__ import annotations

from typing import Literal

from survey.workloads.metrics import ALL_STATISTICS, MAIN_STATISTICS, Metric, Metrics

STATISTICS = (
    "loss",
    "accuracy",
    "mean_squared_error",
    "mean_absolute_error",
    "root_mean_squared_error",
    "mean_squared_logarithmic_error",
    "hinge",
    "squared_hinge",
    "cosine_similarity",
    "kullback_leibler_divergence",
)
"""The ten statistics of the training set and of the test set."""

HISTORY_COLUMNS = (*(f"val_{name}" for name in STATISTICS), *STATISTICS)
"""The twenty per-epoch columns of a run: test set (`val_`) first, then training set."""

_BEST: dict[str, Literal["min", "max"]] = {
    "loss": "min",
    "accuracy": "max",
    "mean_squared_error": "min",
    "kullback_leibler_divergence": "min",
}
"""Statistics that summaries have, and what is best of them."""


def _metric(column: str) -> Metric:
    name = column.removeprefix("val_")
    is_test = name != column
    return Metric(
        f"test_{name}" if is_test else f"train_{name}",
        f"{name} of the {'test' if is_test else 'training'} set",
        column,
        _BEST.get(name) if is_test else None,
        (ALL_STATISTICS if name == "loss" else MAIN_STATISTICS) if name in _BEST else (),
        name in ("loss", "accuracy"),
    )


METRICS = Metrics(tuple(map(_metric, HISTORY_COLUMNS)))
