"""The experiments of a data set with their axes, and how one names one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.reading.axes import (
    axes_of,
    axis_values,
    given_lists_as_text,
    list_text,
    lists_as_text,
    setting_text,
    values_text,
    varied_axes,
)
from analysis.reading.best import columns_of_best
from analysis.reading.frames import column, where
from analysis.reading.tables import read, schema_of
from survey.dataset.schema import columns_in
from survey.errors import InputError, nearest
from survey.workloads.columns import Columns

Setting = int | Mapping[str, Any]
"""An experiment: its id, or values of axes that tell it from the others."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The experiments of a data set.

    Attributes:
        dataset: Its folder.
        columns: Columns of its workload.
        experiments: A row for each experiment: its columns, `num_runs`, and those that say what is best; no curves,
            and lists as text.
        axes: The axes in which the experiments differ.
    """

    dataset: str | Path
    columns: Columns
    experiments: pd.DataFrame
    axes: tuple[str, ...]


def surveyed(dataset: str | Path) -> Surveyed:
    """Read the experiments of a data set.

    Raises:
        InputError: The folder is not a data set, or has no experiments.
        ExportError: A file of the data set is damaged.
    """
    schema = schema_of(dataset)
    columns = columns_in(schema.metadata, dataset)
    wanted = [*columns.experiment, "num_runs", *columns_of_best(columns.metrics, ["median"])]
    names = [name for name in dict.fromkeys(wanted) if name in schema.names]
    lists = [name for name, (kind, _) in columns.experiment.items() if pa.types.is_nested(kind)]
    others = [name for name in lists if name not in columns.given_lists]
    experiments = given_lists_as_text(lists_as_text(read(dataset, columns=names), others), columns)
    if experiments.empty:
        raise InputError(f"{dataset}: no experiments in complete_summary/ yet; export some runs first")
    axes = varied_axes(experiments, axes_of(columns, experiments))
    return Surveyed(dataset, columns, experiments, tuple(axes))


def two_of(known: Surveyed, a: Setting, b: Setting) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find two experiments.

    Args:
        known: The experiments.
        a: Id of an experiment, or values of axes. Axes that it does not name are as in b.
        b: The same of the other.

    Returns:
        Two frames of one row.

    Raises:
        InputError: There is no such experiment, or several, or both are the same.
    """
    settings = [_setting(known, which, setting) for which, setting in (("a", a), ("b", b))]
    found = tuple(
        _one(known, which, own, {**other, **own})
        for which, own, other in (("a", settings[0], settings[1]), ("b", settings[1], settings[0]))
    )
    if found[0]["experiment_id"].iloc[0] == found[1]["experiment_id"].iloc[0]:
        raise InputError(f"a and b are the same experiment, {found[0]['experiment_id'].iloc[0]}; name two that differ")
    return found[0], found[1]


def one_of(known: Surveyed, which: str, setting: Setting) -> pd.DataFrame:
    """Find one experiment, by its id or by values of axes; return a frame of one row.

    Raises:
        InputError: There is no such experiment, or several; the message names it as `which`.
    """
    values = _setting(known, which, setting)
    return _one(known, which, values, values)


def _setting(known: Surveyed, which: str, given: Setting) -> dict[str, Any]:
    """The values of the axes that a setting names: of an id all of them."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in known.experiments.columns:
                raise InputError(
                    f"{which}: {name!r} is no setting of these experiments{nearest(name, known.axes)}; "
                    f"they differ in {', '.join(known.axes) or 'nothing'}"
                )
        return {name: _one_value(known.columns, which, name, value) for name, value in given.items()}
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        rows = where(known.experiments, known.experiments["experiment_id"] == int(given))
        if rows.empty:
            raise InputError(
                f"{which}: no experiment has the id {given}; read the column experiment_id for those there"
            )
        return {name: rows[name].iloc[0] for name in known.axes}
    raise InputError(f"{which} is {given!r}; expected the id of an experiment, or settings such as {{'depth': 3}}")


def _one_value(columns: Columns, which: str, name: str, value: Any) -> Any:
    """A value as experiments have it: a list is one value where the values of the column are lists."""
    if not np.ndim(value):
        return value
    if name in columns.experiment and pa.types.is_nested(columns.experiment[name][0]):
        return list_text(value)
    raise InputError(f"{which}: {name} is {value!r}; expected one value, not several")


def _one(known: Surveyed, which: str, own: Mapping[str, Any], values: Mapping[str, Any]) -> pd.DataFrame:
    """The experiment with some values."""
    rows = known.experiments
    for name, value in values.items():
        rows = where(rows, _equal(column(rows, name), value))
        if rows.empty:
            there = values_text(axis_values(known.experiments, name))
            raise InputError(
                f"{which}: no experiment has {setting_text(values, list(values))}; "
                f"those that there are have a {name} of {there}"
            )
    if len(rows) > 1:
        free = varied_axes(rows, known.axes)
        differ = "; ".join(f"{name}: {values_text(axis_values(rows, name))}" for name in free)
        raise InputError(
            f"{which}: {setting_text(own, list(own)) or 'nothing'} fits {len(rows):,} experiments, which differ in "
            f"{differ or 'their ids alone'}. Name these in a or in b, whose other settings are equal, or give an id"
        )
    return rows


def _equal(values: pd.Series, value: Any) -> Sequence[bool]:
    """Where a column has a value; real numbers are equal if they are the same as float32."""
    if pd.isna(value):
        return values.isna().tolist()
    if isinstance(value, float | np.floating):
        return [isinstance(each, int | float) and np.float32(each) == np.float32(value) for each in values]
    return [each == value for each in values]
