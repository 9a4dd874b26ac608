"""How well a rule does on an unseen task: each surveyed task is left out in turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.advice.budget import Budget, Costs, within
from analysis.advice.rules import Candidate, Rule, best, fixed_default
from analysis.advice.surveyed import Surveyed
from analysis.reading.labels import size_text

CHANCE = 0.1
"""Level of the sign tests over tasks by which a rule, or a value, is better than another."""

WORST = 10.0
"""Ratios to the best loss that are greater, or not finite, count as this one."""


@dataclass(frozen=True, slots=True)
class Regret:
    """What a rule chose for a left-out task.

    Attributes:
        task: Name of the task.
        best_loss: Median test loss of the candidate that is best on the task within the budget.
        best: Its setting and epoch, in words.
        chosen: The rule's choice, in words.
        chosen_ratio: Median test loss of the choice on the task, divided by the best one's; 1 means no regret.
        default: The allowed candidate nearest to the fixed default, in words.
        default_ratio: Its ratio.
    """

    task: str
    best_loss: float
    best: str
    chosen: str
    chosen_ratio: float
    default: str
    default_ratio: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Regrets of all tasks, and whether the rule did better than the fixed default.

    Attributes:
        regrets: One for each task.
        chosen_ratio: Geometric mean of the rule's ratios.
        default_ratio: Geometric mean of the fixed default's.
        wins: Tasks on which the rule's choice was better than the fixed default.
        losses: Tasks on which it was worse.
    """

    regrets: tuple[Regret, ...]
    chosen_ratio: float
    default_ratio: float
    wins: int
    losses: int

    @property
    def chance(self) -> float:
        """Probability of as many wins, or more, were the rule as often worse as better: the sign test."""
        return by_chance(self.wins, self.wins + self.losses)

    @property
    def is_better(self) -> bool:
        """Whether the rule is better on average, and on so many tasks that this is hardly chance."""
        return self.chosen_ratio < self.default_ratio and self.chance < CHANCE


def by_chance(wins: int, total: int) -> float:
    """Return the probability of at least so many heads of a coin thrown `total` times; 1 if there is no throw."""
    from scipy.stats import binomtest  # not above: slow to import

    return float(binomtest(wins, total, alternative="greater").pvalue) if total else 1.0


def leave_one_out(data: Surveyed, rule: Rule, budget: Budget, cost: Costs | None = None) -> Verdict:
    """Choose for each task from the others, and compare the choice with the task's best surveyed candidate."""
    regrets = []
    for number, task in enumerate(data.tasks):
        allowed = within(data, task, budget, cost) & ~np.isnan(data.losses[number])
        if not np.isfinite(data.losses[number][allowed]).any():
            continue
        others = data.without(number).masked(allowed)
        chosen = best(others, rule(others, task))
        if chosen is not None:
            regrets.append(_regret(data, number, allowed, chosen))
    pairs = [(min(each.chosen_ratio, WORST), min(each.default_ratio, WORST)) for each in regrets]
    return Verdict(
        tuple(regrets),
        _geometric_mean([pair[0] for pair in pairs]),
        _geometric_mean([pair[1] for pair in pairs]),
        wins=sum(one < other for one, other in pairs),
        losses=sum(one > other for one, other in pairs),
    )


def _regret(data: Surveyed, number: int, allowed: np.ndarray, chosen: Candidate) -> Regret:
    losses = np.where(allowed & np.isfinite(data.losses[number]), data.losses[number], np.inf)
    choosing = np.where(np.isfinite(losses), data.choosing[number], np.inf)
    setting, epoch = np.unravel_index(np.where(np.isnan(choosing), np.inf, choosing).argmin(), losses.shape)
    least, default = losses[setting, epoch], default_within(data, allowed)
    return Regret(
        task=data.tasks[number].name,
        best_loss=float(least),
        best=words(data, Candidate(int(setting), int(epoch))),
        chosen=words(data, chosen),
        chosen_ratio=float(losses[chosen.setting, chosen.epoch] / least),
        default=words(data, default),
        default_ratio=float(losses[default.setting, default.epoch] / least),
    )


def default_within(data: Surveyed, allowed: np.ndarray) -> Candidate:
    """Return the allowed candidate nearest to the fixed default; there must be one."""
    settings = np.logical_or.reduce(allowed, axis=1)
    nearest = fixed_default(data.only(settings, np.ones(len(data.epochs), bool)))
    assert nearest is not None
    setting = int(np.flatnonzero(settings)[nearest.setting])
    return Candidate(setting, int(np.flatnonzero(allowed[setting])[-1]))


def words(data: Surveyed, candidate: Candidate) -> str:
    """Word a candidate, such as `rectangle d3 2^12, lr 0.001, epoch 84`."""
    row = data.settings.iloc[candidate.setting]
    others = [f"{name} {row[name]}" for name in data.settings.columns[4:]]
    name = f"{row['shape']} d{row['depth']} {size_text(int(row['size']))}, lr {row['learning_rate']:.6g}"
    return ", ".join([name, *others, f"epoch {data.epochs[candidate.epoch]}"])


def _geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan
