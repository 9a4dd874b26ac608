"""`survey recommend`: the command line."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from pandas.api.types import is_numeric_dtype
from rich.table import Table

from analysis.advice.advice import RULE, Advice, recommend
from analysis.advice.budget import Budget, costs
from analysis.advice.regret import Verdict, leave_one_out
from analysis.advice.rules import RULES
from analysis.advice.surveyed import check_networks, surveyed
from survey.cli import run_app
from survey.errors import InputError
from survey.output.folder import dataset_in
from survey.tasks.catalog import Kind
from survey.tasks.loading import load
from survey.tasks.own import UserTask
from survey.tasks.prepare import guess_kind
from survey.tasks.read_table import read_table
from survey.text.escaping import markdown
from survey.text.terminal import SafeConsole

_NAME = "new"

_FILE_WIDTH = 160


def command(
    dataset: Annotated[Path, typer.Argument(help="Folder of a survey, or of a data set, with several tasks.")],
    like: Annotated[
        Path | None, typer.Option(help="File of the new task: CSV, TSV, Parquet or .npz; prepared as in a survey.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Its target column.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="classification or regression; guessed from the target if left out.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--budget-epochs", help="Epochs at most.")] = None,
    parameters: Annotated[int | None, typer.Option("--budget-parameters", help="Trainable parameters at most.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--budget-seconds", help="Seconds of a run's epochs at most, as on the machine of the survey."),
    ] = None,
    sweep: Annotated[str | None, typer.Option(help="Use only experiments of this search space.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Settings to print.")] = 5,
    regret: Annotated[
        bool, typer.Option("--regret", help="Print no advice, but how each rule does on left-out tasks, in Markdown.")
    ] = False,
) -> int:
    """Recommend size, depth, shape, learning rate and epochs for a task outside the survey."""
    budget, dataset = Budget(epochs, parameters, seconds), dataset_in(dataset)
    check_networks(dataset)
    if regret:
        SafeConsole().print(regrets(dataset, budget, sweep))
        return 0
    if like is None or target is None:
        raise InputError("expected --like FILE and --target COLUMN of the new task, or --regret")
    task = load(_NAME, {_NAME: UserTask(path=like, target=target, kind=_kind(like, target, kind))})
    shape = (task.num_rows, task.num_inputs, task.num_outputs, task.kind)
    advice = recommend(dataset, *shape, budget, sweep=sweep, count=count)
    # Tables in a file or a pipe need not fit into a terminal.
    show(advice, SafeConsole(width=None if sys.stdout.isatty() else _FILE_WIDTH))
    return 0


def _kind(file: Path, target: str, kind: str | None) -> Kind:
    if kind is None:
        return guess_kind(read_table(_NAME, file, target))
    if kind == "classification" or kind == "regression":
        return kind
    raise InputError(f"--kind {kind}: expected classification or regression")


def show(advice: Advice, console: SafeConsole) -> None:
    """Print advice: the settings, the evidence for each number, and what the data cannot tell."""
    task = advice.task
    console.print(f"{task.kind}, {task.rows:,} rows, {task.inputs:,} inputs, {task.outputs:,} outputs")
    _print_judgement(advice.verdict, console)
    if not advice.settings.empty:
        console.print("\nRecommended, best first:")
        console.print(_table(advice.settings.assign(widths=advice.settings["widths"].map(_widths))))
        console.print("\nEach number of the first, against its other possible values:")
        console.print(_table(advice.alternatives.drop(columns=["is_told"])))
    console.print("\nSurveyed tasks, nearest first:")
    console.print(_table(advice.tasks))
    console.print("\nWhat the data cannot tell:" if not advice.settings.empty else "")
    for statement in advice.statements:
        console.print(f"- {statement}")


def _print_judgement(verdict: Verdict, console: SafeConsole) -> None:
    console.print(
        f"Judged on {len(verdict.regrets)} surveyed tasks, each left out in turn: the choice has "
        f"{verdict.chosen_ratio:.3g} times the test loss of the best surveyed candidate, a fixed default "
        f"{verdict.default_ratio:.3g} times; better on {verdict.wins}, worse on {verdict.losses}"
    )


def regrets(dataset: Path, budget: Budget, sweep: str | None = None) -> str:
    """Write how each rule does on the surveyed tasks, each left out in turn, in Markdown.

    Raises:
        InputError: The folder is no data set.
    """
    data = surveyed(dataset, sweep, budget.epochs)
    cost = costs(dataset, data) if budget.seconds is not None else None
    verdicts = {name: leave_one_out(data, rule, budget, cost) for name, rule in RULES.items()}
    used = verdicts[RULE]
    lines = [
        f"| task | best surveyed (loss) | chosen by {RULE} | its ratio | fixed default's ratio |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {markdown(each.task)} | {markdown(each.best)} ({each.best_loss:.3g}) | {markdown(each.chosen)} "
        f"| {each.chosen_ratio:.3f} | {each.default_ratio:.3f} |"
        for each in used.regrets
    ]
    lines += [f"| geometric mean | | | {used.chosen_ratio:.3f} | {used.default_ratio:.3f} |", ""]
    lines += [
        "| rule | " + " | ".join(markdown(each.task) for each in used.regrets) + " | geometric mean | better, worse |"
    ]
    lines += ["|" + "---|" * (len(used.regrets) + 3)]
    for name, verdict in verdicts.items():
        ratios = " | ".join(f"{each.chosen_ratio:.3f}" for each in verdict.regrets)
        lines.append(f"| {name} | {ratios} | {verdict.chosen_ratio:.3f} | {verdict.wins}, {verdict.losses} |")
    ratios = " | ".join(f"{each.default_ratio:.3f}" for each in used.regrets)
    lines.append(f"| fixed default | {ratios} | {used.default_ratio:.3f} | |")
    return "\n".join(lines)


def _table(frame: pd.DataFrame) -> Table:
    made = Table(box=None, pad_edge=False)
    for name in frame.columns:
        # In a narrow terminal, cells wrap rather than being cut.
        justify = "right" if is_numeric_dtype(frame[name]) else "left"
        made.add_column(str(name).replace("_", " "), justify=justify, overflow="fold")
    for row in frame.to_dict("records"):
        made.add_row(*map(_told, row.values()))
    return made


def _told(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def _widths(widths: list[int]) -> str:
    return "-".join(map(str, widths))


if __name__ == "__main__":
    run_app(command, "python -m analysis.recommend")
