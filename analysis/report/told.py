"""What the runs of a task can tell, for the page: the best setting, what may be the best too, and what matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.conclusions.axis_effects import Effects, effects_of
from analysis.conclusions.best_settings import LEVEL, BestSettings, best_settings
from analysis.conclusions.scores import left_out
from analysis.figures.effect_bars import LEAST, effect_bars, percent, shown_effects
from analysis.figures.pictures import picture
from analysis.reading.axes import axes_of, given_lists_as_text, words
from analysis.reading.best import Best, best_of
from analysis.reading.frames import records
from analysis.reading.tables import schema_of, tables
from analysis.report.shown import Shown
from survey.dataset.layout import REPETITIONS
from survey.text.counting import counted
from survey.workloads.columns import Columns

MAX_LISTED = 12
"""Most settings listed of those that may be the best."""

MAX_READ = 400
"""Most experiments of a task whose runs are read for what matters."""

_LAST = 0.02
"""Share of the epochs, the last ones, in which a best epoch says that a run was still becoming better."""

Labelled = Callable[[Mapping[Any, Any]], str]
"""Names an experiment within its task."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A setting that may be the best.

    Attributes:
        label: Its name within its task.
        value: Median score.
        behind: By how much its mean score is worse than that of the setting with the best median, by the mean that
            `BestSettings.mean` names.
    """

    label: str
    value: float
    behind: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the runs of a task can tell.

    Attributes:
        task: Its name; empty if the workload has no tasks.
        best: How its experiments are compared.
        ordered: Rows of its experiments, the best first.
        leader: The one with the best median; None if none is finite.
        found: What may be the best; None if the data set does not have the runs.
        effects: What matters; None if the data set does not have the runs.
        sentences: The best setting, what cannot be told from it, what is resolved, and what was left out.
        candidates: Those that may be the best, by their medians; none if there is but one. At most `MAX_LISTED`.
        unlisted: Number of others that may be the best.
        matters: The figure of effects; None where no axis can be told from others, or from noise.
    """

    task: str
    best: Best
    ordered: pd.DataFrame
    leader: Candidate | None
    found: BestSettings | None
    effects: Effects | None
    sentences: list[str]
    candidates: list[Candidate]
    unlisted: int
    matters: Shown | None

    @property
    def of_task(self) -> str:
        """` of NAME`; empty if the workload has no tasks."""
        return f" of {self.task}" if self.task else ""

    @property
    def surveyed(self) -> int:
        """Number of its settings."""
        return len(self.ordered)

    @property
    def leads(self) -> bool:
        """Whether the setting with the best median may be the best."""
        if self.found is None or self.found.leading.empty:
            return False
        return bool(self.found.leading["experiment_id"].isin(self.found.candidates["experiment_id"]).all())


def told(dataset: Path, experiments: pd.DataFrame, columns: Columns, label: Labelled) -> Told:
    """Conclude from the runs of a task.

    Args:
        dataset: Folder of the data set.
        experiments: Rows of its summary, all of one task.
        columns: Columns of its workload.
        label: Names an experiment.
    """
    best, column = best_of(columns.metrics, experiments), columns.task_column
    task = str(experiments[column].iloc[0]) if column else ""
    ordered = experiments.iloc[best.order(experiments)]
    leader = _leader(ordered, best, label)
    if not _has_runs(dataset, best):
        unknown = "The data set has no runs with these scores, so what they can tell is unknown."
        return Told(task, best, ordered, leader, None, None, [unknown], [], 0, None)
    found = best_settings(dataset, experiments, best)
    by_axes = given_lists_as_text(experiments, columns)
    effects = effects_of(dataset, by_axes, axes_of(columns, by_axes), best, MAX_READ)
    candidates = [
        Candidate(label(row), float(row[best.value()]), float(behind))
        for row, behind in zip(records(found.candidates), found.behind, strict=True)
    ]
    return Told(
        task=task,
        best=best,
        ordered=ordered,
        leader=leader,
        found=found,
        effects=effects,
        sentences=list(_sentences(found, label)),
        candidates=candidates[:MAX_LISTED] if len(candidates) > 1 else [],
        unlisted=max(len(candidates) - MAX_LISTED, 0),
        matters=_matters(effects, f" of {task}" if task else ""),
    )


def _leader(ordered: pd.DataFrame, best: Best, label: Labelled) -> Candidate | None:
    first = records(ordered.head(1))[0]
    value = float(first[best.value()])
    return Candidate(label(first), value, 0.0) if np.isfinite(value) else None


