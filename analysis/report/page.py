"""The page of a report on a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2
import pandas as pd

from analysis.explore.index import folder_of
from analysis.explore.single_file import write_single_file
from analysis.reading.tables import schema_of
from analysis.report.condense import experiments
from analysis.report.facts import Line, lines, overview
from analysis.report.findings import findings
from analysis.report.forecasts import launches
from analysis.report.gaps import gaps
from analysis.report.numbers import count_of, duration_of, percent_of, value_of
from analysis.report.sections import MAX_TASKS, across, section
from analysis.report.workload_page import contents
from survey.dataset.schema import columns_in
from survey.errors import OutputError
from survey.system.files import write_text
from survey.text.counting import counted
from survey.text.escaping import printable, python_literal
from survey.workloads.registry import NETWORKS

MAX_ROWS = 500
"""Most experiments listed in the page."""


def write_report(dataset: Path, out: Path, title: str | None = None, *, explorer: bool = False) -> Path:
    """Write the report on a data set.

    Args:
        dataset: Folder of the data set, with `complete_summary/` in it.
        out: Folder of the report, created if missing.
        title: Heading of the page; by default it names the tasks, or the workload.
        explorer: Whether the page links to the explorer beside it.

    Returns:
        Path of `index.html`, which needs no other file. Its bytes depend only on the data set and the files of a launch
        beside it.

    Raises:
        InputError: The folder is not a data set, or has no experiments.
        OutputError: The report cannot be written.
        ExportError: A file of the data set is damaged.
    """
    page, file = _page(Path(dataset), title, explorer=explorer), Path(out) / "index.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, page)
    except OSError as error:
        raise OutputError(f"{out}: the report cannot be written ({error.strerror or error})") from error
    return file


def write_pages(dataset: Path, out: Path, title: str | None = None, *, keep_index: bool = True) -> Path:
    """Write the report on a data set and, if it has not too many experiments, `explore.html` beside it.

    Args:
        dataset: Folder of the data set.
        out: Folder of both, created if missing.
        title: Heading of the report.
        keep_index: Whether to keep the index of the explorer, so that the next one starts at once.

    Returns:
        Path of the report; errors as for `write_report`.
    """
    dataset, out = Path(dataset), Path(out)
    explorer = write_single_file(dataset, out, folder_of(dataset) if keep_index else None)
    return write_report(dataset, out, title, explorer=explorer is not None)


def _page(dataset: Path, title: str | None, *, explorer: bool) -> str:
    everything = experiments(dataset)
    columns = columns_in(schema_of(dataset).metadata, dataset)
    if columns.workload != NETWORKS:
        return _template("workload.html.j2").render(
            title=title or f"Training survey: {columns.workload}",
            explorer=explorer,
            **contents(dataset, columns, everything, MAX_ROWS),
        )
    facts = overview(dataset, everything)
    tasks = {str(name): rows for name, rows in everything.groupby("dataset", sort=True)}
    drawn = list(tasks)[:MAX_TASKS]
    short = [name.rpartition(":")[2] for name in tasks]
    sections = [section(dataset, tasks[name]) for name in drawn]
    found = gaps(dataset, everything)
    about = ", ".join(short) if len(tasks) <= 4 else f"{len(tasks)} tasks"
    return _template("report.html.j2").render(
        explorer=explorer,
        title=title or f"Training survey: {about}",
        findings=findings([each.told for each in sections], everything, found),
        facts=facts,
        across=across(dataset, everything),
        sections=sections,
        without_figures=[name for name in tasks if name not in drawn],
        lines=_listed(tasks),
        launches=launches(dataset),
        gaps=found,
        tasks=True,
        objective="test loss",
        finite_known=True,
        why_left_out="no network comes near their size",
        num_experiments=len(everything),
        folder=dataset.resolve().name,
        example=everything.sort_values(["dataset", "shape", "depth"]).iloc[0].to_dict(),
    )


def _listed(tasks: Mapping[str, pd.DataFrame]) -> list[Line]:
    """All experiments or, if they are too many, the best of each task."""
    if sum(map(len, tasks.values())) <= MAX_ROWS:
        return [line for rows in tasks.values() for line in lines(rows)]
    return [line for rows in tasks.values() for line in lines(rows, max(1, MAX_ROWS // len(tasks)))][:MAX_ROWS]


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report", ""),
        autoescape=lambda name: bool(name) and name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["literal"] = python_literal
    environment.filters["loss"] = value_of
    environment.filters["count"] = count_of
    environment.filters["many"] = counted
    environment.filters["percent"] = percent_of
    environment.filters["duration"] = duration_of
    return environment.get_template(name)
