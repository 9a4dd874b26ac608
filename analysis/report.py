"""One self-contained page on a data set: `python -m analysis.report DATASET`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import jinja2
import numpy as np
import pandas as pd
import typer

from analysis.condense import experiments
from analysis.facts import Line, lines, overview
from analysis.forecasts import launches
from analysis.gaps import gaps
from analysis.sections import MAX_TASKS, across, place, section
from survey.commands import run_app
from survey.errors import InputError, OutputError
from survey.escaping import printable, python_literal
from survey.files import write_text
from survey.terminal import SafeConsole

MAX_ROWS = 500
"""Experiments listed in the page."""


def write_report(dataset: Path, out: Path, title: str | None = None) -> Path:
    """Write the report on a data set.

    Args:
        dataset: Folder of the data set, with `complete_summary/` in it.
        out: Folder of the report; made where it is not there.
        title: Heading of the page; by default it names the tasks.

    Returns:
        Path of `index.html`, which needs no other file. The same data set, with the same files of a launch beside it,
        gives the same bytes.

    Raises:
        InputError: The folder is not a data set, or holds no experiments.
        OutputError: The report cannot be written.
        ExportError: A file of the data set is damaged.
    """
    page, file = _page(Path(dataset), title), Path(out) / "index.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, page)
    except OSError as error:
        raise OutputError(f"{out}: the report cannot be written ({error.strerror or error})") from error
    return file


def _page(dataset: Path, title: str | None) -> str:
    everything = experiments(dataset)
    facts = overview(dataset, everything)
    tasks = {str(name): rows for name, rows in everything.groupby("dataset", sort=True)}
    drawn = list(tasks)[:MAX_TASKS]
    short = [name.rpartition(":")[2] for name in tasks]
    about = ", ".join(short) if len(tasks) <= 4 else f"{len(tasks)} tasks"
    return _template().render(
        title=title or f"Training survey: {about}",
        facts=facts,
        across=across(dataset, everything),
        sections=[section(dataset, tasks[name]) for name in drawn],
        without_figures=[name for name in tasks if name not in drawn],
        lines=_listed(tasks),
        launches=launches(dataset),
        gaps=gaps(dataset, everything),
        num_experiments=len(everything),
        folder=dataset.resolve().name,
        example=everything.sort_values(["dataset", "shape", "depth"]).iloc[0].to_dict(),
    )


def _listed(tasks: Mapping[str, pd.DataFrame]) -> list[Line]:
    """All experiments, or where they are too many the best of each task."""
    if sum(map(len, tasks.values())) <= MAX_ROWS:
        return [line for rows in tasks.values() for line in lines(rows)]
    return [line for rows in tasks.values() for line in lines(rows, max(1, MAX_ROWS // len(tasks)))][:MAX_ROWS]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis", ""),
        autoescape=lambda name: name == "report.html.j2",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["literal"] = python_literal
    environment.filters["loss"] = lambda value: "–" if not np.isfinite(value) else f"{value:#.4g}".rstrip(".")
    environment.filters["count"] = lambda value: "–" if not np.isfinite(value) or value <= 0 else f"{value:,.10g}"
    environment.filters["many"] = lambda number, noun: f"{number:,} {noun}{'' if number == 1 else 's'}"
    environment.filters["percent"] = lambda value: "–" if not np.isfinite(value) else f"{value:.2%}"
    environment.filters["duration"] = _duration
    environment.filters["place"] = place
    return environment.get_template("report.html.j2")


def _duration(seconds: float) -> str:
    """`42 s`, `12.3 min` or `5.1 h`; a dash for a time that is not known."""
    if not math.isfinite(seconds):
        return "–"
    unit, length = next((one for one in (("h", 3600), ("min", 60)) if seconds >= 2 * one[1]), ("s", 1))
    return f"{seconds / length:,.3g} {unit}"


def command(
    dataset: Annotated[Path, typer.Argument(help="Folder of the data set, with complete_summary/ in it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder that the report is written to, as index.html.", show_default="report/ beside it"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Write nothing to the folder of the data set; --out has to be elsewhere."),
    ] = False,
) -> int:
    """Write a report on a data set: one page with figures and tables, which needs no other file."""
    if read_only:
        _check_elsewhere(dataset.resolve(), out)
    path = write_report(dataset, dataset.resolve().parent / "report" if out is None else out, title)
    SafeConsole().print(f"report: {path}")
    return 0


def _check_elsewhere(dataset: Path, out: Path | None) -> None:
    """See that a report does not go to the folder of a data set, nor to the output of a survey that it is in."""
    folder = dataset.parent if (dataset.parent / "survey.json").exists() else dataset
    if out is None:
        raise InputError(f"--read-only: the report goes beside the data set by default; give --out outside of {folder}")
    if out.resolve().is_relative_to(folder):
        raise InputError(
            f"--read-only: --out {out} lies in {folder}, which is not to be changed; give a folder elsewhere"
        )


if __name__ == "__main__":
    run_app(command, "python -m analysis.report")
