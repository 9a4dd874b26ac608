"""The contents of the page on a workload other than networks: what its columns say, and nothing else of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.reading.axes import (
    axes_of,
    axis_values,
    is_numeric,
    metric_text,
    setting_text,
    value_text,
    values_text,
    varied_axes,
    words,
)
from analysis.reading.best import Best, best_of
from analysis.reading.frames import records
from analysis.reading.tables import schema_of
from analysis.report.condense import LAST, recorded
from analysis.report.facts import check_some, counts, made
from analysis.report.findings import findings
from analysis.report.forecasts import launches
from analysis.report.gaps import gaps
from analysis.report.shown import metrics_text
from analysis.report.told import told
from analysis.report.workload_sections import sections
from survey.workloads.columns import Columns

TOP = 5
"""Experiments listed before the figures."""

_FILTERS = 3
"""Most columns by which the code that loads the data selects."""

_CONSTANT = 6
"""Most axes that do not vary and have a line of their own each, with their meaning."""

_BETTER = {"min": "less is better", "max": "more is better"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A column of the table of experiments: an axis that varies."""

    name: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table of experiments. Numbers are medians over the repetitions unless said otherwise, or NaN.

    Attributes:
        settings: Values of the axes that vary, as text.
        runs: Number of runs.
        value: The objective at each run's best epoch, see `analysis.reading.best`.
        epoch: That epoch, counted from 1.
        low: Lower quartile of `value`.
        high: Upper quartile of `value`.
        last: Value at the last epoch.
    """

    settings: list[str]
    runs: int
    value: float
    epoch: float
    low: float
    high: float
    last: float


def contents(dataset: Path, columns: Columns, experiments: pd.DataFrame, most: int) -> dict[str, Any]:
    """Return the values of the template `workload.html.j2`, but the title.

    Args:
        dataset: Folder of the data set.
        columns: Columns of its workload.
        experiments: All its experiments, as `analysis.report.condense.experiments` returns them.
        most: Most experiments to list.

    Raises:
        InputError: There are no experiments.
    """
    check_some(dataset, experiments)
    objective, best = columns.metrics.objective, best_of(columns.metrics, experiments)
    ordered = experiments.iloc[best.order(experiments)]
    axes = axes_of(columns, experiments)
    varied = varied_axes(experiments, axes)
    settings = [Setting(_title(name), is_numeric(axis_values(experiments, name))) for name in varied]
    rows = list(_rows(ordered[:most], best, settings, varied))
    tasks = (
        experiments.groupby(columns.task_column, sort=True, dropna=False)
        if columns.task_column
        else [("", experiments)]
    )
    all_told = [told(dataset, some, columns, lambda row: _label(row, varied)) for _, some in tasks]
    found = gaps(dataset, experiments, lambda some: [_label(row, varied) for row in records(some)])
    finite_known = f"{objective.name}_num_finite" in schema_of(dataset).names
    return {
        "findings": findings(all_told, experiments, found, finite_known=finite_known),
        "facts": [*_facts(dataset, columns, experiments, axes), *made(dataset)],
        "objective": words(objective.name),
        "compared": best.sentence,
        "better": _BETTER[str(objective.best)],
        "meaning": objective.meaning,
        "settings": settings,
        "top": rows[:TOP],
        "rows": rows,
        "told": all_told,
        "sections": sections(dataset, columns.metrics, experiments, axes),
        "launches": launches(dataset),
        "gaps": found,
        "tasks": False,
        "finite_known": finite_known,
        "why_left_out": "they cannot be trained",
        "num_experiments": len(experiments),
        "folder": dataset.resolve().name,
        "filters": _filters(columns, ordered),
        "loaded": ["experiment_id", *varied, f"{objective.name}_median"],
        "curve": f"{objective.name}_median",
    }


def _facts(dataset: Path, columns: Columns, experiments: pd.DataFrame, axes: Sequence[str]) -> list[tuple[str, str]]:
    objective, *others = recorded(dataset, experiments, columns.metrics)
    constant = [name for name in axes if len(axis_values(experiments, name)) < 2]
    constant = constant if len(constant) > _CONSTANT else []
    listed = [name for name in (*axes, *columns.told) if name in experiments and name not in constant]
    facts = [
        ("Workload", columns.workload),
        ("Objective", f"{metric_text(objective)}; {_BETTER[str(objective.best)]}"),
        ("Other metrics", metrics_text(others)),
        *counts(dataset, experiments),
        *((_title(name), _axis(columns, experiments, name)) for name in listed),
        ("The same in all", _same_in_all(experiments, constant)),
    ]
    return [(term, text) for term, text in facts if text]


def _same_in_all(experiments: pd.DataFrame, names: Sequence[str]) -> str:
    """Word the values that some axes have in all experiments, without those that are null."""
    first = records(experiments.head(1))[0]
    return setting_text(first, [name for name in names if not pd.isna(first[name])])


def _axis(columns: Columns, experiments: pd.DataFrame, name: str) -> str:
    """The values of an axis, and what it means."""
    return f"{values_text(axis_values(experiments, name))} · {columns.experiment[name][1]}"


def _title(name: str) -> str:
    text = words(name).replace(".", " ")  # kernel_regularizer.type
    return f"{text[0].upper()}{text[1:]}"


def _label(row: Mapping[Any, Any], varied: Sequence[str]) -> str:
    return setting_text(row, varied) or "the only experiment"


def _rows(frame: pd.DataFrame, best: Best, settings: Sequence[Setting], varied: Sequence[str]) -> Iterator[Row]:
    names = (best.value(), best.epoch(), best.value("q1"), best.value("q3"), LAST)
    for row in records(frame):
        texts = [
            "–" if setting.numeric and pd.isna(row[name]) else value_text(row[name])
            for setting, name in zip(settings, varied, strict=True)
        ]
        numbers = (float(row[name]) for name in names)
        yield Row(texts, int(row["num_runs"]), *numbers)


def _filters(columns: Columns, best_first: pd.DataFrame) -> list[tuple[str, str, Any]]:
    """Conditions for the code that loads the data, which the best experiment meets: on columns in the paths."""
    best = records(best_first.head(1))[0]
    names = [name for name in columns.partition if name in best and _is_plain(best[name])]
    return [(name, "=", best[name]) for name in names[:_FILTERS]]


def _is_plain(value: Any) -> bool:
    """Whether a value is the same as Python code."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
