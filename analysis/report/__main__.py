"""`survey report DATASET`: the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.explore.single_file import FILE
from analysis.report.page import write_pages
from survey.cli import run_app
from survey.errors import InputError
from survey.output.folder import dataset_in
from survey.text.terminal import SafeConsole


def command(
    dataset: Annotated[Path, typer.Argument(help="Folder of a survey, or of a data set.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the report, index.html and explore.html.", show_default="report/ beside it"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Refuse to write to the output of the survey; --out must be elsewhere."),
    ] = False,
) -> int:
    """Write a report on a data set, a page with figures and tables, and beside it one to explore it, explore.html."""
    dataset = dataset_in(dataset)
    if read_only:
        _check_elsewhere(dataset.resolve(), out)
    folder = dataset.resolve().parent / "report" if out is None else out
    path = write_pages(dataset, folder, title, keep_index=not read_only)
    console = SafeConsole()
    console.print(f"report: {path}")
    explorer = path.parent / FILE
    if explorer.exists():
        console.print(f"explorer: {explorer}")
    return 0


def _check_elsewhere(dataset: Path, out: Path | None) -> None:
    """Check that the report does not go into the data set, nor into the output of a survey that contains it."""
    folder = dataset.parent if (dataset.parent / "survey.json").exists() else dataset
    if out is None:
        raise InputError(f"--read-only: by default the report goes beside the data set; set --out outside of {folder}")
    if out.resolve().is_relative_to(folder):
        raise InputError(f"--read-only: --out {out} is in {folder}, which must not change; choose a folder elsewhere")


if __name__ == "__main__":
    run_app(command, "python -m analysis.report")
