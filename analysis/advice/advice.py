"""Recommendations for a new task, and the reasons.

A rule ranks the surveyed settings within the budget. It is first judged on the surveyed tasks, each left out in turn
(`analysis.advice.regret`). If it does not beat a fixed default there, nothing is recommended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.advice.budget import Budget, Costs, costs, networks, within
from analysis.advice.evidence import alternatives, doubts, nearest_tasks, ranking
from analysis.advice.fitted import fitted_epochs
from analysis.advice.regret import Verdict, leave_one_out
from analysis.advice.rules import DEFAULT, RULES, Candidate, Scores, log_ratios
from analysis.advice.surveyed import Surveyed, surveyed
from analysis.advice.task import Task
from analysis.reading.tables import tables
from survey.errors import InputError
from survey.tasks.catalog import Kind

RULE = "mean ratio"
"""The default rule, of `analysis.advice.rules.RULES`; docs/recommend.md compares them."""

NEAREST = 3
"""Number of tasks whose fits are named."""

LEAST_TASKS = 4
"""Fewest surveyed tasks on which a rule can be judged: on three, one that is better on all can still be chance."""


@dataclass(frozen=True)
class Advice:
    """Recommendations for a task, and the reasons.

    Attributes:
        task: The task.
        budget: The budget.
        settings: A row for each recommended setting, best first: the columns of a setting, `epochs`,
            `num_free_parameters` and `widths` on this task, `score` (of the rule, least is best), `loss_ratio`
            (geometric mean over the tasks of the test loss to that of the task's best candidate within the budget),
            `worst_ratio` (at most ten) and `worst_task`, `num_tasks` that have it, and `seconds` of a run (NaN where
            unknown). Empty if nothing is recommended.
        alternatives: The values of each number of the first setting, compared.
        tasks: The surveyed tasks, nearest first, and how the first setting did on each.
        verdict: How the rule did on unseen tasks, against a fixed default.
        statements: What the data cannot tell, or why nothing is recommended, in sentences.
    """

    task: Task
    budget: Budget
    settings: pd.DataFrame
    alternatives: pd.DataFrame
    tasks: pd.DataFrame
    verdict: Verdict
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """For what task, within what budget, by which rule, and how many settings at most."""

    task: Task
    budget: Budget
    rule: str
    count: int


def recommend(  # noqa: PLR0913 - the numbers of the task, one by one, as a user has them
    dataset: Path | str,
    rows: int,
    inputs: int,
    outputs: int,
    kind: Kind,
    budget: Budget | int,
    *,
    sweep: str | None = None,
    count: int = 5,
    rule: str = RULE,
) -> Advice:
    """Recommend settings for a task outside the survey.

    Args:
        dataset: Folder of a data set with at least four tasks.
        rows: Number of rows of the task's whole data set.
        inputs: Number of columns of its prepared inputs (see `survey.tasks`).
        outputs: Number of columns of its prepared target: 1 for two classes, else the number of classes.
        kind: `classification` or `regression`.
        budget: What one training may take; a number means epochs.
        sweep: Name of a search space: use only its experiments.
        count: Most settings to return.
        rule: Name of the rule, of `analysis.advice.rules.RULES`.

    Raises:
        InputError: A number is not positive, the kind or the rule is unknown, or the data set has fewer than four
            tasks, nothing within the budget, or no times for a budget of seconds.
        ExportError: A file of the data set is damaged.
    """
    if min(rows, inputs, outputs) < 1 or kind not in ("classification", "regression") or rule not in RULES:
        raise InputError(
            f"a task of {rows} rows, {inputs} inputs, {outputs} outputs, kind {kind!r}, rule {rule!r}: expected "
            f"positive numbers, classification or regression, and one of {', '.join(RULES)}"
        )
    bound = budget if isinstance(budget, Budget) else Budget(epochs=budget)
    task, data = Task("new", kind, rows, inputs, outputs), surveyed(dataset, sweep, bound.epochs)
    if len(data.tasks) < LEAST_TASKS:
        raise InputError(
            f"{dataset}: has {len(data.tasks)} tasks; judging advice by leaving one out needs at least {LEAST_TASKS}"
        )
    cost = costs(dataset, data) if "all_repetitions" in tables(dataset) else None
    if bound.seconds is not None and (cost is None or np.isnan(cost.row_epoch_s).all()):
        raise InputError(f"{dataset}: has no times of its runs; set a budget of epochs or parameters")
    allowed = within(data, task, bound, cost)
    settings = np.logical_or.reduce(allowed, axis=1)
    possible = data.masked(allowed).only(settings, np.logical_or.reduce(allowed, axis=0))
    if possible.settings.empty or not np.isfinite(possible.losses).any():
        raise InputError(f"{dataset}: no surveyed setting is within this budget on such a task")
    verdict = leave_one_out(data, RULES[rule], bound, cost)
    question = _Question(task, bound, rule, count)
    advice = _advice(question, possible, verdict, int(data.epochs[-1]), cost and cost.of(settings))
    return advice if advice.settings.empty else _with_fits(advice, data)


def _advice(question: _Question, data: Surveyed, verdict: Verdict, last_epoch: int, cost: Costs | None) -> Advice:
    task, budget = question.task, question.budget
    scores = RULES[question.rule](data, task)
    ranked = ranking(data, scores, question.count) if verdict.is_better else []
    if not ranked:
        nothing = pd.DataFrame()
        return Advice(task, budget, nothing, nothing, nearest_tasks(data, task, None), verdict, (refusal(verdict),))
    values = alternatives(data, scores, ranked[0])
    statements = doubts(data, task, ranked[0], values, last_epoch)
    if data.validation is None:
        statements.append(
            "not all surveyed experiments have a validation set: the test losses that judge a candidate on a surveyed "
            "task have also chosen the best one there, so the ratios are somewhat too large"
        )
    if budget.epochs is not None and budget.epochs > last_epoch:
        statements.append(
            f"epochs: the survey ends at {last_epoch}; the effect of the other {budget.epochs - last_epoch} is unknown"
        )
    settings = _settings(data, task, scores, ranked, cost)
    return Advice(task, budget, settings, values, nearest_tasks(data, task, ranked[0]), verdict, tuple(statements))


def _with_fits(advice: Advice, data: Surveyed) -> Advice:
    """Add the number of epochs by the fits."""
    first = advice.settings.iloc[0]
    others = [name for name in data.settings.columns if name != "size"]
    alike = (data.settings[others] == first[others]).all(axis=1).to_numpy(bool)
    fitted = fitted_epochs(data, alike, int(first["num_free_parameters"]))
    by_task = dict(zip([task.name for task in data.tasks], fitted, strict=True))
    tasks = advice.tasks.assign(fitted_epoch=advice.tasks["dataset"].map(by_task))
    known = tasks[np.isfinite(tasks["fitted_epoch"])]
    said = [f"{row.dataset} {row.fitted_epoch:.0f}" for row in known.head(NEAREST).itertuples()]
    if said:
        statement = f"epochs: by the fits to the nearest tasks, this size has its least loss at {', '.join(said)}"
    else:
        statement = "epochs: nothing to fit: on no task did two sizes reach their least loss before the end"
    return replace(advice, tasks=tasks, statements=(*advice.statements, statement))


def refusal(verdict: Verdict) -> str:
    """Say why nothing is recommended."""
    return (
        f"nothing is recommended: on the surveyed tasks, each left out in turn, the rule's choice has "
        f"{verdict.chosen_ratio:.3g} times the loss of the best candidate, and the fixed default "
        f"{verdict.default_ratio:.3g} times (geometric means); the rule is better on {verdict.wins} tasks and worse on "
        f"{verdict.losses}, which can be chance (p = {verdict.chance:.2g}). Take the fixed default: {DEFAULT}"
    )


def _settings(data: Surveyed, task: Task, scores: Scores, ranked: list[Candidate], cost: Costs | None) -> pd.DataFrame:
    made, ratios = networks(data, task), np.exp(log_ratios(data.losses, data.least))
    seconds = cost.seconds(task, data.epochs) if cost else np.full(data.losses.shape[1:], np.nan)
    rows = []
    for each in ranked:
        own = ratios[:, each.setting, each.epoch]
        widths, parameters = made[each.setting]
        rows.append(
            {
                **data.settings.iloc[each.setting].to_dict(),
                "epochs": int(data.epochs[each.epoch]),
                "num_free_parameters": parameters,
                "widths": list(widths),
                "score": float(scores[each.setting, each.epoch]),
                "loss_ratio": float(np.exp(np.nanmean(np.log(own)))),
                "worst_ratio": float(np.nanmax(own)),
                "worst_task": data.tasks[int(np.nanargmax(own))].name,
                "num_tasks": int((~np.isnan(own)).sum()),
                "seconds": float(seconds[each.setting, each.epoch]),
            }
        )
    return pd.DataFrame(rows)
