"""Curves of any workload's metrics by epoch, a line for each value of an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.grid import (
    INK,
    MAX_PANELS,
    Colour,
    Room,
    grid,
    key,
    log_epochs,
    name_axes,
    notice,
    ranked,
    rule,
    value_axis,
)
from analysis.figures.mean_whiskers import draw_whiskers, has_mean, sign
from analysis.figures.panels import Panel
from analysis.figures.selection import MAX_LINES, Drawn, at_best, crossed, some
from analysis.reading.axes import at, axis_values, value_text, varied_axes, words
from analysis.reading.best import Best
from analysis.reading.curves import curve_matrix, num_epochs
from analysis.reading.labels import figure_text
from survey.workloads.metrics import Metric, log_spaced_epochs

_RIGHT = 1.4
_LEGEND = 18
"""Characters for which a legend has room."""


Reader = Callable[[pd.DataFrame], pd.DataFrame]
"""Adds the curves to some experiments, in their order."""


def objective_curves(
    frame: pd.DataFrame, best: Best, axes: Sequence[str], with_curves: Reader = lambda frame: frame
) -> Drawn:
    """Draw the objective by epoch: the median over the repetitions, and a band between the quartiles.

    Whiskers are intervals of the mean at 95 %, each at its own epoch, where they are known.

    A panel for each value of the axis with the fewest values, and a line for each of the axis with the most; other axes
    are as in the best experiment.

    Args:
        frame: Rows of a summary table with the axes, and the medians by which experiments are compared.
        best: How they are compared; its metric is drawn.
        axes: All axes.
        with_curves: Reads the curves of the experiments that are drawn, NAME_median and, optionally, NAME_q1 and
            NAME_q3, and NAME_avg, NAME_stddev and NAME_num_finite; by default the frame has them.

    Raises:
        InputError: The frame has no rows or lacks a column.
    """
    metric, free = best.metric, _free(frame, axes)
    rows, note = at_best(frame, best, axes, free)
    lines, panel = (*free, None, None)[:2]
    shown, more = some(rows, panel, MAX_PANELS) if panel else ([None], "")
    rows, colours, some_lines = _thinned(rows, lines)
    rows = with_curves(pd.concat([at(rows, panel, value) for value in shown]) if panel else rows)
    parts = [at(rows, panel, value) if panel else rows for value in shown]
    titles = [f"{words(panel)} {value_text(value, 30)}" if panel else "" for value in shown]
    panels = [Panel(title, part) for title, part in zip(titles, parts, strict=True)]
    figure, drawn = grid(panels, room=Room(right=_RIGHT), noted=False, columns=_columns(len(panels)))
    name_axes(figure, drawn, x="epoch", y="")
    for one in drawn[:: _columns(len(panels))]:
        one.set_ylabel(figure_text(words(metric.name)), fontsize=9.5, color=INK)
    found = [_draw(one, part, metric.name, lines, colours) for one, part in zip(drawn, parts, strict=True)]
    _scale_epochs(drawn[0], rows, metric.name)
    values, band = (np.concatenate(each) for each in zip(*found, strict=True))
    if values.size:
        value_axis(drawn[0], values, band, cut=metric.best == "min")
    key(figure, drawn, _signs(lines, colours, band=bool(band.size), mean=has_mean(rows, metric.name)))
    return Drawn(figure, note + more + some_lines)


def other_curves(
    frame: pd.DataFrame,
    metrics: Sequence[Metric],
    best: Best,
    axes: Sequence[str],
    with_curves: Reader = lambda frame: frame,
) -> Drawn:
    """Draw the medians of other metrics by epoch, in small panels: the lines of the best panel of `objective_curves`.

    Args:
        frame: As for `objective_curves`.
        metrics: What to draw: at least one, at most `MAX_PANELS` of them are. Those that no experiment has recorded are
            left out.
        best: How experiments are compared.
        axes: All axes.
        with_curves: As for `objective_curves`, with NAME_median of each metric.

    Raises:
        InputError: The frame has no rows or lacks a column.
    """
    free = _free(frame, axes)[:1]
    lines = free[0] if free else None
    rows, note = at_best(frame, best, axes, free)
    rows, colours, some_lines = _thinned(rows, lines)
    rows = with_curves(rows)
    metrics = [metric for metric in metrics if num_epochs(rows[f"{metric.name}_median"])] or metrics
    panels = [Panel(words(metric.name), rows) for metric in metrics]
    count = min(len(panels), 3)
    figure, drawn = grid(panels, room=Room(right=_RIGHT, gap_x=0.66), noted=False, columns=count, sharey=False)
    name_axes(figure, drawn, x="epoch", y="median")
    for one, metric in zip(drawn, metrics, strict=False):
        values, _ = _draw(one, rows, metric.name, lines, colours, band=False)
        if values.size:
            value_axis(one, values, np.empty(0), cut=metric.best == "min")
    _scale_epochs(drawn[0], rows, *(metric.name for metric in metrics))
    key(figure, drawn, _signs(lines, colours, band=False))
    more = f" Shown are {len(drawn)} of {len(metrics)} metrics." if len(drawn) < len(metrics) else ""
    return Drawn(figure, note + some_lines + more)


def _free(frame: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """The axis of the lines and, if there is one, that of the panels."""
    counts = {name: len(axis_values(frame, name)) for name in varied_axes(frame, axes)}
    if not counts:
        return []
    lines = max(counts, key=counts.__getitem__)
    others = crossed(frame, lines, list(counts))
    return [lines, *([min(others, key=counts.__getitem__)] if others else [])]


def _columns(count: int) -> int:
    return 2 if count == 4 else min(count, 3)


def _thinned(rows: pd.DataFrame, lines: str | None) -> tuple[pd.DataFrame, dict[object, Colour], str]:
    """Choose the values that have lines: their experiments, their colours, and what is left out."""
    if lines is None:
        return rows, {None: ranked(1)[0]}, ""
    values, text = some(rows, lines, MAX_LINES)
    kept = pd.concat([at(rows, lines, value) for value in values])
    return kept, dict(zip(values, ranked(len(values)), strict=True)), text


def _draw(
    axes: Axes,
    frame: pd.DataFrame,
    name: str,
    lines: str | None,
    colours: dict[object, Colour],
    *,
    band: bool = True,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Draw a line for each colour; return the finite values of the lines, and of the edges of the bands."""
    found, edges = [np.empty(0)], [np.empty(0)]
    quartiles = [f"{name}_q1", f"{name}_q3"]
    for number, (value, colour) in enumerate(colours.items()):
        rows = frame if lines is None else at(frame, lines, value)
        epochs = log_spaced_epochs(max(num_epochs(rows[f"{name}_median"]), 1), 200)
        if band and set(quartiles) <= set(rows.columns):
            low, high = (curve_matrix(rows[each], epochs) for each in quartiles)
            for one_low, one_high in zip(low, high, strict=True):
                axes.fill_between(epochs, one_low, one_high, color=colour, alpha=0.16, linewidth=0)
            edges += [low.ravel(), high.ravel()]
            for row in range(len(rows)):
                draw_whiskers(axes, rows[row : row + 1], name, colour, (number, len(colours)))
        medians = curve_matrix(rows[f"{name}_median"], epochs)
        marker = "o" if len(epochs) == 1 else None
        for median in medians:
            axes.plot(epochs, median, color=colour, linewidth=1.4, marker=marker, markersize=4)
        found.append(medians.ravel())
    rule(axes)
    values, band_values = np.concatenate(found), np.concatenate(edges)
    values, band_values = values[np.isfinite(values)], band_values[np.isfinite(band_values)]
    if not values.size:
        notice(axes, "no finite value")
    return values, band_values


def _scale_epochs(axes: Axes, frame: pd.DataFrame, *names: str) -> None:
    last = max(num_epochs(frame[f"{name}_median"]) for name in names)
    axes.set_xscale("log")
    axes.set_xlim(1, max(last, 2))
    log_epochs(axes.xaxis, last)


def _signs(
    lines: str | None, colours: dict[object, Colour], *, band: bool, mean: bool = False
) -> list[tuple[str, list[Artist]]]:
    named: list[Artist] = [
        Line2D([], [], color=colour, linewidth=2, label=figure_text(value_text(value, _LEGEND)))
        for value, colour in reversed(colours.items())
    ]
    kinds: list[Artist] = [Line2D([], [], color=INK, linewidth=1.4, label="median")]
    kinds += [Patch(color=INK, alpha=0.2, linewidth=0, label="q1 to q3")] if band else []
    kinds += [sign()] if mean else []
    title = "" if lines is None else figure_text(value_text(words(lines), _LEGEND))
    return [(title, named if lines else []), ("repetitions", kinds)]
