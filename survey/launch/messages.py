"""The lines that a launch prints."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from survey.launch.result import SurveyResult, failure_lines
from survey.plan.plan import Plan
from survey.text.counting import counted
from survey.text.terminal import SafeConsole, short_path
from survey.tracking.ui_view import PATH

CONTINUE = "launch again with the same arguments to continue"

_SHOWN = 20
"""Missing experiments that are named, at most."""


def plan_line(name: str, plan: Plan, left_out: str) -> str:
    """What will be trained; why experiments are left out."""
    text = (
        f"{name}: {counted(plan.num_experiments, 'experiment')}, {counted(plan.num_runs, 'run')}; "
        f"{plan.num_runs_done:,} done, {plan.num_runs_planned:,} to train in {counted(len(plan.trials), 'trial')}"
    )
    if continued := sum(bundle.start_epoch > 0 for bundle in plan.bundles):
        text += f"; {counted(continued, 'bundle')} continued from kept states"
    if plan.num_left_out:
        text += f"; {counted(plan.num_left_out, 'experiment')} left out: {left_out}"
    return text


def placed_lines(plan: Plan) -> Iterator[str]:
    """How many experiments share a trial, if any do, and how many trials train on cores beside GPUs."""
    packed = [count for count in plan.packed if count > 1]
    if packed:
        yield f"{sum(packed):,} experiments are packed into {counted(len(packed), 'trial')}"
    on_cores = sum(not trial[0].num_gpus for trial in plan.trials)
    if 0 < on_cores < len(plan.trials):
        yield f"{counted(len(plan.trials) - on_cores, 'trial')} on GPUs, {on_cores:,} on the cores beside them"


def recording_line(*, all_epochs: bool, repetition_runs: bool) -> str:
    """What MLflow records."""
    epochs = "every epoch" if all_epochs else "log-spaced epochs"
    runs = " and one for each repetition" if repetition_runs else ""
    return f"MLflow records {epochs}, in a run for each experiment{runs}"


def mlflow_line(address: str) -> str:
    """Where a browser finds the survey in the MLflow UI."""
    return f"MLflow UI      {address}{PATH}"


def tunnel_line(mlflow: str, dashboard: str | None) -> str:
    """An ssh tunnel to the MLflow server and Ray's dashboard in a cluster."""
    from survey.cluster.connection import tunnel

    return f"ssh tunnel     {tunnel(mlflow, dashboard)}"


def dashboard_lines(dashboard: str, token_file: Path | None) -> Iterator[str]:
    """Ray's dashboard, and a command that shows the token that it asks for, to be copied as it stands."""
    ray = [str(Path(sys.executable).with_name("ray")), "get-auth-token"]
    yield f"Ray dashboard  {dashboard}"
    yield f"Ray token      {shlex.join(['cat', str(token_file)] if token_file else ray)}"


def cut_short_line(result: SurveyResult) -> str:
    """What ended a launch before all was done, how it goes on, and what is missing."""
    number, runs = len(result.missing), result.num_runs - result.num_runs_done
    are = "is" if runs == 1 else "are"
    lacking = f" ({counted(runs, 'run')} of {counted(number, 'experiment')} {are} missing)" if number else ""
    return f"{result.cut_short}: {CONTINUE}{lacking}"


def show_result(result: SurveyResult, console: SafeConsole, *, with_mlflow: bool) -> None:
    """Print the result of a launch.

    Args:
        result: The result.
        console: Where to print.
        with_mlflow: Whether the MLflow store is the output's own; then a command that shows it is printed.
    """
    for line in failure_lines(result.failures):
        console.print(line, style="red")
    if result.cut_short:
        console.print(cut_short_line(result), style="yellow")
    else:
        for line in _missing_lines(result.missing):
            console.print(line, style="yellow")
    console.print(str(result))
    console.print(f"data set   {short_path(result.dataset)}")
    if result.report:
        console.print(f"report     {short_path(result.report)}")
    folder = result.dataset.parent
    if with_mlflow and (folder / "mlflow.db").exists():
        console.print(f"MLflow UI  {_ui_command(folder)}")


def _ui_command(folder: Path) -> str:
    """The command that brings the MLflow UI of an output back, to be copied."""
    script = Path(sys.executable).with_name("survey")
    program = [short_path(script)] if script.exists() else [sys.executable, "-m", "survey"]
    return shlex.join([*program, "ui", short_path(folder)])


def _missing_lines(missing: Sequence[str]) -> Iterator[str]:
    yield from (f"missing: {name}" for name in missing[:_SHOWN])
    if len(missing) > _SHOWN:
        yield f"missing: {len(missing) - _SHOWN:,} more experiments"
