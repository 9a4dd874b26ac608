"""Experiments in words: their labels, their settings, and the unit of their losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from survey.text.escaping import printable

SETTINGS = {
    "learning_rate": "learning rate {}",
    "batch_size": "batch size {}",
    "optimizer": "{}",
    "momentum": "momentum {}",
    "kernel_regularizer.type": "{} penalty",
    "kernel_regularizer.l1": "l1 {}",
    "kernel_regularizer.l2": "l2 {}",
    "label_noise": "label noise {}",
    "activation": "{}",
    "validation_split": "validation split {}",
    "train_fraction": "train fraction {}",
    "weight_decay": "weight decay {}",
    "schedule": "{} learning rate",
    "warmup_epochs": "{} epochs of warm-up",
    "step_epochs": "steps every {} epochs",
    "step_factor": "by a factor of {}",
    "gradient_clip": "gradients clipped at {}",
    "initialization": "{} weights",
    "dropout": "dropout {}",
    "normalization": "normalization {}",
    "precision": "{} products",
    "epochs": "{} epochs",
    "draws": "{} draws",
}
"""Hyperparameters besides data set, shape, size and depth, in the order of titles, and the words for a value."""

UNSAID = {
    "train_fraction": 1.0,
    "schedule": "constant",
    "step_factor": 1.0,
    "initialization": "glorot_uniform",
    "normalization": "none",
    "precision": "float32",
}
"""Values that say that a hyperparameter has no effect; of the others it is 0."""

_LOSSES = {
    "classification": "loss: cross-entropy (nats)",
    "regression": "loss: squared error (of a target in 0..1)",
}
_GIVEN_WIDTHS = "widths"
"""The shape of networks whose hidden layers were given one by one: their size and depth only follow."""

_PENALTY = ("kernel_regularizer.l1", "kernel_regularizer.l2")


def fixed_text(values: Mapping[str, Any]) -> str:
    """Word the values that `base` returns: `shape rectangle, depth 3, learning rate 0.0001`."""
    named = [f"{name} {values[name]}" for name in ("shape", "depth") if name in values]
    return ", ".join([*named, *settings(values, list(values))])


def loss_words(frame: pd.DataFrame) -> str:
    """Name the loss with its unit; just `loss` if the kinds of tasks differ or are unknown."""
    kinds = set(frame["task"]) if "task" in frame.columns else set()
    return _LOSSES[kinds.pop()] if len(kinds) == 1 and kinds <= set(_LOSSES) else "loss"


def describe(row: Mapping[Any, Any], names: Sequence[str]) -> str:
    """Word an experiment: `rectangle, depth 3`, then its settings in `names`."""
    return ", ".join([f"{row['shape']}, depth {row['depth']}", *settings(row, names)])


def label(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """Name an experiment within its task: `rectangle d3 2^10`, or `widths 64-32`; then its settings in `names`."""
    return ", ".join([_network_text(row), *settings(row, names)])


def _network_text(row: Mapping[str, Any]) -> str:
    widths = row.get("widths")
    if row["shape"] == _GIVEN_WIDTHS and widths is not None:
        return f"{_GIVEN_WIDTHS} {'-'.join(map(str, widths[:-1])) or 'linear'}"  # the last layer is that of the outputs
    return f"{row['shape']} d{row['depth']} {size_text(int(row['size']))}"


def settings(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Word the settings of an experiment in `names`, in the order of `SETTINGS`."""
    texts = []
    for name in (name for name in SETTINGS if name in names):
        value = row[name]
        missing = bool(pd.isna(value))
        if name == "kernel_regularizer.type" and (missing or not set(_PENALTY).isdisjoint(names)):
            texts.extend(["no penalty"] if missing else [])
        elif not missing:
            texts.append(SETTINGS[name].format(f"{value:.6g}" if isinstance(value, float) else value))
    return texts


def figure_text(text: str) -> str:
    """Escape a text for a figure, so that a dollar sign begins no formula."""
    return printable(text).replace("$", r"\$")


def size_text(size: int) -> str:
    """Write a size, as a power of two if it is one: `2^10`, `1000`."""
    exponent = size.bit_length() - 1
    return f"2^{exponent}" if size == 1 << exponent else str(size)
