"""One self-contained page on a data set: `python -m analysis.report DIR/dataset --out DIR/report`."""

from __future__ import annotations

import base64
import importlib.resources
import io
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jinja2
import numpy as np
import pandas as pd
import typer
from matplotlib.figure import Figure
from pyarrow import types

from analysis.facts import Line, lines, overview
from analysis.figures import butter_zone, learning_curves
from analysis.forecasts import launches
from analysis.panels import SETTINGS, panels
from analysis.read import read, schema_of
from analysis.zone import Minimum, least
from survey.errors import InputError, OutputError, SurveyError

MAX_ROWS = 500
"""Experiments listed in the page."""

TOP = 5
"""Experiments listed for each task."""

_DPI = 130
_DESCRIPTION = (
    "experiment_id",
    "dataset",
    "task",
    "shape",
    "depth",
    "size",
    "num_free_parameters",
    "widths",
    "num_runs",
    *SETTINGS,
)
_CURVES = ("test_loss_q1", "test_loss_median", "test_loss_q3", "train_loss_median")
_BEST = (
    "test_loss_min_value_median",
    "test_loss_min_epoch_median",
    "test_accuracy_max_value_median",
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as it stands in the page: a PNG in base64, its size in pixels, and what it shows in words."""

    data: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says of one task: figures, the best experiments, and all of them."""

    dataset: str
    task: str
    minimum: Minimum | None
    pictures: tuple[Picture, Picture]
    best: list[Line]
    lines: list[Line]


def write_report(dataset: Path, out: Path, title: str | None = None) -> Path:
    """Write the report on a data set.

    Args:
        dataset: Folder of the data set, with `complete_summary/` in it.
        out: Folder of the report; made where it is not there.
        title: Heading of the page; by default it names the tasks.

    Returns:
        Path of `index.html`, which needs no other file. The same data set, with the same `forecasts.json` beside it,
        gives the same bytes.

    Raises:
        InputError: The folder is not a data set, or holds no experiments.
        OutputError: The report cannot be written.
        ExportError: A file of the data set is damaged.
    """
    page = _page(Path(dataset), title)
    try:
        return _write(Path(out) / "index.html", page)
    except OSError as error:
        raise OutputError(f"{out}: the report cannot be written ({error.strerror or error})") from error


def _page(dataset: Path, title: str | None) -> str:
    known = schema_of(dataset)
    described = [name for name in _DESCRIPTION if name in known.names]
    sweeps = [field.name for field in known if types.is_boolean(field.type)]
    experiments = read(dataset, columns=[*described, *sweeps, "num"])
    facts = overview(dataset, experiments)
    names = sorted(experiments["dataset"].unique())
    sections = [
        _section(read(dataset, filters=[("dataset", "=", name)], columns=[*described, *_BEST, *_CURVES]))
        for name in names
    ]
    everything = [line for section in sections for line in section.lines]
    short = [name.rpartition(":")[2] for name in names]
    about = ", ".join(short) if len(names) <= 4 else f"{len(names)} tasks"
    return _template().render(
        title=title or f"Training survey: {about}",
        facts=facts,
        sections=sections,
        lines=everything[:MAX_ROWS],
        launches=launches(dataset),
        num_experiments=len(everything),
        folder=dataset.resolve().name,
        example=experiments.sort_values(["dataset", "shape", "depth"]).iloc[0].to_dict(),
    )


def _section(frame: pd.DataFrame) -> Section:
    dataset, task = str(frame["dataset"].iloc[0]), str(frame["task"].iloc[0])
    minimum = least(panels(frame))
    described = lines(frame)
    ranked = sorted(described, key=lambda line: math.inf if math.isnan(line.best_loss) else line.best_loss)
    where = "never finite" if minimum is None else f"least, {minimum.value:.4g}, at {_place(minimum)}"
    zone = f"Contour map of the median test loss of {dataset} over trainable parameters and epoch: {where}."
    curves = f"Median test and training loss of {dataset} by epoch, a line per network size; the test loss is {where}."
    return Section(
        dataset=dataset,
        task=task,
        minimum=minimum,
        pictures=(_picture(butter_zone(frame), zone), _picture(learning_curves(frame), curves)),
        best=[line for line in ranked if not math.isnan(line.best_loss)][:TOP],
        lines=described,
    )


def _place(minimum: Minimum) -> str:
    return f"epoch {minimum.epoch:,} with {minimum.num_free_parameters:,} parameters ({minimum.title})"


def _picture(figure: Figure, alt: str) -> Picture:
    file = io.BytesIO()
    # No version of matplotlib in the file: the same data set gives the same bytes.
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    width, height = (round(float(inches) * _DPI) for inches in figure.get_size_inches())
    return Picture(base64.b64encode(file.getvalue()).decode(), width, height, alt)


def _template() -> jinja2.Template:
    source = importlib.resources.files("analysis").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["loss"] = lambda value: "–" if not np.isfinite(value) else f"{value:#.4g}".rstrip(".")
    environment.filters["count"] = lambda value: "–" if not np.isfinite(value) or value <= 0 else f"{value:,.10g}"
    environment.filters["percent"] = lambda value: "–" if not np.isfinite(value) else f"{value:.2%}"
    environment.filters["duration"] = _duration
    environment.filters["place"] = _place
    return environment.from_string(source)


def _duration(seconds: float) -> str:
    """`42 s`, `12.3 min` or `5.1 h`; a dash for a time that is not known."""
    if not math.isfinite(seconds):
        return "–"
    unit, length = next((one for one in (("h", 3600), ("min", 60)) if seconds >= 2 * one[1]), ("s", 1))
    return f"{seconds / length:,.3g} {unit}"


def _write(path: Path, page: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".index-", suffix=".html", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(page)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def main(
    dataset: Annotated[Path, typer.Argument(help="Folder of the data set, with complete_summary/ in it.")],
    out: Annotated[Path, typer.Option(help="Folder that the report is written to, as index.html.")],
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
) -> None:
    """Write a report on a data set: one page with figures and tables, which needs no other file."""
    try:
        path = write_report(dataset, out, title)
    except SurveyError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
    typer.echo(f"report: {path}")


if __name__ == "__main__":
    typer.run(main)
