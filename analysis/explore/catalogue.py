"""What there is to choose from in a data set: its axes, its metrics, its statistics and its tasks, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.explore.index import LAST, Index
from analysis.reading.axes import axis_values, is_numeric, value_text, words
from analysis.reading.best import Best, best_of
from analysis.reading.frames import column
from survey.dataset.schema import BEST_STATISTICS, best_name, choice_name
from survey.text.escaping import printable
from survey.workloads.columns import Columns
from survey.workloads.metrics import Metric

PARTS = {
    "median": "median",
    "q1": "lower quartile",
    "q3": "upper quartile",
    "min": "least",
    "max": "greatest",
    "avg": "mean",
}
"""Statistics over the runs of an experiment, in the order of the menu, and their names."""

_SUPERLATIVE = {"min": "least", "max": "greatest"}
_LOGARITHMIC = 8.0
"""An axis is drawn on a logarithmic scale if its values are positive and span this factor or more."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of the experiments.

    Attributes:
        name: Its column.
        words: Its name for people.
        meaning: What it is.
        texts: Its values for people, in their order; null first.
        numbers: Its values, if all but null are numbers; None for null.
        log: Whether its values ask for a logarithmic scale.
        decides: Names of other axes whose values follow from its own where it has any.
    """

    name: str
    words: str
    meaning: str
    texts: list[str]
    numbers: list[float | None] | None
    log: bool
    decides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric by epoch.

    Attributes:
        name: The metric.
        words: Its name for people.
        meaning: What it is.
        best: Whether less or more of it is better; None if neither.
        of_runs: Its column in the rows of runs; empty if these lack it.
    """

    name: str
    words: str
    meaning: str
    best: Literal["min", "max"] | None
    of_runs: str


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number that each experiment has.

    Attributes:
        name: Its name in addresses.
        words: Its name for people: `test loss at its best epoch`.
        meaning: What it is, in a sentence.
        group: What it is listed under: the words of its metric.
        best: Whether less or more of it is better; None if neither, as of an epoch.
        columns: For each part of `PARTS` that there is, its column.
    """

    name: str
    words: str
    meaning: str
    group: str
    best: Literal["min", "max"] | None
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class Task:
    """Experiments that compare with each other: all that learn the same.

    Attributes:
        name: The task; empty if the workload has none.
        words: Its name for people.
        experiments: Number of experiments.
        statistic: Name of the statistic by which they are compared.
        compared: What is compared, in a sentence.
    """

    name: str
    words: str
    experiments: int
    statistic: str
    compared: str


def catalogue(index: Index) -> dict[str, Any]:
    """Say what there is to choose from, as values of JSON."""
    columns = index.columns
    return {
        "name": printable(index.dataset.resolve().parent.name),
        "workload": printable(columns.workload),
        "experiments": len(index.experiments),
        "runs": 0 if index.runs is None else len(index.runs),
        "task_column": columns.task_column,
        "axes": [asdict(axis) for axis in axes(index)],
        "curves": [asdict(curve) for curve in curves(index)],
        "statistics": [asdict(each) for each in statistics(index)],
        "tasks": [asdict(task) for task in tasks(index)],
        "objective": columns.metrics.objective.name,
        "parts": PARTS,
    }


def axes(index: Index) -> Iterator[Axis]:
    """Yield the axes that vary, but for the one that names the task."""
    for name in index.axes:
        values = axis_values(index.experiments, name)
        if len(values) < 2 or name == index.columns.task_column:
            continue
        numbers = [None if value is None else float(value) for value in values] if is_numeric(values) else None
        texts = [value_text(value) for value in values]
        given = index.columns.given_lists.get(name)
        yield Axis(
            name=name,
            words=words(name),
            meaning=_meaning(index.columns, name),
            texts=texts,
            numbers=numbers,
            log=_asks_for_logarithms(numbers),
            decides=given.decides if given else (),
        )


def codes(index: Index, name: str) -> npt.NDArray[np.uint32]:
    """Return the place of each experiment's value among the values of an axis, uint32 [experiments]."""
    values = column(index.experiments, name)
    found, _ = pd.factorize(values, sort=True)
    return (np.asarray(found, np.int64) + int(values.isna().any())).astype(np.uint32)


