"""How the experiments of a task are told apart: their labels, and the panels of a figure that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from survey.errors import InputError

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
    "epochs": "{} epochs",
}
"""Hyperparameters beside data set, shape, size and depth, in the order of titles, and the words for a value."""

_PENALTY = ("kernel_regularizer.l1", "kernel_regularizer.l2")


@dataclass(frozen=True, slots=True)
class Panel:
    """Experiments of one task that differ in size alone.

    Attributes:
        title: What they have in common, such as `rectangle, depth 3, batch size 64`.
        frame: A row per experiment, by increasing `num_free_parameters`.
    """

    title: str
    frame: pd.DataFrame


def panels(frame: pd.DataFrame) -> list[Panel]:
    """Split the experiments of one task by everything they differ in but their size.

    The number of epochs tells panels apart only where one network was trained for several numbers of them: otherwise
    the long and the short curves of a panel are drawn side by side.

    Args:
        frame: Rows of a summary table, with shape, depth, size, num_free_parameters and any of `SETTINGS`.

    Returns:
        The panels, by the other hyperparameters, then depth, then shape.

    Raises:
        InputError: The frame has no rows, holds several data sets, or lacks a column.
    """
    require(frame, ("shape", "depth", "size", "num_free_parameters"))
    datasets = sorted(set(frame["dataset"])) if "dataset" in frame.columns else []
    if len(datasets) > 1:
        raise InputError(f"expected the experiments of one data set, found those of {', '.join(datasets)}")
    keys = [*(name for name in varied(frame) if name != "epochs"), "depth", "shape"]
    if "epochs" in frame.columns and bool(frame.duplicated([*keys, "size"]).any()):
        keys.insert(0, "epochs")
    groups = frame.groupby(keys, dropna=False, sort=True)
    return [
        Panel(
            title=describe(group.iloc[0].to_dict(), keys),
            frame=group.sort_values(["num_free_parameters", "size"]),
        )
        for _, group in groups
    ]


def require(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise an InputError where a frame has no rows or lacks one of the columns."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(f"the frame lacks {', '.join(missing)}; read the table with these columns")
    if frame.empty:
        raise InputError("the frame has no experiments")


def varied(frame: pd.DataFrame) -> list[str]:
    """Name the settings beside data set, shape, size and depth that take more than one value, in a fixed order."""
    return [name for name in SETTINGS if name in frame.columns and len(frame[[name]].drop_duplicates()) > 1]


def describe(row: Mapping[Any, Any], names: Sequence[str]) -> str:
    """Put an experiment in words: `rectangle, depth 3`, then those of its settings that are named."""
    return ", ".join([f"{row['shape']}, depth {row['depth']}", *settings(row, names)])


def label(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """Name an experiment within its task, such as `rectangle d3 2^10`, with those of its settings that are named."""
    return ", ".join([f"{row['shape']} d{row['depth']} {size_text(int(row['size']))}", *settings(row, names)])


def settings(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Put those settings of an experiment that are named in words, in a fixed order."""
    texts = []
    for name in (name for name in SETTINGS if name in names):
        value = row[name]
        missing = bool(pd.isna(value))
        if name == "kernel_regularizer.type" and (missing or not set(_PENALTY).isdisjoint(names)):
            texts.extend(["no penalty"] if missing else [])
        elif not missing:
            texts.append(SETTINGS[name].format(f"{value:.6g}" if isinstance(value, float) else value))
    return texts


def size_text(size: int) -> str:
    """Write a size as a power of two where it is one: `2^10`, else `1000`."""
    exponent = size.bit_length() - 1
    return f"2^{exponent}" if size == 1 << exponent else str(size)
