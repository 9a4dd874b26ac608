"""The command line: `survey launch [SPACE ...]`, a thin wrapper over `survey.run`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from survey.cli import run_app
from survey.errors import InputError
from survey.launch.options import Epochs, Options, Runs
from survey.launch.parsers import parse_duration, parse_gpus_per_trial, parse_pack
from survey.text.terminal import SafeConsole
from survey.workloads.limits import MOST_REPETITIONS

if TYPE_CHECKING:
    from survey.spaces.search_space import BaseSpace

_DEFAULT = "quickstart"


def _names_like(incomplete: str) -> list[str]:
    """The built-in search spaces whose names begin so, and files here, for a shell that completes."""
    from survey.spaces.yaml_file import built_in_names

    files = [str(file) for file in Path().glob("*.y*ml")]
    return [name for name in (*built_in_names(), *files) if name.startswith(incomplete)]


_Spaces = Annotated[
    list[str] | None,
    typer.Argument(
        help="Search spaces: names of files in search_spaces/, or paths.",
        show_default=_DEFAULT,
        autocompletion=_names_like,
    ),
]
_Out = Annotated[Path | None, typer.Option(help="Folder for all files of the survey.", show_default="surveys/NAME")]
_Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Ray cluster to join; one that requires a token needs RAY_AUTH_MODE=token and RAY_AUTH_TOKEN.",
        show_default="its own Ray on this machine",
    ),
]
_NumCpus = Annotated[int | None, typer.Option(min=1, help="CPU cores to use; not with --address.", show_default="all")]
_NumGpus = Annotated[float | None, typer.Option(min=0, help="GPUs to use; not with --address.", show_default="all")]
_GpusPerTrial = Annotated[
    Any, typer.Option(parser=parse_gpus_per_trial, metavar="auto|FRACTION", help="Share of a GPU for each trial.")
]
_Pack = Annotated[
    Any,
    typer.Option(
        parser=parse_pack,
        metavar="auto|N",
        help="Small experiments to pack into a trial on a GPU; auto: if --pilot finds that it pays.",
    ),
]
_TrackingUri = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="MLflow tracking store; the launch then starts no MLflow UI.",
        show_default="a sqlite file in --out",
    ),
]
_Artifacts = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|URI",
        help="Where MLflow's artifacts go, such as s3://BUCKET/PREFIX.",
        show_default="--out, or what an MLflow server at --tracking-uri decides",
    ),
]
_MlflowEpochs = Annotated[Epochs, typer.Option(help="Epochs that go to MLflow: every one, or log-spaced ones.")]
_MlflowRuns = Annotated[Runs, typer.Option(help="Whether each repetition has its own MLflow run.")]
_Repetitions = Annotated[
    int | None, typer.Option(min=1, max=MOST_REPETITIONS, help="Runs of each experiment.", show_default="as in SPACE")
]
_Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first N experiments.", show_default="all")]
_TimeLimit = Annotated[
    Any,
    typer.Option(
        parser=parse_duration,
        metavar="DURATION",
        help="Stop cleanly after, e.g., 90s, 15m or 1h30m.",
        show_default="none",
    ),
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE[,...]",
        help="Values of an axis, in place of those of every grid; may be repeated.",
        show_default="none",
    ),
]
_Redo = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=VALUE[,...]", help="Train these experiments again and replace their runs.", show_default="none"
    ),
]
_PruneArtifacts = Annotated[
    bool, typer.Option("--prune-artifacts", help="Delete MLflow's history artifacts that the data set holds.")
]
_KeepStates = Annotated[
    bool, typer.Option("--keep-states", help="Keep each run's last state: more epochs go on from there.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and its cost, and train nothing.")]
_Pilot = Annotated[
    bool,
    typer.Option(
        "--pilot",
        help="First train a few epochs of some trials, a minute at most, so that the cost is that of this machine.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="With --dry-run: print one JSON object and nothing else.")]
_FetchOnly = Annotated[bool, typer.Option("--fetch-only", help="The same as survey fetch.")]
_NoUi = Annotated[
    bool,
    typer.Option(
        "--no-ui",
        help="Start neither the MLflow UI nor the Ray dashboard; with --address and no --tracking-uri the MLflow "
        "server runs anyway, as workers need it.",
    ),
]
_Example = Annotated[bool, typer.Option("--example", help="The same as survey example.")]


def command(
    space: _Spaces = None,
    out: _Out = None,
    address: _Address = None,
    num_cpus: _NumCpus = None,
    num_gpus: _NumGpus = None,
    gpus_per_trial: _GpusPerTrial = "auto",
    pack: _Pack = "auto",
    tracking_uri: _TrackingUri = None,
    artifacts: _Artifacts = None,
    mlflow_epochs: _MlflowEpochs = Epochs.AUTO,
    mlflow_runs: _MlflowRuns = Runs.AUTO,
    repetitions: _Repetitions = None,
    limit: _Limit = None,
    time_limit: _TimeLimit = None,
    set_axes: _Set = None,
    redo: _Redo = None,
    prune_artifacts: _PruneArtifacts = False,
    keep_states: _KeepStates = False,
    dry_run: _DryRun = False,
    pilot: _Pilot = False,
    as_json: _Json = False,
    fetch_only: _FetchOnly = False,
    no_ui: _NoUi = False,
    example: _Example = False,
) -> int:
    """Survey how a model trains: every experiment of a search space, every epoch of every run.

    Launched again with the same arguments, it trains only what is missing.

    Exit status: 0 all done; 1 some runs failed or are missing; 2 wrong usage or bad input; 130 interrupted.
    """
    console = SafeConsole()
    if example:
        return print_example()
    if as_json and not dry_run:
        raise InputError("--json needs --dry-run")
    spaces = _read(space, set_axes or ())
    if fetch_only:
        return _fetch(spaces)
    options = Options(
        out=out,
        address=address,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        gpus_per_trial=gpus_per_trial,
        pack=pack,
        tracking_uri=tracking_uri,
        artifacts=artifacts,
        mlflow_epochs=mlflow_epochs.value,
        mlflow_runs=mlflow_runs.value,
        repetitions=repetitions,
        limit=limit,
        time_limit_s=time_limit,
        pilot=pilot,
        redo=redo,
        prune_artifacts=prune_artifacts,
        keep_states=keep_states,
        ui=not no_ui,
    )
    return _dry_run(spaces, options, console, as_json=as_json) if dry_run else _launch(spaces, options, console)


def _dry_run(spaces: list[BaseSpace], options: Options, console: SafeConsole, *, as_json: bool) -> int:
    from survey.launch.api import prepare
    from survey.launch.planning import dry_run

    request = prepare(spaces, options, console)
    price = dry_run(request)
    if as_json:
        typer.echo(json.dumps(price.to_dict(), indent=1))
    else:
        console.print(f"Plan for {request.output.folder}")
        console.print(str(price))
    return 0


def _launch(spaces: list[BaseSpace], options: Options, console: SafeConsole) -> int:
    from survey.launch.api import prepare
    from survey.launch.stages import Stages

    with Stages(console) as stages:
        stages.begin("planning", has_line=False)
        request = prepare(spaces, options, console)
        from survey.launch.launcher import Launch  # imports MLflow, which takes seconds: mistakes come first
        from survey.launch.messages import show_result

        result = Launch(request, stages).run()
    show_result(result, console, with_mlflow=options.tracking_uri is None)
    return result.exit_status


def fetch(space: _Spaces = None) -> int:
    """Fetch the tables of search spaces into the cache, for machines without a network, and train nothing."""
    return _fetch(_read(space))


def _read(names: Sequence[str] | None, changes: Sequence[str] = ()) -> list[BaseSpace]:
    """The search spaces of a command line, with the axes that it sets."""
    from survey.spaces.changes import parse_changes
    from survey.spaces.yaml_file import load_space

    changed = parse_changes(changes)
    return [load_space(name, changed) for name in names or [_DEFAULT]]


def _fetch(spaces: Sequence[BaseSpace]) -> int:
    from survey.launch.request import workload_of

    for name, file in workload_of(spaces).data(spaces).fetch():
        SafeConsole().print(f"{name}: {file or 'always at hand'}")
    return 0


def print_example() -> int:
    """Print a commented search space to start from, with all keys."""
    typer.echo((resources.files("survey.spaces") / "example.yaml").read_text(encoding="utf-8"), nl=False)
    return 0


def main(name: str = "python -m survey.launch") -> None:
    """Run the command line under this program name."""
    run_app(command, name)


if __name__ == "__main__":
    main()
