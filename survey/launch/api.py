"""The Python API: `survey.run`, and `survey.dry_run`, which starts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from survey.errors import InputError, LocatedError, SearchSpaceError, nearest
from survey.launch.messages import CONTINUE, cut_short_line
from survey.launch.options import Options
from survey.launch.request import Request
from survey.launch.result import SurveyResult
from survey.launch.stages import Stages
from survey.spaces.search_space import BaseSpace
from survey.spaces.yaml_file import load_space
from survey.system.interrupts import Interrupter, interrupting
from survey.text.names import folded
from survey.text.notebook import quieten_widgets
from survey.text.terminal import SafeConsole, in_notebook, say

if TYPE_CHECKING:
    from survey.plan.price import Price

Space = str | Path | BaseSpace
"""A search space: the name of a built-in one, the path of a YAML file, or a `SearchSpace`."""


def run(  # noqa: PLR0913 - the options of a launch, by name
    space: Space | Sequence[Space] = "quickstart",
    *,
    out: str | Path | None = None,
    address: str | None = None,
    num_cpus: int | None = None,
    num_gpus: float | None = None,
    gpus_per_trial: float | Literal["auto"] = "auto",
    pack: int | Literal["auto"] = "auto",
    tracking_uri: str | None = None,
    artifacts: str | None = None,
    mlflow_epochs: Literal["auto", "all", "log"] = "auto",
    mlflow_runs: Literal["auto", "experiment", "repetition"] = "auto",
    repetitions: int | None = None,
    limit: int | None = None,
    time_limit_s: float | None = None,
    pilot: bool = False,
    redo: str | None = None,
    prune_artifacts: bool = False,
    keep_states: bool = False,
    ui: bool = False,
    console: Console | None = None,
    **unknown: object,
) -> SurveyResult:
    """Run a survey: train what is missing, export it, write the report.

    Args:
        space: Name of a built-in search space, path of a YAML file, or a `SearchSpace`; or several, surveyed as one.
        out: Output folder; `surveys/NAME` if None.
        address: Address of a running Ray cluster; None uses the Ray that this process is connected to and leaves it
            running, or else starts one on this machine for the survey.
        num_cpus: Cores of the survey's own Ray; None for all.
        num_gpus: GPUs of the survey's own Ray; None for all.
        gpus_per_trial: Fraction of a GPU for each trial; `auto` finds it from the trial's memory.
        pack: Small experiments to pack into a trial on a GPU; `auto` packs them if a pilot finds that it pays.
        tracking_uri: MLflow tracking URI; None for a sqlite file in the output folder.
        artifacts: Where MLflow's artifacts go: a folder that all machines share, or a URI such as `s3://BUCKET/PREFIX`;
            None for the output folder, or the choice of an MLflow server at `tracking_uri`.
        mlflow_epochs: Epochs that MLflow records: `all`, log-spaced ones, or what keeps MLflow quick.
        mlflow_runs: What gets its own MLflow run: each repetition, or only each experiment.
        repetitions: Runs of each experiment; None for the number in the search space.
        limit: Use only the first `limit` experiments.
        time_limit_s: Seconds after which to stop cleanly.
        pilot: First train a few epochs of some trials, for a minute at most, so that the forecast in the report is made
            for this machine.
        redo: Finished experiments to train again, such as `dataset=sklearn:iris,depth=3`; their rows are replaced.
        prune_artifacts: Delete MLflow's history artifacts that the data set holds.
        keep_states: Keep each run's last state, so that an experiment that differs in more epochs alone goes on from
            there.
        ui: Whether to start the MLflow UI and the Ray dashboard.
        console: Where to show progress; None for standard output.

    Returns:
        Counts, failures and paths; `.summary` is a pandas frame.

    Raises:
        InputError: The input cannot be used; no trial has started.
        SurveyError: The tracking store or the data set failed.
        KeyboardInterrupt: It was interrupted while no trial was training. Interrupted while some were, it returns.
            Called again with the same arguments, it goes on.
    """
    # All but three parameters are the fields of `Options`, by name.
    given = {name: value for name, value in locals().items() if name not in ("space", "console", "unknown")}
    _refuse("run", unknown, ("space", *given, "console"))
    options, console = Options(**given), console or SafeConsole()
    if in_notebook():
        quieten_widgets()
    waits = Interrupter(lambda: say(console, "interrupted: stopping as soon as libraries are imported", style="yellow"))
    try:
        with interrupting(waits), Stages(console) as stages:
            stages.begin("planning", has_line=False)
            request = prepare(space, options, console)
            from survey.launch.launcher import Launch  # imports Ray, as for the command line

            result = Launch(request, stages).run()
    except KeyboardInterrupt:
        # Where it happened tells nobody anything, and in a notebook it would take a screen.
        raise KeyboardInterrupt(f"interrupted: {CONTINUE}") from None
    if result.cut_short:
        say(console, cut_short_line(result), style="yellow")
    return result


def dry_run(space: Space | Sequence[Space] = "quickstart", **options: Any) -> Price:
    """Say what `survey.run` would train with the same arguments, and what that would cost; start and write nothing.

    Args:
        space: Name of a built-in search space, path of a YAML file, or a `SearchSpace`; or several, surveyed as one.
        options: Those of `survey.run`, by name. What is done in `out` is not counted; `pilot=True` measures this
            machine for a minute at most.

    Returns:
        What `--dry-run --json` prints, with the numbers as attributes, such as `.runs_to_train`, and as a dict from
        `.to_dict()`. `print` shows it as a table, and so does a notebook.

    Raises:
        InputError: The input cannot be used.
    """
    names = [field.name for field in fields(Options)]
    console = options.pop("console", None)
    _refuse("dry_run", [name for name in options if name not in names], ("space", *names, "console"))
    request = prepare(space, Options(**options), console)
    from survey.launch.planning import dry_run as plan  # imports what plans: mistakes come first

    return plan(request)


def _refuse(function: str, unknown: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise the error of the first unknown argument, if there is one."""
    for name in unknown:
        raise InputError(
            f"survey.{function}: unknown argument {name!r}{nearest(name, allowed)}; allowed are {', '.join(allowed)}"
        )


def prepare(space: Space | Sequence[Space], options: Options, console: Console | None = None) -> Request:
    """Check the arguments, which are as for `run`, and return them as one request.

    Raises:
        InputError: The input cannot be used.
    """
    given = [space] if isinstance(space, Space) or not isinstance(space, Sequence) else list(space)
    for one in given:
        if not isinstance(one, Space):
            raise InputError(f"search spaces: expected names, paths or SearchSpace, found {type(one).__name__}")
    spaces = [one if isinstance(one, BaseSpace) else load_space(one) for one in given]
    for one in spaces:
        try:
            one.check()
        except LocatedError as error:
            raise SearchSpaceError(f"{one.name}: {error}") from None
    names = [one.name for one in spaces]
    if len(set(map(folded, names))) < len(names) or not names:
        raise InputError(f"search spaces: expected one or more of different names, found {', '.join(names) or 'none'}")
    return Request(spaces, options, console or SafeConsole())
