"""Rules that choose a setting and a number of epochs for a task: each scores every candidate; least is best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.advice.surveyed import Surveyed
from analysis.advice.task import Task

Scores = npt.NDArray[np.float64]
"""Scores of the candidates, (S, E); NaN for one that too few tasks have."""

_LEAST_SHARE = 0.5
"""Least share of the tasks, by weight, that must have a candidate."""

DEFAULT_SHAPE, DEFAULT_SIZE, DEFAULT_DEPTH, DEFAULT_RATE = "rectangle", 4096, 3, 1e-3
"""The fixed default: two hidden layers of equal width, some thousand parameters, the usual learning rate of Adam, all
epochs of the budget. It was chosen before any regret was computed."""

DEFAULT = f"{DEFAULT_SHAPE}, size {DEFAULT_SIZE}, depth {DEFAULT_DEPTH}, learning rate {DEFAULT_RATE:g}, all epochs"
"""The fixed default in words."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Indices of a setting and an epoch in the arrays of a `Surveyed`."""

    setting: int
    epoch: int


def normalised_ranks(losses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rank the candidates of each task: losses (T, S, E) to ranks in (0, 1], ties sharing their mean; NaN stays NaN."""
    from scipy.stats import rankdata  # not above: slow to import

    ranks = np.full_like(losses, np.nan)
    for task, values in enumerate(losses):
        known = ~np.isnan(values)
        if known.any():
            ranks[task][known] = rankdata(values[known]) / known.sum()
    return ranks


def log_ratios(
    losses: npt.NDArray[np.float64], least: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Return natural logarithms of the ratios of losses (T, S, E) to another of each task, at most log(10).

    Args:
        losses: The losses; NaN stays NaN.
        least: The others, (T,); by default the least of each task.
    """
    of_tasks = np.nanmin(losses.reshape(len(losses), -1), axis=1) if least is None else least
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(np.log(losses / of_tasks[:, None, None]), np.log(10))


def nearness(data: Surveyed, task: Task) -> npt.NDArray[np.float64]:
    """Return weights of the surveyed tasks, (T,): exp(-distance^2 / 2), so 0.6 at ten times the rows."""
    return np.exp([-0.5 * task.distance(each) ** 2 for each in data.tasks])


def mean_rank(data: Surveyed, task: Task) -> Scores:
    """Score by the mean normalised rank over the tasks, equally weighted."""
    return _mean(normalised_ranks(data.choosing), np.ones(len(data.tasks)))


def nearest_rank(data: Surveyed, task: Task) -> Scores:
    """Score by the mean normalised rank over the tasks, weighted by `nearness`."""
    return _mean(normalised_ranks(data.choosing), nearness(data, task))


def mean_ratio(data: Surveyed, task: Task) -> Scores:
    """Score by the mean logarithm of the ratio to the least loss over the tasks, equally weighted."""
    return _mean(log_ratios(data.choosing), np.ones(len(data.tasks)))


def nearest_ratio(data: Surveyed, task: Task) -> Scores:
    """Score by the mean logarithm of the ratio to the least loss over the tasks, weighted by `nearness`."""
    return _mean(log_ratios(data.choosing), nearness(data, task))


Rule = Callable[[Surveyed, Task], Scores]

RULES: dict[str, Rule] = {
    "mean rank": mean_rank,
    "nearest tasks' rank": nearest_rank,
    "mean ratio": mean_ratio,
    "nearest tasks' ratio": nearest_ratio,
}
"""The rules, the simplest first."""


def best(data: Surveyed, scores: Scores) -> Candidate | None:
    """Return the candidate of the least score, or None; the smallest network and the fewest epochs win a tie."""
    if not np.isfinite(scores).any():
        return None
    order = np.argsort(data.settings["size"].to_numpy(), kind="stable")
    row, epoch = np.unravel_index(np.nanargmin(scores[order]), scores.shape)
    return Candidate(int(order[row]), int(epoch))


def fixed_default(data: Surveyed) -> Candidate | None:
    """Return the candidate nearest to the fixed default: by shape, depth, size, then learning rate; None if none."""
    if data.settings.empty or not len(data.epochs):
        return None
    settings = data.settings
    distances = np.stack(
        [
            (settings["shape"] != DEFAULT_SHAPE).to_numpy(float),
            np.abs(settings["depth"].to_numpy(float) - DEFAULT_DEPTH),
            np.abs(np.log(settings["size"].to_numpy(float) / DEFAULT_SIZE)),
            np.abs(np.log(settings["learning_rate"].to_numpy(float) / DEFAULT_RATE)),
        ]
    )
    return Candidate(int(np.lexsort(distances.round(6)[::-1])[0]), len(data.epochs) - 1)


def _mean(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> Scores:
    """Weighted mean over the tasks that have a candidate; NaN where their weight is too small."""
    known = ~np.isnan(values)
    weight = (known * weights[:, None, None]).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (np.where(known, values, 0.0) * weights[:, None, None]).sum(0) / weight
    return np.where(weight >= _LEAST_SHARE * weights.sum(), mean, np.nan)