def curves(index: Index) -> Iterator[Curve]:
    """Yield the metrics that are recorded by epoch, the objective first, those of runs alone last."""
    of_runs, summarised, of_runs_alone = set(index.run_columns), [], []
    for each in sorted(index.columns.metrics.all, key=lambda metric: metric != index.columns.metrics.objective):
        own, last = each.curve if each.curve in of_runs else "", f"{each.name}{LAST}"
        meaning = printable(each.meaning.replace("_", " "))
        if last in index.experiments and index.experiments[last].notna().any():
            summarised.append(Curve(each.name, words(each.name), meaning, each.best, own))
        elif own and last not in index.experiments:
            of_runs_alone.append(Curve(each.name, words(each.name), meaning, each.best, own))
    yield from (*summarised, *of_runs_alone)


def statistics(index: Index) -> Iterator[Statistic]:
    """Yield the statistics of which at least one experiment has a value; those of the objective first."""
    metrics = index.columns.metrics
    for metric in sorted(metrics.all, key=lambda each: each != metrics.objective):
        for found in _of_metric(metric, index.columns):
            columns = {part: name for part, name in found.columns.items() if name in index.experiments}
            if columns and any(index.experiments[name].notna().any() for name in columns.values()):
                yield Statistic(found.name, found.words, found.meaning, found.group, found.best, columns)


def tasks(index: Index) -> Iterator[Task]:
    """Yield the tasks by name."""
    for name, rows in experiments_by_task(index).items():
        best = best_of(index.columns.metrics, rows)
        yield Task(name, printable(name), len(rows), statistic_of(best), best.sentence)


def experiments_by_task(index: Index) -> dict[str, pd.DataFrame]:
    """Return the rows of the experiments of each task, by name; one without a name if the workload has no tasks."""
    task = index.columns.task_column
    if not task:
        return {"": index.experiments}
    return {str(name): rows for name, rows in index.experiments.groupby(task, sort=True)}


def statistic_of(best: Best) -> str:
    """Name the statistic by which experiments are compared."""
    return best.value("median").removesuffix("_median")


def _of_metric(metric: Metric, columns: Columns) -> Iterator[Statistic]:
    name, chooser = words(metric.name), columns.metrics.chooser
    if metric.best:
        beginning, least = best_name(metric), _SUPERLATIVE[metric.best]
        text = f"{name} at its best epoch"
        meaning = f"Of each run the {least} {name}, at an epoch that this chooses itself: that is optimistic."
        yield _statistic(f"{beginning}_value", text, meaning, name, metric.best)
    if metric.at_choice and chooser:
        text = f"{name} at the epoch that {words(chooser.name)} chooses"
        meaning = f"Of each run the {name} at the epoch of its {_SUPERLATIVE[str(chooser.best)]} {words(chooser.name)}."
        yield _statistic(f"{choice_name(metric, chooser)}", text, meaning, name, metric.best)
    last = f"{name} at the last epoch"
    meaning = f"The median over the runs of the {name} after the last epoch."
    yield Statistic(f"{metric.name}_last", last, meaning, name, metric.best, {"median": f"{metric.name}{LAST}"})
    if metric.best:
        text, meaning = f"best epoch by {name}", f"Of each run the first epoch at which its {name} is best."
        yield _statistic(f"{best_name(metric)}_epoch", text, meaning, name, None)


def _statistic(beginning: str, text: str, meaning: str, group: str, best: Literal["min", "max"] | None) -> Statistic:
    parts = {part: f"{beginning}_{part}" for part in PARTS if part in BEST_STATISTICS}
    return Statistic(beginning, text, meaning, group, best, parts)


def _meaning(columns: Columns, name: str) -> str:
    return printable(columns.experiment[name][1]) if name in columns.experiment else ""


def _asks_for_logarithms(numbers: list[float | None] | None) -> bool:
    known = [number for number in numbers or [] if number is not None]
    return len(known) > 1 and min(known) > 0 and max(known) / min(known) >= _LOGARITHMIC
