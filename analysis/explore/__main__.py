"""`survey explore DATASET`: the command line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from analysis.explore.index import folder_of, open_index
from survey.cli import run_app
from survey.errors import DONE
from survey.output.folder import dataset_in
from survey.text.terminal import SafeConsole


def command(
    dataset: Annotated[Path, typer.Argument(help="Folder of a survey, or of a data set.")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on.", show_default="a free one")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Write nothing beside the data set: keep its index in your cache.")
    ] = False,
) -> int:
    """Explore a data set in a browser: a page on this machine alone, until Ctrl-C."""
    from analysis.explore.server import HOST, listen, server_of

    console, dataset = SafeConsole(), dataset_in(dataset)
    index = open_index(dataset, folder_of(dataset, read_only=read_only))
    console.print(index.told)
    listener = listen(port)
    console.print(f"explorer: http://{HOST}:{listener.getsockname()[1]}/ (only from this machine; Ctrl-C ends it)")
    with listener, suppress(KeyboardInterrupt):
        server_of(index).run(sockets=[listener])
    return DONE


if __name__ == "__main__":
    run_app(command, "python -m analysis.explore")
