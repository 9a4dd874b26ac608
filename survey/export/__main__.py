"""`survey export FOLDER`: bring the data set of a survey up to date, and publish it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from survey.cli import run_app
from survey.dataset.layout import REPETITIONS, partitions
from survey.errors import INCOMPLETE
from survey.export.mappers import in_processes
from survey.export.publish.__main__ import publish_and_tell, title_of
from survey.export.publish.description import About
from survey.export.update import update_dataset
from survey.output.folder import Output
from survey.output.states import States
from survey.system.files import disk_full_errors
from survey.system.import_path import own_package
from survey.text.terminal import SafeConsole
from survey.text.uris import folder_uri
from survey.tracking.credentials import check_no_password
from survey.tracking.local_store import OwnStore

_PUBLISHING = "Publishing"


def command(
    folder: Annotated[Path, typer.Argument(help="Output folder of a survey.")],
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow tracking URI, if the launch had one.")] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|URI",
            help="Location of MLflow's artifacts, if the launch had one.",
            show_default="in the output folder",
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune-artifacts", help="Drop MLflow artifacts with histories that are in the data set.")
    ] = False,
    prune_states: Annotated[
        bool, typer.Option("--prune-states", help="Drop the states of runs that --keep-states has kept.")
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(
            "--publish",
            metavar="DIR_OR_URL",
            rich_help_panel=_PUBLISHING,
            help="Publish the data set in a folder, or in s3://BUCKET/FOLDER.",
        ),
    ] = None,
    title: Annotated[str, typer.Option(rich_help_panel=_PUBLISHING, help="Title of the data set.")] = "",
    licence: Annotated[
        str, typer.Option(rich_help_panel=_PUBLISHING, help="Licence of the data: a short name or a URL.")
    ] = "CC-BY-4.0",
    creator: Annotated[str, typer.Option(rich_help_panel=_PUBLISHING, help="Who publishes it.")] = "",
    url: Annotated[str, typer.Option(rich_help_panel=_PUBLISHING, help="HTTP address of the published folder.")] = "",
    hostnames: Annotated[
        bool, typer.Option("--with-hostnames", rich_help_panel=_PUBLISHING, help="Keep the names of hosts.")
    ] = False,
) -> int:
    """Bring the data set of a survey up to date with its finished MLflow runs, and publish it."""
    for option, uri in (("--tracking-uri", tracking_uri), ("--artifacts", artifacts)):
        if uri:
            check_no_password(option, uri)
    console = SafeConsole()
    output = Output.at(folder, must_exist=True)
    status = _export(output, tracking_uri, artifacts and folder_uri(artifacts), console, prune=prune)
    if prune_states:
        with output.lock():
            num_files, num_bytes = States(output.states).remove()
        console.print(f"dropped {num_files:,} states ({num_bytes / 1e6:,.0f} MB)")
    if where:
        about = About(title or title_of(output.dataset), licence, creator, url)
        publish_and_tell(output.dataset, where, about, output.search_spaces.read(), hostnames=hostnames)
    return status


def _export(
    output: Output, tracking_uri: str | None, artifacts: str | None, console: SafeConsole, *, prune: bool
) -> int:
    from survey.export.prune import prune_artifacts
    from survey.tracking.recovery import recover
    from survey.tracking.store import TrackingStore

    own = OwnStore(output, on_node=False)
    with disk_full_errors(output.folder), output.lock(), nullcontext() if tracking_uri else own:
        store = TrackingStore(tracking_uri or own.uri, output_id=output.output_id, is_own=tracking_uri is None)
        if own.lost_node:
            recover(output, store, artifacts, hint=own.lost_artifacts)
            own.recovered()
        result = update_dataset(output, store, in_processes, artifacts=artifacts)
        pruned = prune_artifacts(output, store, in_processes, artifacts=artifacts) if prune else None
    for message in result.damaged:
        console.print(f"not exported: {message}", style="yellow")
    console.print(
        f"{output.dataset}: {result.num_new_runs:,} new runs, {result.num_partitions_written:,} partitions written"
    )
    if pruned:
        console.print(str(pruned))
    _renew_index(output, console)
    return INCOMPLETE if result.damaged else 0


def _renew_index(output: Output, console: SafeConsole) -> None:
    """Bring the index of the explorer up to date, which is beside the data set, so that the explorer starts at once."""
    if not any(partitions(output.dataset / REPETITIONS)):
        return
    with own_package("analysis"):
        from analysis.explore.index import folder_of, open_index

        console.print(open_index(output.dataset, folder_of(output.dataset)).told)


def main(name: str = "python -m survey.export") -> None:
    """Run the command line under a name."""
    run_app(command, name)


if __name__ == "__main__":
    main()
