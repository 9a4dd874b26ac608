"""What matters: the share of the variance of scores that each axis and each pair of axes explains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.conclusions.full_grid import FullGrid, largest_grid, thinned
from analysis.conclusions.scores import Scores, as_compared, judged_by, left_out, read_scores
from analysis.conclusions.surveyed import surveyed
from analysis.reading.axes import axis_values, setting_text, values_text, varied_axes, words
from analysis.reading.best import Best
from analysis.reading.frames import records
from analysis.statistics.variance_components import Components, components
from survey.text.counting import counted

HIGHER, NOISE = "three and more axes", "repetitions"
"""Names of the effects that belong to no axis or pair."""

ReadScores = Callable[[str | Path, pd.DataFrame, Best], Scores]
"""Returns the scores of experiments of a data set, as `analysis.conclusions.scores.read_scores` does."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A part of the variance of the scores.

    Attributes:
        axes: The axis, or the two axes whose interaction it is; none for `HIGHER` and `NOISE`.
        name: Its name: `size`, `size × depth`.
        share: Its share of the variance of one run of one setting of the grid, both drawn at random; NaN if all scores
            are equal, or for the noise of single runs.
    """

    axes: tuple[str, ...]
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Effects:
    """What matters for the scores of a task.

    Attributes:
        best: What a run counts by.
        effects: Axes, by their shares, then pairs, by their shares, `HIGHER` if there are three axes, and `NOISE`.
        computed_on: How many experiments and runs it was computed on, of how many, and what they have in common.
        remarks: Further sentences: scale, pairing, what is left out.
    """

    best: Best
    effects: tuple[Effect, ...]
    computed_on: str
    remarks: tuple[str, ...]


def effects(dataset: str | Path, metric: str | None = None) -> pd.DataFrame:
    """Compute which share of the variance of the scores each axis and each pair of axes explains, for each task.

    A run's score is what it counts by (`analysis.reading.best`): its logarithm where less is better and all scores are
    positive, as for a loss, so that an effect is a factor and the noise of good and bad settings is alike; else the
    score itself (`analysis.conclusions.scores.as_compared`). The shares are of the variance of one run of one setting,
    both drawn at random, and add up to 1: functional analysis of variance, exact on a full grid with equal repetitions,
    corrected for the noise in means of few repetitions (`analysis.statistics.variance_components`). On a union of grids
    it is computed on a full grid among them (`analysis.conclusions.full_grid`).

    Args:
        dataset: Folder of the data set.
        metric: A metric that has a best; the objective by default.

    Returns:
        A row for each task and effect: the task, if the workload has tasks; `effect`, `share`, float64, and
        `computed_on`, in words. Effects are the axes, the pairs (`size × depth`), `three and more axes` together, and
        `repetitions`: the noise between runs of a setting. The noise is NaN where there are no repetitions; then the
        others contain it.

    Raises:
        InputError: The folder is not a data set, has no experiments or no table of runs, or the metric has no best.
        ExportError: A file of the data set is damaged.
    """
    known = surveyed(dataset)
    task = known.columns.task_column
    groups = known.experiments.groupby(task, sort=True) if task else [("", known.experiments)]
    rows: list[dict[str, object]] = []
    for name, experiments in groups:
        found = effects_of(dataset, experiments, known.axes, judged_by(known.columns, experiments, metric))
        rows += [
            {task: name, "effect": effect.name, "share": effect.share, "computed_on": found.computed_on}
            for effect in found.effects
        ]
    return pd.DataFrame(rows, columns=[*([task] if task else []), "effect", "share", "computed_on"])


def effects_of(
    dataset: str | Path,
    experiments: pd.DataFrame,
    axes: Sequence[str],
    best: Best,
    most: int | None = None,
    *,
    read: ReadScores = read_scores,
) -> Effects:
    """Compute the effects on experiments of one task.

    Args:
        dataset: Folder of the data set.
        experiments: Rows of its summary, all of one task.
        axes: Their axes.
        best: What a run counts by.
        most: Most experiments whose runs are read; of a larger grid some values are left out.
        read: Returns the scores of some experiments of the data set: from its files, unless they are known already.
    """
    grid = largest_grid(experiments, axes)
    chosen = grid if most is None else thinned(grid, most)
    scores = read(dataset, chosen.experiments, best)
    if scores.experiments.empty or not scores.repetitions:
        return Effects(best, (), "no experiment", tuple(left_out(scores.incomplete, scores.diverged, scores.unused)))
    # Without those that lack runs or have diverged, what is left need not be a full grid.
    used = largest_grid(scores.experiments, axes)
    scores = scores.of(used.experiments)
    values, in_log = as_compared(scores.values, best)
    parts = components(values.reshape(*used.levels, scores.repetitions), paired=scores.paired)
    return Effects(
        best,
        tuple(_effects(parts, used.axes)),
        _computed_on(experiments, used, axes, scores.repetitions),
        (*_remarks(scores, used, parts, in_log=in_log), *_unread(grid, chosen)),
    )


def _effects(parts: Components, axes: Sequence[str]) -> Iterator[Effect]:
    total = parts.total or math.nan
    found = [
        Effect(names, " × ".join(map(words, names)), variance / total)
        for term, variance in parts.terms.items()
        for names in [tuple(axes[place] for place in term)]
    ]
    yield from sorted(found, key=lambda effect: (len(effect.axes), -effect.share))
    if len(axes) > 2:
        yield Effect((), HIGHER, parts.higher / total)
    yield Effect((), NOISE, parts.noise / total)


def _computed_on(experiments: pd.DataFrame, used: FullGrid, axes: Sequence[str], repetitions: int) -> str:
    runs = f"{counted(repetitions, 'run')} each"
    if len(used.experiments) == len(experiments):
        return f"all {counted(len(experiments), 'experiment')}, {runs}"
    crossed = [f"{words(name)} {values_text(axis_values(used.experiments, name))}" for name in used.axes]
    fixed = [name for name in varied_axes(experiments, axes) if not varied_axes(used.experiments, [name])]
    at = f"; at {setting_text(records(used.experiments.head(1))[0], fixed)}" if fixed else ""
    return f"{len(used.experiments):,} of {counted(len(experiments), 'experiment')}, {runs}: {'; '.join(crossed)}{at}"


def _remarks(scores: Scores, used: FullGrid, parts: Components, *, in_log: bool) -> Iterator[str]:
    if in_log:
        yield "The variance is that of the logarithms, so that an effect is a factor."
    for name, others in used.together.items():
        yield f"{words(name)} stands for {' and '.join(map(words, others))} too, which it determines here."
    if math.isnan(parts.noise):
        yield "There is one run of each: the noise of repetitions is unknown, and is part of all shares."
    elif parts.total == 0:
        yield "All scores are equal."
    if parts.repetition:
        yield "What a repetition does to all settings alike is taken out, as draws are paired."
    yield from left_out(scores.incomplete, scores.diverged, scores.unused)


def _unread(grid: FullGrid, chosen: FullGrid) -> Iterator[str]:
    if len(chosen.experiments) < len(grid.experiments):
        yield f"They represent a full grid of {len(grid.experiments):,}: evenly chosen values of its longest axes."
