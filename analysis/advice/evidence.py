"""The evidence for each recommended number, and what the data cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.advice.regret import CHANCE, by_chance
from analysis.advice.rules import Candidate, Scores, log_ratios, nearness
from analysis.advice.surveyed import Surveyed
from analysis.advice.task import Task

FAR = 1.0
"""Distance from which the nearest task is called far: ten times the rows, or the other kind."""


def ranking(data: Surveyed, scores: Scores, count: int) -> list[Candidate]:
    """Return at most `count` settings, each at its best epoch, by increasing score."""
    known = np.logical_or.reduce(np.isfinite(scores), axis=1)
    least = np.where(known, np.min(np.where(np.isnan(scores), np.inf, scores), axis=1), np.inf)
    order = np.lexsort((data.settings["size"].to_numpy(), least))
    return [Candidate(int(k), int(np.nanargmin(scores[k]))) for k in order[:count] if known[k]]


def alternatives(data: Surveyed, scores: Scores, chosen: Candidate) -> pd.DataFrame:
    """Compare each number of a setting with its other possible values, the rest being the same.

    Returns:
        A row for each value of each number: `name`, `value`, `is_chosen`, `score`, `loss_ratio` (geometric mean over
        the tasks of the loss to the least one), `num_tasks` that have both, with different losses, `num_better` of
        these on which the chosen value is better, and `is_told`: whether that majority is significant.
    """
    ratios = log_ratios(data.losses, data.least)
    rows = []
    for name, value, other in _variants(data, scores, chosen):
        mine = ratios[:, chosen.setting, chosen.epoch]
        theirs = ratios[:, other.setting, other.epoch]
        both = ~np.isnan(mine) & ~np.isnan(theirs) & (mine != theirs)
        better, total = int((mine < theirs)[both].sum()), int(both.sum())
        rows.append(
            {
                "name": name,
                "value": value,
                "is_chosen": other == chosen,
                "score": scores[other.setting, other.epoch],
                "loss_ratio": float(np.exp(np.nanmean(theirs))),
                "num_tasks": total,
                "num_better": better,
                "is_told": total > 0 and by_chance(better, total) < CHANCE,
            }
        )
    return pd.DataFrame(rows)


def best_epochs(data: Surveyed, setting: int) -> npt.NDArray[np.float64]:
    """Return the epoch of each task's least loss with a setting, (T,); NaN where it was not surveyed."""
    losses = data.choosing[:, setting]
    known = np.logical_or.reduce(np.isfinite(losses), axis=1)
    return np.where(known, data.epochs[np.where(np.isnan(losses), np.inf, losses).argmin(1)], np.nan)


def nearest_tasks(data: Surveyed, task: Task, chosen: Candidate | None) -> pd.DataFrame:
    """Return the surveyed tasks, nearest first, and how the chosen candidate did on each.

    Returns:
        Columns `dataset`, `kind`, `rows`, `inputs`, `outputs`, `distance`, `weight`, `trained_with`; and, for a
        candidate, `loss_ratio`, its test loss divided by that of the best one on the task, and `best_epoch`, of its
        setting alone.
    """
    frame = pd.DataFrame(
        {
            "dataset": [each.name for each in data.tasks],
            "kind": [each.kind for each in data.tasks],
            "rows": [each.rows for each in data.tasks],
            "inputs": [each.inputs for each in data.tasks],
            "outputs": [each.outputs for each in data.tasks],
            "distance": [task.distance(each) for each in data.tasks],
            "weight": nearness(data, task),
            "trained_with": data.fixed,
        }
    )
    if chosen is not None:
        frame["loss_ratio"] = data.losses[:, chosen.setting, chosen.epoch] / data.least
        frame["best_epoch"] = best_epochs(data, chosen.setting)
    return frame.sort_values("distance", kind="stable").reset_index(drop=True)


def doubts(data: Surveyed, task: Task, chosen: Candidate, values: pd.DataFrame, last_epoch: int) -> list[str]:
    """Say what the data cannot tell about a chosen candidate.

    Args:
        data: The survey, within the budget.
        task: The new task.
        chosen: The candidate.
        values: As `alternatives` returns them.
        last_epoch: The last surveyed epoch.
    """
    found = []
    for name, group in values.groupby("name", sort=False):
        own = group[group["is_chosen"]]["value"].iloc[0]
        unclear = group[~group["is_chosen"] & ~group["is_told"]]
        if len(unclear):
            shown = [f"{_text(row.value)} ({row.num_better} of {row.num_tasks})" for row in unclear.itertuples()]
            found.append(
                f"{name}: the data cannot tell {_text(own)} from {', '.join(shown)} (in brackets: tasks on which "
                f"{_text(own)} is better)"
            )
    row = data.settings.iloc[chosen.setting]
    for name in ("size", "learning_rate"):
        every = data.settings[name]
        if every.nunique() > 1 and row[name] in (every.min(), every.max()):
            end = "least" if row[name] == every.min() else "greatest"
            found.append(f"{name}: {_text(row[name])} is the {end} possible value; beyond it nothing is known")
    if data.epochs[chosen.epoch] == data.epochs[-1]:
        why = "surveyed" if data.epochs[-1] == last_epoch else "allowed"
        found.append(f"epochs: the loss was still falling at the last {why} one, {data.epochs[-1]}; more may be better")
    nearest = min(data.tasks, key=task.distance)
    if task.distance(nearest) >= FAR:
        found.append(f"the nearest surveyed task, {nearest.name}, is far from this one: this is an extrapolation")
    return found


def _variants(data: Surveyed, scores: Scores, chosen: Candidate) -> Iterator[tuple[str, object, Candidate]]:
    """Each value of each number, with the candidate that has it and otherwise equals the chosen one."""
    row = data.settings.iloc[chosen.setting]
    for name in data.settings.columns:
        others = [other for other in data.settings.columns if other != name]
        alike = np.flatnonzero((data.settings[others] == row[others]).all(axis=1))
        for setting in alike:
            if np.isfinite(scores[setting]).any():
                same = int(setting) == chosen.setting
                other = chosen if same else Candidate(int(setting), int(np.nanargmin(scores[setting])))
                yield name, row[name] if same else data.settings[name].iloc[setting], other
    for epoch in _some_epochs(data, scores, chosen):
        yield "epochs", int(data.epochs[epoch]), Candidate(chosen.setting, epoch)


def _some_epochs(data: Surveyed, scores: Scores, chosen: Candidate) -> list[int]:
    """Indices of the chosen epoch, of half and a quarter of it, and of the last one."""
    own = data.epochs[chosen.epoch]
    wanted = {int(np.abs(data.epochs - own * share).argmin()) for share in (0.25, 0.5, 1.0)} | {len(data.epochs) - 1}
    return sorted(place for place in wanted if np.isfinite(scores[chosen.setting, place]))


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
