"""What a survey found, in three sentences and a figure, with what certainty: the beginning of its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.conclusions.axis_effects import NOISE
from analysis.conclusions.best_settings import LEVEL
from analysis.figures.effect_bars import percent
from analysis.figures.pictures import picture
from analysis.figures.standings import MAX_PANELS, MAX_SETTINGS, Standing, standings
from analysis.reading.axes import words
from analysis.report.gaps import Gaps
from analysis.report.numbers import value_of
from analysis.report.shown import Shown
from analysis.report.told import Told
from survey.text.counting import counted

MAX_TOLD = 3
"""Most tasks in a sentence."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The beginning of a report.

    Attributes:
        sentences: The best setting of each task and what it ties with, what matters most, and what this rests on.
        shown: All settings, and which may be the best; None without a task.
    """

    sentences: list[str]
    shown: Shown | None


def findings(told: Sequence[Told], experiments: pd.DataFrame, gaps: Gaps, *, finite_known: bool = True) -> Findings:
    """Say what a survey found, from what the report says further down.

    Args:
        told: What the runs of each task can tell.
        experiments: All experiments, as `analysis.report.condense.experiments` returns them.
        gaps: What failed or is missing.
        finite_known: Whether the data set tells which runs diverged.
    """
    sentences = [_best(told), _matters(told)] if told else []
    return Findings([*sentences, _rests_on(experiments, gaps, finite_known=finite_known)], _figure(told))


def _best(told: Sequence[Told]) -> str:
    name = words(told[0].best.metric.name)
    clauses = [_best_of(each) for each in told[:MAX_TOLD]]
    certain = f", {'all ' * (len(told) > 1)}at {100 * LEVEL:.0f} % confidence"
    certain = certain if any(_is_certain(each) for each in told[:MAX_TOLD]) else ""
    return f"The best median {name} is {'; '.join(clauses)}{certain}{_more(told)}."


def _best_of(task: Told) -> str:
    on = f" on {task.task}" if task.task else ""
    if task.leader is None:
        return f"unknown{on}, as no setting has a finite one"
    return f"{value_of(task.leader.value)}{on}, of {task.leader.label} ({_certainty(task)})"


def _certainty(task: Told) -> str:
    found = task.found
    if task.surveyed == 1:
        return "the only setting"
    if found is None:
        return "how certain that is, is unknown, as the data set has no runs with these values"
    if not found.tested:
        return "not compared, as it lacks runs"
    if found.repetitions < 2:
        return "how certain that is, is unknown, as each setting has one run"
    others = f"{counted(found.tested - 1, 'other')}{' compared' if found.tested < found.surveyed else ''}"
    if not task.leads:
        if len(found.candidates) == 1:
            return f"but another setting has a better {found.mean}, and it alone may be the best"
        return f"but others have a better {found.mean}, and {len(found.candidates):,} settings may be the best"
    tied = len(found.candidates) - 1
    if not tied:
        return "better than the other" if found.surveyed == 2 else f"better than each of {others}"
    return f"{tied:,} of {others} may be as good"


def _is_certain(task: Told) -> bool:
    return task.found is not None and task.found.tested > 0 and task.found.repetitions > 1


def _matters(told: Sequence[Told]) -> str:
    name = words(told[0].best.metric.name)
    clauses = [text for each in told[:MAX_TOLD] if (text := _axis_that_matters(each))]
    if not clauses:
        return f"What matters most for the {name} cannot be told from these runs."
    return f"What matters most for the {name} is {'; '.join(clauses)}{_more(told)}."


def _axis_that_matters(task: Told) -> str:
    on = f" on {task.task}" if task.task else ""
    effects = task.effects.effects if task.effects else ()
    axes = {each.name: each.share for each in effects if len(each.axes) == 1 and np.isfinite(each.share)}
    if not axes:
        return ""
    first, share = max(axes.items(), key=lambda each: each[1])
    noise = (
        next((each.share for each in task.effects.effects if each.name == NOISE), np.nan) if task.effects else np.nan
    )
    chance = f"; {percent(noise)} is the noise of repetitions" if np.isfinite(noise) else ""
    if share <= 0:
        return f"nothing that is above the noise of repetitions{on}"
    return f"{first}{on} ({percent(share)} of its variance{chance})"


def _more(told: Sequence[Told]) -> str:
    return f"; {counted(len(told) - MAX_TOLD, 'more task')} below" if len(told) > MAX_TOLD else ""


def _rests_on(experiments: pd.DataFrame, gaps: Gaps, *, finite_known: bool) -> str:
    runs = int(experiments["num_runs"].sum())
    *first, last = _missing(gaps, finite_known=finite_known)
    missing = f"{', '.join(first)}, and {last}" if first else last
    return f"This rests on {counted(runs, 'run')} of {counted(len(experiments), 'experiment')}; {missing}."


def _missing(gaps: Gaps, *, finite_known: bool) -> Iterator[str]:
    if not gaps.known:
        yield "whether others are missing is unknown"
    elif gaps.runs_missing or gaps.unexplained:
        yield f"{counted(gaps.runs_missing, 'run')} and {counted(gaps.unexplained, 'whole experiment')} are missing"
    else:
        yield "none is missing"
    if gaps.left_out:
        yield (
            f"{counted(gaps.left_out, 'experiment')} were left out"
            if gaps.left_out > 1
            else "1 experiment was left out"
        )
    if gaps.diverged or finite_known:
        yield f"{gaps.diverged:,} diverged" if gaps.diverged else "none diverged"
    if gaps.failures:
        yield f"{sum(gaps.failures.values()):,} failed in the last launch"


def _figure(told: Sequence[Told]) -> Shown | None:
    if not told:
        return None
    best = told[0].best
    name = words(best.metric.name)
    drawn = told[:MAX_PANELS]
    figure = standings([_standing(each) for each in drawn], name, less_is_better=best.metric.best == "min")
    bars = (
        f"A dot is the median over the runs of a setting, each at {best.epoch_words}; a bar reaches from their lower "
        f"quartile, q1, to the upper, q3."
    )
    sure = (
        f" Blue settings may be the best: they are found in a way that keeps the truly best one in at least "
        f"{100 * LEVEL:.0f} of 100 surveys."
    )
    most = max(each.surveyed for each in drawn)
    cut = f" Shown are the best {MAX_SETTINGS} settings of at most {most:,}." if most > MAX_SETTINGS else ""
    tasks = f" Shown are {MAX_PANELS} of {len(told)} tasks." if len(told) > MAX_PANELS else ""
    return Shown(
        "All settings, the best first",
        f"{bars}{sure if any(_is_certain(each) for each in drawn) else ''}{cut}{tasks}",
        picture(figure, f"Median {name} of each setting, in order: {'; '.join(map(_best_of, drawn))}."),
    )


def _standing(task: Told) -> Standing:
    rows, best = task.ordered, task.best
    q1, median, q3 = (rows[best.value(part)].to_numpy(np.float64) for part in ("q1", "median", "q3"))
    ids = set() if task.found is None else set(task.found.candidates["experiment_id"])
    return Standing(task.task, q1, median, q3, rows["experiment_id"].isin(ids).to_numpy(np.bool_))
