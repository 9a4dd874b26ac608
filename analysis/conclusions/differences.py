"""The difference between two settings, with an interval: run by run where their draws are paired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.conclusions.scores import are_paired, check_recorded, counts_by, judged_by
from analysis.conclusions.surveyed import Setting, Surveyed, one_of, surveyed, two_of
from analysis.reading.axes import setting_text, varied_axes, words
from analysis.reading.best import Best, run_values
from analysis.reading.frames import equal, records
from analysis.statistics.mean_intervals import Interval, check_level, paired_interval, unpaired_interval
from survey.errors import InputError
from survey.text.counting import counted
from survey.workloads.metrics import quantiles

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """One of two experiments that are compared.

    Attributes:
        experiment_id: Its id.
        setting: The settings in which the two differ, in words: `depth 3`.
        runs: Number of its runs that are compared.
        not_finite: Number of those that have no finite score.
        mean: Mean of their scores; NaN if one is not finite.
        median: Median of their scores, those that are not finite last.
    """

    experiment_id: int
    setting: str
    runs: int
    not_finite: int
    mean: float
    median: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What `difference` returns; `str` of it is a paragraph.

    Attributes:
        metric: What is compared: the name of a metric.
        a: One experiment.
        b: The other.
        paired: Whether runs of the same repetition were compared with each other.
        difference: Mean score of b less that of a; NaN if a run has no finite score.
        low: Lower end of its interval; NaN if there is none.
        high: Upper end of its interval.
        level: Level of the interval.
        median_difference: If paired, the median of the differences of the runs; else the difference of the medians.
        remarks: Sentences: what is compared, how, and what is left out.
    """

    metric: str
    a: Side
    b: Side
    paired: bool
    difference: float
    low: float
    high: float
    level: float
    median_difference: float
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        name = words(self.metric)
        means = f"{name} of {self.b.setting} less that of {self.a.setting}: "
        if np.isnan(self.low):
            number = "unknown" if np.isnan(self.difference) else f"{self.difference:.4g}, without an interval"
        else:
            number = f"{self.difference:.4g}, between {self.low:.4g} and {self.high:.4g} at {100 * self.level:.4g} %"
        return f"{means}{number}. {' '.join(self.remarks)}"


def difference(
    dataset: str | Path,
    a: Setting,
    b: Setting,
    *,
    other: str | Path | None = None,
    metric: str | None = None,
    level: float = 0.95,
) -> Difference:
    """Estimate by how much two settings differ, from the scores of their runs.

    A run's score is what it counts by (`analysis.reading.best`). What is estimated is the difference of the mean scores
    over all the runs that could be made, mean of b less mean of a. If both experiments have paired draws, the interval
    is Student's for the mean of the differences between runs of the same repetition; else it is Welch's. Both hold for
    few runs as far as these differences are about normal; docs/conclusions.md says how far they hold otherwise.

    Args:
        dataset: Folder of the data set.
        a: An experiment: its id, or settings such as `{"depth": 3}`. Settings that it does not name are as in b.
        b: The other one.
        other: Folder of the data set of b, if that is another one, of networks and of a module for instance. Then a and
            b each name all settings that they need.
        metric: A metric that has a best; the objective by default.
        level: Level of the interval.

    Returns:
        The difference. There is no interval if a run has no finite score, as then there is no mean, or if one of the
        two has fewer than two runs.

    Raises:
        InputError: a or b is not one experiment, both are the same or learn different tasks, the metric has no best,
            the level is not between 0 and 1, a data set has no table of runs, or two data sets have other data under
            the name of the task, or choose epochs by other metrics.
        ExportError: A file of the data set is damaged.
    """
    check_level(level)
    if other is None:
        return difference_among(surveyed(dataset), a, b, metric=metric, level=level)
    return _between(_found(dataset, "a", a, metric), _found(other, "b", b, metric), level)


def difference_among(
    known: Surveyed, a: Setting, b: Setting, *, metric: str | None = None, level: float = 0.95
) -> Difference:
    """Estimate by how much two settings differ, as `difference`, of experiments that have been read already."""
    dataset = known.dataset
    both = pd.concat(two_of(known, a, b), ignore_index=True)
    task = known.columns.task_column
    if task and len(set(both[task])) > 1:
        raise InputError(f"a and b learn different tasks, {' and '.join(both[task])}, whose scores do not compare")
    best = judged_by(known.columns, both, metric)
    check_recorded(dataset, best)
    runs = run_values(dataset, both, best)
    paired = are_paired(both, runs)
    values, unshared = _scores(runs, both["experiment_id"], paired)
    differing = varied_axes(both, known.axes)
    sides = [
        _side(row, setting_text(row, differing), scores) for row, scores in zip(records(both), values, strict=True)
    ]
    return _difference(best, sides, values, level, paired=paired, unshared=unshared)


