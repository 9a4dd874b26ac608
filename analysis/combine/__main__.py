"""`survey combine A B ... --out DIR`: the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from survey.cli import run_app
from survey.dataset.combine import combine
from survey.errors import InputError
from survey.output.folder import dataset_in
from survey.text.terminal import SafeConsole


class OnConflict(StrEnum):
    """What to do with a run whose values differ between data sets."""

    REFUSE = "refuse"
    FIRST = "first"


def command(
    datasets: Annotated[list[Path], typer.Argument(help="Folders of the surveys, or of their data sets, two or more.")],
    out: Annotated[Path, typer.Option(help="Folder of the new data set; must be new or empty.")],
    on_conflict: Annotated[
        OnConflict, typer.Option(help="If a run differs between data sets: refuse, or take it from the first.")
    ] = OnConflict.REFUSE,
) -> int:
    """Combine several data sets, such as those of different clusters, into a new one."""
    if len(datasets) < 2:
        raise InputError(f"expected two data sets or more, found {len(datasets)}")
    settled = "first" if on_conflict is OnConflict.FIRST else "refuse"
    first, second, *others = map(dataset_in, datasets)
    result = combine(first, second, *others, out=out, on_conflict=settled)
    conflicts = f", {result.num_conflicts:,} conflicts" if result.num_conflicts else ""
    SafeConsole().print(
        f"{result.dataset}: {result.num_experiments:,} experiments, {result.num_runs:,} runs; "
        f"{result.num_equal:,} runs were in more than one data set{conflicts}"
    )
    return 0


if __name__ == "__main__":
    run_app(command, "python -m analysis.combine")
