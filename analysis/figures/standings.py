"""All settings of each task, the best first, and which of them may be the best: what a survey found, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.grid import (
    INK,
    MUTED,
    SINGLE_WIDTH,
    WIDTH,
    Room,
    layout,
    name_panel,
    notice,
    rule,
    shorter,
    value_axis,
)
from analysis.reading.labels import figure_text
from survey.errors import InputError

MAX_PANELS = 6
"""Most tasks that are drawn."""

MAX_SETTINGS = 200
"""Most settings of a task that are drawn: the best ones."""

_MAY_BE_BEST, _OTHER = "#0072b2", "#a3adba"  # of Okabe and Ito, and a grey
_TITLE = 58
"""Characters of a title that fit above a panel of half the width."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The settings of one task, the best first; all arrays are float64 but the last, (settings,).

    Attributes:
        title: What stands above the panel: the task, if there are several.
        q1: Lower quartile of the values of a setting's runs; NaN where there is none.
        median: Their median.
        q3: Upper quartile.
        may_be_best: Whether the setting may be the best one, bool.
    """

    title: str
    q1: npt.NDArray[np.float64]
    median: npt.NDArray[np.float64]
    q3: npt.NDArray[np.float64]
    may_be_best: npt.NDArray[np.bool_]


def standings(tasks: Sequence[Standing], name: str, *, less_is_better: bool = True) -> Figure:
    """Draw the median of each setting, and a bar between the quartiles of its runs; those that may be best in colour.

    Args:
        tasks: At least one; at most `MAX_PANELS` are drawn, with at most `MAX_SETTINGS` settings each.
        name: Name of the values.
        less_is_better: Whether the best setting has the least value.

    Returns:
        The figure, 8.6 inches wide (6.4 with one task), two panels side by side.

    Raises:
        InputError: There is no task.
    """
    if not tasks:
        raise InputError("no task to draw; expected the settings of at least one")
    drawn = tasks[:MAX_PANELS]
    columns = min(len(drawn), 2)
    figure, rows = layout(
        -(-len(drawn) // columns),
        columns,
        width=SINGLE_WIDTH if columns == 1 else WIDTH,
        panel_height=2.0,
        room=Room(right=0.3, top=0.66, gap_x=0.72, gap_y=0.86),
        sharex=False,
        sharey=False,
    )
    flat = [axes for row in rows for axes in row]
    for axes, task in zip(flat, drawn, strict=False):
        _draw(axes, task, name, less_is_better=less_is_better)
    for unused in flat[len(drawn) :]:
        unused.set_visible(False)
    figure.legend(
        handles=_signs(drawn), loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize=8.5
    )
    return figure


def _draw(axes: Axes, task: Standing, name: str, *, less_is_better: bool) -> None:
    q1, median, q3 = (values[:MAX_SETTINGS] for values in (task.q1, task.median, task.q3))
    name_panel(axes, figure_text(shorter(task.title, _TITLE)), pad=4)
    axes.set_xlabel("settings, best first", fontsize=9.5, color=INK)
    axes.set_ylabel(figure_text(name), fontsize=9.5, color=INK)
    axes.set_xlim(0.4, len(median) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    finite = np.isfinite(median)
    if not finite.any():
        notice(axes, "no finite value")
        return
    rule(axes)
    places = np.arange(1, len(median) + 1)
    for chosen, colour in ((~task.may_be_best, _OTHER), (task.may_be_best, _MAY_BE_BEST)):
        some = chosen[:MAX_SETTINGS] & finite
        axes.vlines(places[some], q1[some], q3[some], colors=colour, linewidth=1.6)
        axes.plot(places[some], median[some], linestyle="none", marker="o", markersize=3.6, color=colour)
    band = np.concatenate([q1, q3])
    value_axis(axes, median[finite], band[np.isfinite(band)], cut=less_is_better)


def _signs(drawn: Sequence[Standing]) -> list[Artist]:
    names = [("may be the best", _MAY_BE_BEST, True), ("others", _OTHER, False)]
    signs: list[Artist] = [
        Line2D([], [], color=colour, marker="o", markersize=3.6, linestyle="none", label=name)
        for name, colour, which in names
        if any((task.may_be_best == which).any() for task in drawn)
    ]
    return [*signs, Line2D([], [], color=MUTED, marker="o", markersize=3.6, label="median, and q1 to q3 of the runs")]
