"""`python -m survey.export --out DIR`: bring the data set of a survey up to date."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from survey.commands import run_app
from survey.export import export
from survey.export.pool import in_processes
from survey.output import Output
from survey.own_store import OwnStore
from survey.result import INCOMPLETE


def command(
    out: Annotated[Path, typer.Option(help="Output folder of a survey.")],
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow tracking URI, if the launch was given one.")] = None,
    prune: Annotated[
        bool, typer.Option("--prune-artifacts", help="Drop histories among MLflow's artifacts that the data set holds.")
    ] = False,
) -> int:
    """Bring the data set of a survey up to date with its finished MLflow runs."""
    from survey.export.prune import prune_artifacts
    from survey.recovery import recover
    from survey.tracking.store import TrackingStore

    console = Console(soft_wrap=True, highlight=False)
    output = Output.at(out, create=False)
    own = OwnStore(output, on_node=False)
    with output.lock(), nullcontext() if tracking_uri else own:
        store = TrackingStore(tracking_uri or own.uri, output_id=output.output_id)
        if own.lost_node:
            recover(output, store, output.artifacts.as_uri())
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


if __name__ == "__main__":
    run_app(command, "python -m survey.export")