def _difference(
    best: Best, sides: Sequence[Side], values: tuple[_Array, _Array], level: float, *, paired: bool, unshared: int
) -> Difference:
    """The difference between two sides with these scores."""
    finite = all(side.runs and not side.not_finite for side in sides)
    interval = (paired_interval if paired else unpaired_interval)(*values, level) if finite else _NONE
    return Difference(
        metric=best.metric.name,
        a=sides[0],
        b=sides[1],
        paired=paired,
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        level=level,
        median_difference=_median_difference(*values, paired) if finite else np.nan,
        remarks=(counts_by(best), *_remarks(sides, paired, unshared)),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """An experiment of one of two data sets.

    Attributes:
        dataset: The data set.
        known: Its experiments.
        row: The experiment, a frame of one row.
        best: What its runs count by.
        runs: A row for each run: seed, repetition, value.
    """

    dataset: str | Path
    known: Surveyed
    row: pd.DataFrame
    best: Best
    runs: pd.DataFrame

    @property
    def task(self) -> tuple[object, ...]:
        """What it learns, and the digest of its data."""
        names = (self.known.columns.task_column, "task_digest")
        return tuple(self.row[name].iloc[0] for name in names if name in self.row)


def _found(dataset: str | Path, which: str, setting: Setting, metric: str | None) -> _Found:
    known = surveyed(dataset)
    row = one_of(known, which, setting)
    best = judged_by(known.columns, row, metric)
    check_recorded(dataset, best)
    runs = run_values(dataset, row, best)
    if not are_paired(row, runs):
        runs = runs.drop(columns="seed", errors="ignore")
    return _Found(dataset, known, row, best, runs)


def _between(a: _Found, b: _Found, level: float) -> Difference:
    """The difference between experiments of two data sets."""
    if a.task != b.task:
        raise InputError(
            f"a and b learn different tasks, or other data: {a.task} in {a.dataset}, {b.task} in {b.dataset}; their "
            "scores do not compare"
        )
    if (a.best.metric.name, a.best.chosen_by.name) != (b.best.metric.name, b.best.chosen_by.name):
        raise InputError(
            f"runs count by {a.best.metric.name} at the best {a.best.chosen_by.name} in {a.dataset}, and by "
            f"{b.best.metric.name} at the best {b.best.chosen_by.name} in {b.dataset}: these do not compare"
        )
    paired = all("seed" in each.runs for each in (a, b))
    by_seed = [each.runs.set_index("seed")["value"] if paired else each.runs["value"] for each in (a, b)]
    shared = by_seed[0].index.intersection(by_seed[1].index)
    paired = paired and len(shared) > 0
    if paired:
        unshared = len(by_seed[0]) + len(by_seed[1]) - 2 * len(shared)
        by_seed = [values.loc[shared] for values in by_seed]
    else:
        unshared = 0
    values = by_seed[0].to_numpy(np.float64), by_seed[1].to_numpy(np.float64)
    sides = [
        _side(row, _text_of(each), scores)
        for each, scores in zip((a, b), values, strict=True)
        for row in records(each.row)
    ]
    return _difference(a.best, sides, values, level, paired=paired, unshared=unshared)


def _text_of(found: _Found) -> str:
    """An experiment in words: its workload, and the axes that vary in its data set."""
    (row,) = records(found.row)
    return " ".join([found.known.columns.workload, setting_text(row, found.known.axes)]).strip()


_NONE = Interval(np.nan, np.nan, np.nan)


def _scores(runs: pd.DataFrame, ids: Iterable[int], paired: bool) -> tuple[tuple[_Array, _Array], int]:
    """The scores of two experiments, if paired in the same order, and the number of runs that have no partner."""
    one, other = (equal(runs, "experiment_id", each).set_index("repetition")["value"] for each in ids)
    if not paired:
        return (one.to_numpy(np.float64), other.to_numpy(np.float64)), 0
    shared = one.index.intersection(other.index)
    partners = one.loc[shared].to_numpy(np.float64), other.loc[shared].to_numpy(np.float64)
    return partners, len(one) + len(other) - 2 * len(shared)


def _side(row: dict[str, Any], setting: str, values: _Array) -> Side:
    not_finite = int((~np.isfinite(values)).sum())
    mean = float(values.mean()) if len(values) and not not_finite else np.nan
    median = float(quantiles(values, [0.5])[0]) if len(values) else np.nan
    return Side(int(row["experiment_id"]), setting, len(values), not_finite, mean, median)


def _median_difference(a: _Array, b: _Array, paired: bool) -> float:
    return float(np.median(b - a) if paired else np.median(b) - np.median(a))


def _remarks(sides: Sequence[Side], paired: bool, unshared: int) -> Iterator[str]:
    if paired:
        yield f"Paired: {counted(sides[0].runs, 'repetition')}, each with the same draws in both."
    else:
        yield (
            f"Unpaired: {counted(sides[0].runs, 'run')} and {counted(sides[1].runs, 'run')} with draws of their own, "
            "so that the luck of these draws is in the difference."
        )
    if unshared:
        yield f"{counted(unshared, 'run')} without a partner {'is' if unshared == 1 else 'are'} left out."
    for side in sides:
        if side.not_finite:
            yield (
                f"{side.not_finite:,} of {counted(side.runs, 'run')} of {side.setting} diverged: without a finite "
                "score there is no mean, and no interval of it."
            )
    if not sides[0].runs and paired:
        yield "They have no repetition in common."
    elif min(side.runs for side in sides) < 2:
        yield "One run tells nothing of how runs differ: repeat both settings."
