"""`python -m analysis.combine A B ... --out DIR`: several data sets made one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from survey.combine import combine
from survey.errors import InputError, SurveyError


class OnConflict(StrEnum):
    """What is done about a run that several data sets have with other values."""

    REFUSE = "refuse"
    FIRST = "first"


def main(
    datasets: Annotated[list[Path], typer.Argument(help="Folders of the data sets, two or more.")],
    out: Annotated[Path, typer.Option(help="Folder of the new data set; must be new or empty.")],
    on_conflict: Annotated[
        OnConflict, typer.Option(help="Refuse runs with other values, or take those of the first data set.")
    ] = OnConflict.REFUSE,
) -> None:
    """Make one data set of several, which were made in different places."""
    try:
        if len(datasets) < 2:
            raise InputError(f"expected two data sets or more, found {len(datasets)}")
        settled = "first" if on_conflict is OnConflict.FIRST else "refuse"
        result = combine(datasets[0], datasets[1], *datasets[2:], out=out, on_conflict=settled)
    except SurveyError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
    conflicts = f", {result.num_conflicts:,} conflicts" if result.num_conflicts else ""
    typer.echo(
        f"{result.dataset}: {result.num_experiments:,} experiments, {result.num_runs:,} runs; "
        f"{result.num_equal:,} runs were in several{conflicts}"
    )


if __name__ == "__main__":
    typer.run(main)
