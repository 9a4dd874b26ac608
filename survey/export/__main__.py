"""`python -m survey.export --out DIR`: bring the data set of a survey up to date, and publish it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from survey.commands import run_app
from survey.errors import InputError
from survey.export import export
from survey.export.about import About
from survey.export.pool import in_processes
from survey.files import disk_full_errors
from survey.output import Output
from survey.own_store import OwnStore
from survey.result import INCOMPLETE
from survey.space import SearchSpace
from survey.tracking.credentials import check_no_password

_PUBLISHING = "Publishing"


def command(
    out: Annotated[Path | None, typer.Option(help="Output folder of a survey.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow tracking URI, if the launch was given one.")] = None,
    prune: Annotated[
        bool, typer.Option("--prune-artifacts", help="Drop histories among MLflow's artifacts that the data set holds.")
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(
            "--publish",
            metavar="DIR_OR_URL",
            rich_help_panel=_PUBLISHING,
            help="Put a data set that others can use into a folder, or into s3://BUCKET/FOLDER.",
        ),
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(rich_help_panel=_PUBLISHING, help="Folder of a data set, in the place of --out.")
    ] = None,
    title: Annotated[str, typer.Option(rich_help_panel=_PUBLISHING, help="Title of the data set.")] = "",
    licence: Annotated[
        str, typer.Option(rich_help_panel=_PUBLISHING, help="Licence of the data: a short name, or an address.")
    ] = "CC-BY-4.0",
    creator: Annotated[str, typer.Option(rich_help_panel=_PUBLISHING, help="Who publishes it.")] = "",
    url: Annotated[
        str, typer.Option(rich_help_panel=_PUBLISHING, help="Address at which the published folder is read by HTTP.")
    ] = "",
    hostnames: Annotated[
        bool, typer.Option("--with-hostnames", rich_help_panel=_PUBLISHING, help="Keep the names of hosts.")
    ] = False,
) -> int:
    """Bring the data set of a survey up to date with its finished MLflow runs, and publish it."""
    if tracking_uri:
        check_no_password("--tracking-uri", tracking_uri)
    if (out is None) == (dataset is None) or (dataset and not where):
        raise InputError("expected --out FOLDER of a survey, or --dataset FOLDER together with --publish")
    console = Console(soft_wrap=True, highlight=False)
    status, spaces = 0, list[SearchSpace]()
    if out is not None:
        output = Output.at(out, must_exist=True)
        status = _export(output, tracking_uri, console, prune=prune)
        dataset, spaces = output.dataset, output.spaces()
    if where and dataset:
        about = About(title or _title(dataset), licence, creator, url)
        _publish(dataset, where, about, spaces, console, hostnames=hostnames)
    return status


def _export(output: Output, tracking_uri: str | None, console: Console, *, prune: bool) -> int:
    from survey.export.prune import prune_artifacts
    from survey.recovery import recover
    from survey.tracking.store import TrackingStore

    own = OwnStore(output, on_node=False)
    with disk_full_errors(output.folder), output.lock(), nullcontext() if tracking_uri else own:
        store = TrackingStore(tracking_uri or own.uri, output_id=output.output_id)
        if own.lost_node:
            recover(output, store, output.artifacts_at(own.lost_artifacts))
            own.recovered()
        result = export(output, store, in_processes)
        pruned = prune_artifacts(output, store, in_processes) if prune else None
    for message in result.damaged:
        console.print(f"not exported: {message}", style="yellow", markup=False)
    console.print(
        f"{output.dataset}: {result.num_new_runs:,} new runs, {result.num_partitions_written:,} partitions written"
    )
    if pruned:
        console.print(str(pruned))
    return INCOMPLETE if result.damaged else 0


def _publish(
    dataset: Path, where: str, about: About, spaces: list[SearchSpace], console: Console, *, hostnames: bool
) -> None:
    from survey.export.publish import publish

    result = publish(dataset, where, about, spaces=spaces, hostnames=hostnames)
    removed = f", {result.num_removed:,} old ones removed" if result.num_removed else ""
    console.print(
        f"{where}: {result.num_files:,} files, {result.num_sent:,} of them sent now "
        f"({result.num_bytes_sent / 1e6:,.1f} MB){removed}; licence {about.licence}",
        markup=False,
    )


def _title(dataset: Path) -> str:
    names = sorted(folder.name.removesuffix("_summary") for folder in dataset.glob("*_summary"))
    surveys = [name for name in names if name not in ("complete", "complete_executive")]
    return "Training survey " + ", ".join(surveys)


def main(name: str = "python -m survey.export") -> None:
    """Run the command line, which calls itself by this name."""
    run_app(command, name)


if __name__ == "__main__":
    main()