def _has_runs(dataset: Path, best: Best) -> bool:
    curves = {best.metric.curve, best.chosen_by.curve}
    return REPETITIONS in tables(dataset) and curves <= set(schema_of(dataset, REPETITIONS).names)


def _sentences(found: BestSettings, label: Labelled) -> Iterator[str]:
    if found.surveyed == 1:
        yield "There is one setting alone, and none to tell it from."
        return
    if found.leading.empty or not found.tested:
        yield "No setting has a finite score in all runs that most have, so none can be compared."
    elif found.repetitions < 2:
        yield (
            "There is one run of each setting: whether two settings differ, or only two runs, cannot be told. "
            "More repetitions can tell."
        )
    else:
        yield from _of_the_best(found, label)
        yield _pairs(found)
        yield from _resolution(found)
        yield from _still_improving(found)
    yield from _left_out(found)


def _of_the_best(found: BestSettings, label: Labelled) -> Iterator[str]:
    leading = records(found.leading)[0]
    setting, count = label(leading), len(found.candidates)
    is_candidate = leading["experiment_id"] in set(found.candidates["experiment_id"])
    if count == 1 and is_candidate:
        yield f"The best setting is {setting}: each other one that was compared is worse."
    elif is_candidate:
        yield f"The setting with the best median is {setting}; {counted(count - 1, 'other')} cannot be told from it."
    else:
        yield f"The setting with the best median is {setting}, but its {found.mean} is worse than that of others."
    name = words(found.best.metric.name)
    those = "It was" if count == 1 else f"These {count:,} were"
    if count == found.surveyed:
        those = f"No setting can be excluded. {those}"
    mean, scores = f"mean {name}", "scores"
    if found.in_log:
        mean, scores = f"geometric mean of the {name}", "logarithms of scores"
    yield (
        f"{those} found in a way that keeps the setting whose {mean} at the best epoch is truly best in at least "
        f"{100 * LEVEL:.0f} of 100 surveys, if {scores} are about normal. That "
        f"{counted(found.surveyed, 'setting')} are compared is taken into account."
    )


def _pairs(found: BestSettings) -> str:
    if found.paired:
        return f"Settings are compared within each of {found.repetitions} repetitions, of which they share the draws."
    return (
        f"Comparisons are unpaired: each of the {found.repetitions} runs of a setting has draws of its own, whose luck "
        "is part of the differences."
    )


def _resolution(found: BestSettings) -> Iterator[str]:
    if found.resolved > 0:
        difference = float(f"{found.resolved:.2g}")
        yield (
            f"Between two settings of typical spread, chosen beforehand, {found.repetitions} repetitions find a "
            f"difference of about {difference:g} in four of five surveys; {found.needed:,} find half of it."
        )


def _still_improving(found: BestSettings) -> Iterator[str]:
    """Say how many of those that may be the best had not come to their best epoch when they ended."""
    rows, epoch = found.candidates, found.best.epoch()
    if not {epoch, "recorded"} <= set(rows.columns):
        return
    number = int((rows[epoch] > (1 - _LAST) * rows["recorded"] / rows["num_runs"]).sum())
    if not number:
        return
    all_of = "All of these were" if len(rows) > 1 else "It was"
    who = all_of if number == len(rows) else f"{number:,} of these {len(rows):,} were"
    yield (
        f"{who} still becoming better at the last epoch: most runs have their best epoch in the last {100 * _LAST:g} % "
        "of those trained. With more epochs, others may be the best."
    )


def _left_out(found: BestSettings) -> Iterator[str]:
    untested = found.surveyed - found.tested - found.incomplete - found.diverged
    if untested:
        yield (
            f"Of {found.surveyed:,} settings, the runs of the {found.tested:,} with the best medians were compared. "
            "The others are not shown to be worse."
        )
    yield from left_out(found.incomplete, found.diverged, found.unused)


def _matters(effects: Effects, of_task: str) -> Shown | None:
    drawn = shown_effects(effects.effects)
    if not any(effect.axes for effect in drawn):
        return None
    name = words(effects.best.metric.name)
    largest = ", ".join(f"{effect.name} {percent(effect.share)}" for effect in drawn)
    caption = (
        f"Which share of the variance of the {name} each axis explains, what the largest pairs explain beyond, and the "
        f"noise of repetitions: of one run of one setting, both drawn at random. Interactions below {percent(LEAST)} "
        f"have no bar; an axis at 0 % is not above the noise. Computed on {effects.computed_on}."
    )
    return Shown(
        f"What matters for the {name}{of_task}",
        " ".join([caption, *effects.remarks]),
        picture(effect_bars(drawn), f"Bars of shares of the variance of the {name}{of_task}: {largest}."),
    )
