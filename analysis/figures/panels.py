"""Splitting experiments into the panels of a figure, and choosing which to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from analysis.reading.best import best_of
from analysis.reading.frames import column, distinct, records, varies, where
from analysis.reading.labels import SETTINGS, describe
from survey.errors import InputError
from survey.networks.metrics import METRICS

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Panel:
    """Experiments of one task that differ only in size.

    Attributes:
        title: What they have in common, such as `rectangle, depth 3, batch size 64`.
        frame: A row per experiment, by increasing `num_free_parameters`.
    """

    title: str
    frame: pd.DataFrame


def panels(frame: pd.DataFrame) -> list[Panel]:
    """Split the experiments of one task by everything in which they differ, except size.

    Panels are split by the number of epochs only if one network was trained for several; otherwise a panel has long and
    short curves together.

    Args:
        frame: Rows of a summary table, with shape, depth, size, num_free_parameters and any of `SETTINGS`.

    Returns:
        The panels, sorted by the other hyperparameters, then depth, then shape.

    Raises:
        InputError: The frame has no rows, holds several data sets, or lacks a column.
    """
    keys = _keys(frame)
    groups = frame.groupby(keys, dropna=False, sort=True)
    return [
        Panel(
            title=describe(records(cast(pd.DataFrame, group[keys]).head(1))[0], keys),
            frame=group.sort_values(["num_free_parameters", "size"]),
        )
        for _, group in groups
    ]


def _keys(frame: pd.DataFrame) -> list[str]:
    """What the experiments of a panel have in common; errors as for `panels`."""
    require(frame, ("shape", "depth", "size", "num_free_parameters"))
    datasets = sorted(set(frame["dataset"])) if "dataset" in frame.columns else []
    if len(datasets) > 1:
        raise InputError(f"expected the experiments of one data set, found those of {', '.join(datasets)}")
    keys = [*(name for name in varied(frame) if name != "epochs"), "depth", "shape"]
    if "epochs" in frame.columns and bool(frame.duplicated([*keys, "size"]).any()):
        keys.insert(0, "epochs")
    return keys


def base(frame: pd.DataFrame, free: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Select the experiments with the most frequent combination of all hyperparameters except some.

    Of equally frequent combinations, the one with the best experiment wins, or the first if the frame lacks the column
    by which experiments are compared.

    Args:
        frame: Rows of a summary table, of any number of tasks.
        free: Hyperparameters that may vary, besides data set and size.

    Returns:
        The experiments, and the values that they share of hyperparameters that vary in `frame`.
    """
    names = [name for name in ("shape", "depth", *SETTINGS) if name in frame.columns and name not in free]
    others = [name for name in ("dataset", "size", *free, *names) if name in frame.columns and name != "epochs"]
    if not frame.duplicated(others).any():  # as in `panels`
        names = [name for name in names if name != "epochs"]
    keys = [name for name in names if varies(frame, name)]
    if not keys:
        return frame, {}
    best = best_of(METRICS, frame).value()
    losses = frame[best] if best in frame.columns else pd.Series(0.0, index=frame.index)
    groups = losses.groupby([frame[name] for name in keys], dropna=False, sort=True)
    number = groups.ngroup()
    counts, least = number.value_counts(), losses.groupby(number).min()
    order = pd.DataFrame({"count": -counts, "least": least}).sort_values(["count", "least"], kind="stable")
    chosen = where(frame, number == order.index[0])
    first = {name: column(chosen, name).iloc[0] for name in keys}
    return chosen, {name: float(value) if isinstance(value, np.floating) else value for name, value in first.items()}


def base_of_tasks(frame: pd.DataFrame, free: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Select experiments as `base` does if that leaves some of every task, else with each task's own settings.

    Tasks may have no settings such as batch sizes in common. Shape and depth are always shared.
    """
    shared, fixed = base(frame, free)
    if len(distinct(shared, "dataset")) == len(distinct(frame, "dataset")):
        return shared, fixed
    own = [base(cast(pd.DataFrame, rows), ["shape", "depth"])[0] for _, rows in frame.groupby("dataset", sort=False)]
    return base(pd.concat(own), [*free, *SETTINGS])


def representative(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """Select experiments of one task that make at most `count` panels: all, if possible.

    Otherwise select those with the most frequent settings, and of their shapes and depths some, evenly chosen.
    """
    if frame.groupby(_keys(frame), dropna=False).ngroups <= count:  # faster than the panels, of which there may be many
        return frame
    shared, _ = base(frame, ["shape", "depth"])
    shapes, depths = (distinct(shared, name) for name in ("shape", "depth"))
    columns = min(len(shapes), max(3, count // len(depths)))
    kept_shapes, kept_depths = evenly(shapes, columns), evenly(depths, max(1, count // columns))
    chosen = where(shared, shared["shape"].isin(kept_shapes) & shared["depth"].isin(kept_depths))
    return chosen if len(panels(chosen)) <= count else pd.concat(panel.frame for panel in panels(chosen)[:count])


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Choose at most `count` items, evenly, including the first and the last."""
    places = np.rint(np.linspace(0, len(items) - 1, min(len(items), count)))
    return [items[int(place)] for place in places]


def require(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Check that a frame has rows and the columns.

    Raises:
        InputError: It has no rows or lacks a column.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(f"the frame lacks {', '.join(missing)}; read the table with these columns")
    if frame.empty:
        raise InputError("the frame has no experiments")


def varied(frame: pd.DataFrame) -> list[str]:
    """Return the `SETTINGS` that take more than one value, in order."""
    return [name for name in SETTINGS if name in frame.columns and varies(frame, name)]
