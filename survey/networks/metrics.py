"""What is recorded of networks: ten statistics of training set, test set and, if there is one, validation set."""

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
"""The ten statistics of each set."""

HISTORY_COLUMNS = (*(f"val_{name}" for name in STATISTICS), *STATISTICS)
"""The twenty per-epoch columns of every run: test set (`val_`) first, then training set."""

VALIDATION_COLUMNS = tuple(f"validation_{name}" for name in STATISTICS)
"""The ten further ones of a run with a validation set; `val_` is the published name of the test set."""

INITIAL_COLUMNS = tuple(f"initial_{name}" for name in (*HISTORY_COLUMNS, *VALIDATION_COLUMNS))
"""The same statistics before training, in the same order: a number for each run, on request."""

_BEST: dict[str, Literal["min", "max"]] = {
    "loss": "min",
    "accuracy": "max",
    "mean_squared_error": "min",
    "kullback_leibler_divergence": "min",
}
"""Statistics that summaries have, and what is best of them."""


def _metric(name: str, of_set: str, column: str) -> Metric:
    return Metric(
        f"{of_set}_{name}",
        f"{name} of the {_SETS[of_set]} set",
        column,
        _BEST.get(name) if of_set == "test" or of_set + "_" + name == _CHOICE else None,
        (ALL_STATISTICS if name == "loss" else MAIN_STATISTICS) if name in _BEST else (),
        name in ("loss", "accuracy"),
        at_choice=of_set == "test" and name in _BEST,
    )


_CHOICE = "validation_loss"
"""What the epoch of a run is chosen by, where it has a validation set."""

_SETS = {"test": "test", "train": "training", "validation": "validation"}
_PREFIXES = {"test": "val_", "train": "", "validation": "validation_"}

METRICS = Metrics(
    tuple(_metric(name, of_set, _PREFIXES[of_set] + name) for of_set in _SETS for name in STATISTICS),
    choose_by=_CHOICE,
)
"""All of them, in the order of `HISTORY_COLUMNS` and `VALIDATION_COLUMNS`."""

WITHOUT_VALIDATION = METRICS.only(METRICS.names[: len(HISTORY_COLUMNS)])
"""Those of a run without a validation set."""
