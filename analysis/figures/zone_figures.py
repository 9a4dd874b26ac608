"""Maps of the butter zone: of one task by panel, and of several tasks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.grid import (
    INK,
    LINE,
    MAX_PANELS,
    WIDTH,
    Room,
    folded,
    footnote,
    grid,
    layout,
    log_epochs,
    log_sizes,
    name_axes,
    name_panel,
    notice,
    panel_width,
    shorter,
)
from analysis.figures.panels import Panel, base_of_tasks, evenly, panels, require
from analysis.figures.zone import (
    Minimum,
    all_epochs,
    cap_of,
    least,
    relative_loss,
    variation,
    variation_value,
    zone_value,
)
from analysis.figures.zone_colours import Colours, colour_bar, loss_colours, variation_colours
from analysis.reading.curves import curve_matrix, num_epochs
from analysis.reading.frames import distinct, equal
from analysis.reading.labels import figure_text, fixed_text
from survey.workloads.metrics import log_spaced_epochs

MAX_COLUMNS = 6
"""Most depths or shapes of a grid of tasks."""

_LEVELS = np.linspace(0, 1, 26)
_BAR = 1.42
"""Room for the colour bar, in inches."""

_TASK_NAME = 80
"""Most characters of the name of a task, which stands above its panels."""


_Maps = list[list[npt.NDArray[np.float64]]]
"""The maps of each task, (experiments, epochs) each."""


def butter_zone(frame: pd.DataFrame, *, statistic: str = "test_loss_median", minimum: float | None = None) -> Figure:
    """Draw where, over size and epoch, the median test loss of a task is near its minimum.

    A contour map per shape, depth and other hyperparameter that varies, over trainable parameters and 100 log-spaced
    epochs, both logarithmic. The colour is -log10(min(2, loss / minimum) - 0.9), min-max scaled over the figure; where
    more than a quarter of it would be beyond 2, a larger ratio takes its place. A filled triangle marks the task's
    minimum, a hollow one a panel's; ticks inside are at the surveyed sizes, between which colours are interpolated.

    Args:
        frame: Rows of a summary table of one task, with shape, depth, size, num_free_parameters and `statistic`.
        statistic: Per-epoch column to draw.
        minimum: Loss to divide by; by default the least finite one of the frame.

    Returns:
        The figure, 8.6 inches wide (6.4 with one panel), at most `MAX_PANELS` panels. The triangles are lines whose
        gid is `minimum` (the task's) or `panel minimum`.

    Raises:
        InputError: The frame has no rows, holds several tasks, or lacks a column.
    """
    require(frame, (statistic,))
    all_panels = panels(frame)
    drawn = all_panels[:MAX_PANELS]
    best = least(all_panels, statistic)
    epochs = log_spaced_epochs(max(num_epochs(frame[statistic]), 1))
    figure, axes = grid(all_panels, room=Room(right=_BAR), noted=True)
    name_axes(figure, axes, x="trainable parameters", y="epoch")
    if best is None:
        for one in axes:
            notice(one, "no finite loss")
        return figure

    lowest = best.value if minimum is None else minimum
    highest = _highest(drawn, statistic, lowest)
    ratios = [_ratios(panel, epochs, statistic, lowest, highest) for panel in drawn]
    cap = cap_of(ratios)
    values = [zone_value(ratio, cap) for ratio in ratios]
    colours = loss_colours([*values, zone_value(relative_loss([best.value], lowest, highest), cap)], lowest, cap)
    for one, panel, value in zip(axes, drawn, values, strict=True):
        if _contours(one, panel, epochs, colours, value):
            _mark(one, least([panel], statistic), best)
    _scale_axes(axes[0], frame, epochs)
    colour_bar(figure, axes, colours)
    footnote(figure, "▲ minimum of the task   △ minimum of the panel   | surveyed size", len(all_panels))
    return figure


def zone_grid(frame: pd.DataFrame, *, by: str = "depth", vary: bool = False) -> Figure:
    """Draw the butter zones of several tasks side by side: a row per task, a column per depth or shape.

    Other hyperparameters have their most frequent values, or each task its own if tasks share none. Colours are as in
    `butter_zone`, relative to each task's own minimum, up to the largest ratio that a task needs; or, with `vary`,
    log(1 + 10 stddev / avg) of the test loss over the repetitions, min-max scaled over the figure.

    Args:
        frame: Rows of a summary table, with dataset, shape, depth, size, num_free_parameters and test_loss_median; with
            `vary` also test_loss_stddev and test_loss_avg.
        by: `depth` or `shape`.
        vary: Draw the coefficient of variation instead of the loss.

    Returns:
        The figure, 8.6 inches wide, with at most `MAX_COLUMNS` columns, evenly chosen. Triangles as in `butter_zone`.

    Raises:
        InputError: The frame has no rows or lacks a column.
    """
    needed = ("test_loss_stddev", "test_loss_avg") if vary else ()
    require(frame, ("dataset", "shape", "depth", "size", "num_free_parameters", "test_loss_median", *needed))
    shared, fixed = base_of_tasks(frame, [by])
    columns = evenly(distinct(shared, by), MAX_COLUMNS)
    tasks = [_Task.of(str(name), rows, by, columns) for name, rows in shared.groupby("dataset", sort=True)]
    epochs = log_spaced_epochs(max(num_epochs(shared["test_loss_median"]), 1))
    values, colours = _variation_maps(tasks, epochs) if vary else _loss_maps(tasks, epochs)
    wide = panel_width(WIDTH, len(columns), Room(right=_BAR))
    higher = LINE * (max(len(folded(panel.title, wide)) for task in tasks for panel in task.panels) - 1)
    room = Room(right=_BAR, top=0.62 + higher, bottom=0.86, gap_y=0.62 + higher)
    figure, rows = layout(len(tasks), len(columns), panel_height=1.45, room=room)
    flat = [one for row in rows for one in row]
    for task, row, value in zip(tasks, rows, values, strict=True):
        _name_task(figure, task.name, row[0], 0.34 + higher)
        _draw_task(task, row, value, epochs, colours, wide)
    _scale_axes(flat[0], shared, epochs, most=7 if len(columns) < 4 else 3)
    name_axes(figure, flat, x="trainable parameters", y="epoch")
    colour_bar(figure, flat, colours)
    footnote(
        figure,
        "▲ least median shown of the task   △ of the panel   | surveyed size   grey: no experiment   "
        f"{fixed_text(fixed)}".rstrip(),
        0,
    )
    return figure


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    panels: list[Panel]

    @classmethod
    def of(cls, name: str, rows: pd.DataFrame, by: str, values: Sequence[object]) -> _Task:
        split = [equal(rows, by, value).sort_values("num_free_parameters") for value in values]
        return cls(
            name,
            [
                Panel(f"depth {value}" if by == "depth" else str(value), part)
                for value, part in zip(values, split, strict=True)
            ],
        )

    @property
    def filled(self) -> list[Panel]:
        return [panel for panel in self.panels if len(panel.frame)]


def _loss_maps(tasks: Sequence[_Task], epochs: npt.NDArray[np.int64]) -> tuple[_Maps, Colours]:
    ratios = [_losses(task, epochs) for task in tasks]
    cap = max(map(cap_of, ratios))
    values = [[zone_value(ratio, cap) for ratio in row] for row in ratios]
    return values, loss_colours([*_flat(values), zone_value([1.0])], 1.0, cap)


def _variation_maps(tasks: Sequence[_Task], epochs: npt.NDArray[np.int64]) -> tuple[_Maps, Colours]:
    values = [_variations(task, epochs) for task in tasks]
    return values, variation_colours(_flat(values))


def _flat(values: _Maps) -> list[npt.NDArray[np.float64]]:
    return [value for row in values for value in row if value.size]


def _losses(task: _Task, epochs: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float64]]:
    best = least(task.filled)
    lowest = 0.0 if best is None else best.value
    highest = _highest(task.filled, "test_loss_median", lowest)
    return [_ratios(panel, epochs, "test_loss_median", lowest, highest) for panel in task.panels]


def _variations(task: _Task, epochs: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float64]]:
    return [
        variation_value(
            variation(*(curve_matrix(panel.frame[f"test_loss_{name}"], epochs) for name in ("stddev", "avg")))
        )
        for panel in task.panels
    ]


def _ratios(
    panel: Panel, epochs: npt.NDArray[np.int64], statistic: str, lowest: float, highest: float
) -> npt.NDArray[np.float64]:
    return relative_loss(curve_matrix(panel.frame[statistic], epochs), lowest, highest)


def _highest(drawn: Sequence[Panel], statistic: str, lowest: float) -> float:
    return float(
        max((np.nanmax(all_epochs(panel.frame, statistic), initial=lowest) for panel in drawn), default=lowest)
    )


def _name_task(figure: Figure, name: str, first: Axes, above: float) -> None:
    """Write the name of a task so many inches above its first panel."""
    box = first.get_position()
    text = figure_text(shorter(name, _TASK_NAME))
    top = box.y1 + above / figure.get_figheight()
    figure.text(box.x0, top, text, fontsize=9.5, weight="bold", color=INK, va="center")


def _draw_task(
    task: _Task,
    row: Sequence[Axes],
    values: Sequence[npt.NDArray[np.float64]],
    epochs: npt.NDArray[np.int64],
    colours: Colours,
    wide: float,
) -> None:
    """Draw the panels of a task, each so many inches wide."""
    best = least(task.filled)
    for one, panel, value in zip(row, task.panels, values, strict=True):
        title = "\n".join(map(figure_text, folded(panel.title, wide)))
        name_panel(one, title, fontsize=8.5)
        if panel.frame.empty:
            notice(one, "no\nexperiments")
        elif _contours(one, panel, epochs, colours, value) and best is not None:
            _mark(one, least([panel]), best)


def _contours(
    axes: Axes, panel: Panel, epochs: npt.NDArray[np.int64], colours: Colours, values: npt.NDArray[np.float64]
) -> bool:
    """Fill a panel with contours, or with the reason for having none; return whether it has them."""
    parameters, first = np.unique(panel.frame["num_free_parameters"].to_numpy(np.float64), return_index=True)
    if len(parameters) < 2 or len(epochs) < 2:
        notice(axes, "one size only:\nno map" if len(parameters) < 2 else "one epoch only:\nno map")
        return False
    if not np.isfinite(values).any():
        notice(axes, "no finite value" if colours.map != "viridis" else "no finite loss")
        return False
    axes.set_facecolor("#d5d9de")
    scaled = np.clip(colours.scale(values)[first].T, 0, 1)
    axes.contourf(parameters, epochs, np.ma.masked_invalid(scaled), levels=_LEVELS, cmap=colours.map)
    axes.plot(
        parameters,
        np.full(len(parameters), 0.03),
        transform=axes.get_xaxis_transform(),
        marker="|",
        markersize=6,
        markeredgecolor="white",
        linestyle="none",
        gid="surveyed sizes",
    )
    return True


def _mark(axes: Axes, here: Minimum | None, best: Minimum) -> None:
    if here is None:
        return
    whole = here == best
    axes.plot(
        [here.num_free_parameters],
        [here.epoch],
        marker="^",
        markersize=9 if whole else 7.5,
        markerfacecolor="#c2185b" if whole else "none",
        markeredgecolor="white" if whole else "#7a1040",
        markeredgewidth=1.2,
        linestyle="none",
        clip_on=False,
        zorder=5,
        gid="minimum" if whole else "panel minimum",
    )


def _scale_axes(axes: Axes, frame: pd.DataFrame, epochs: npt.NDArray[np.int64], most: int = 7) -> None:
    log_sizes(axes, frame["num_free_parameters"].to_numpy(np.float64), most)
    axes.set_yscale("log")
    axes.set_ylim(1, max(int(epochs[-1]), 2))
    log_epochs(axes.yaxis, int(epochs[-1]))
