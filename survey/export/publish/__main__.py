"""`survey publish FOLDER WHERE`: publish a data set; also `python -m survey.export.publish`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from survey.cli import run_app
from survey.dataset.layout import columns_of, sweep_of
from survey.dataset.sweep_names import sweep_problem
from survey.export.publish.description import About
from survey.output.folder import Output
from survey.spaces.search_space import BaseSpace
from survey.text.terminal import SafeConsole


def command(
    folder: Annotated[Path, typer.Argument(help="Output folder of a survey, or folder of a data set.")],
    where: Annotated[str, typer.Argument(metavar="DIR_OR_URL", help="Folder to publish in, or s3://BUCKET/FOLDER.")],
    title: Annotated[str, typer.Option(help="Title of the data set.", show_default="of its search spaces")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data: a short name or a URL.")] = "CC-BY-4.0",
    creator: Annotated[str, typer.Option(help="Who publishes it.")] = "",
    url: Annotated[str, typer.Option(help="HTTP address of the published folder.")] = "",
    hostnames: Annotated[bool, typer.Option("--with-hostnames", help="Keep the names of hosts.")] = False,
) -> int:
    """Publish a data set for others: with a data card, documented columns, checksums and a Croissant description.

    Called again, it sends only what has changed.
    """
    output = Output(folder)
    dataset, spaces = (output.dataset, output.search_spaces.read()) if output.exists else (folder, [])
    about = About(title or title_of(dataset), licence, creator, url)
    publish_and_tell(dataset, where, about, spaces, hostnames=hostnames)
    return 0


def title_of(dataset: Path) -> str:
    """Return a title for a data set, of the names of its search spaces."""
    columns = columns_of(dataset)
    sweeps = sorted(sweep_of(folder.name) for folder in dataset.glob("*_summary"))
    return "Training survey " + ", ".join(sweep for sweep in sweeps if not sweep_problem(sweep, columns))


def publish_and_tell(dataset: Path, where: str, about: About, spaces: Sequence[BaseSpace], *, hostnames: bool) -> None:
    """Publish a data set, see `survey.export.publish.upload.publish`, and print what was sent."""
    from survey.export.publish.upload import publish

    result = publish(dataset, where, about, spaces=spaces, hostnames=hostnames)
    removed = f", {result.num_removed:,} old ones removed" if result.num_removed else ""
    SafeConsole().print(
        f"{where}: {result.num_files:,} files, {result.num_sent:,} of them sent now "
        f"({result.num_bytes_sent / 1e6:,.1f} MB){removed}; licence {about.licence}"
    )


if __name__ == "__main__":
    run_app(command, "python -m survey.export.publish")
