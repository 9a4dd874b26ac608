"""The generalization statistics of a task against the number of parameters, with their fits.

Source: Tripp et al., "The BUTTER Zone" (2022), and its notebook on generalization statistics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.fit_table import PanelFits, panel_fits
from analysis.figures.grid import (
    INK,
    Colour,
    Room,
    footnote,
    key,
    layout,
    log_epochs,
    log_sizes,
    loss_axis,
    notice,
    rule,
    shades,
)
from analysis.figures.panels import base, evenly, require
from analysis.figures.ticks import PowerFormatter
from analysis.fits.fits import LANDMARKS
from analysis.reading.frames import distinct, where
from analysis.reading.labels import figure_text, fixed_text, loss_words

MAX_DEPTHS = 6
"""Most depths drawn, evenly chosen."""

_MARKERS = "os^Dv<>P"
_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Colours for colour-blind people (Okabe and Ito, "Color Universal Design", 2008)."""


def generalization(frame: pd.DataFrame, fitted: Sequence[PanelFits] | None = None) -> Figure:
    """Draw minimizing epoch, minimum test loss and descent slope of one task against the number of parameters.

    A marker per shape, a colour per depth (per shape if there is one depth), and a line for the published fit to each,
    if the data determine it. Hyperparameters other than shape, depth and size have their most frequent values.

    Args:
        frame: Rows of a summary table of one task, with shape, depth, size, num_free_parameters and test_loss_median.
        fitted: The fits to the panels of the frame, with `experiment_id`; by default those of
            `analysis.figures.fit_table.panel_fits` without runs.

    Returns:
        The figure, 8.6 inches wide, of three panels.

    Raises:
        InputError: The frame has no rows, holds several tasks, or lacks a column.
    """
    require(frame, ("shape", "depth", "size", "num_free_parameters", "test_loss_median"))
    shared, fixed = base(frame, ["shape", "depth"])
    shapes = distinct(shared, "shape")[: len(_MARKERS)]
    depths = evenly(distinct(shared, "depth"), MAX_DEPTHS)
    some = where(shared, shared["shape"].isin(shapes) & shared["depth"].isin(depths))
    drawn = panel_fits(some) if fitted is None else [each for each in fitted if _is_drawn(each, some)]
    markers, colours = dict(zip(shapes, _MARKERS, strict=False)), _colours(shapes, depths)
    figure, ((first, second, third),) = layout(
        1, 3, panel_height=2.6, room=Room(right=1.28, bottom=0.86, gap_x=0.95), sharex=True, sharey=False
    )
    for each in drawn:
        for axes, name in zip((first, second, third), LANDMARKS, strict=True):
            _points(axes, each, name, markers, colours)
    loss = loss_words(frame).removeprefix("loss: ")
    _dress(first, "minimizing epoch", drawn)
    _dress(second, f"minimum test {loss.partition(' (')[0]}", drawn)
    _dress(third, "descent slope (loss per epoch)", drawn)
    third.yaxis.set_major_formatter(PowerFormatter())
    third.yaxis.get_offset_text().set(fontsize=8.5, color=INK)
    _scale(first, second, drawn, shared)
    key(figure, [first, second, third], _signs(shapes, depths, markers, colours))
    footnote(figure, f"All at {fixed_text(fixed)}." if fixed else "", 0)
    return figure


def _is_drawn(each: PanelFits, drawn: pd.DataFrame) -> bool:
    marks = each.panel.frame
    return marks.empty or bool(marks["experiment_id"].isin(drawn["experiment_id"]).any())


def _colours(shapes: Sequence[str], depths: Sequence[int]) -> dict[tuple[str, int], Colour | str]:
    if len(depths) > 1:
        by_depth = shades([float(depth) for depth in depths])
        return {(shape, depth): by_depth[depth] for shape in shapes for depth in depths}
    return {(shape, depths[0]): hue for shape, hue in zip(shapes, _HUES, strict=False)}


def _points(
    axes: Axes,
    each: PanelFits,
    name: str,
    markers: dict[str, str],
    colours: dict[tuple[str, int], Colour | str],
) -> None:
    """Draw one landmark of a panel, and the part of the fit that is near the points."""
    frame = each.panel.frame
    if frame.empty:
        return
    sizes, values = (frame[column].to_numpy(np.float64) for column in ("num_free_parameters", name))
    shape, depth = str(frame["shape"].iloc[0]), int(frame["depth"].iloc[0])
    colour = colours[shape, depth]
    signs = {"color": colour, "marker": markers[shape], "linestyle": "none"}
    axes.plot(sizes, values, markersize=4.5, markeredgewidth=0, alpha=0.85, gid="points", **signs)
    fine = np.geomspace(sizes.min(), sizes.max(), 200)
    line = getattr(each.fits, name).predict(fine)
    room = 0.5 * np.ptp(values) or abs(float(values[0]))
    line[~((line >= values.min() - room) & (line <= values.max() + room))] = np.nan
    axes.plot(fine, line, color=colour, linewidth=1.2, gid="fit")


def _dress(axes: Axes, y: str, drawn: Sequence[PanelFits]) -> None:
    rule(axes)
    axes.set_ylabel(y, fontsize=9.5, color=INK)
    axes.set_xlabel("trainable parameters", fontsize=9.5, color=INK)
    if not any(len(each.panel.frame) for each in drawn):
        notice(axes, "no finite loss")


def _scale(first: Axes, second: Axes, drawn: Sequence[PanelFits], frame: pd.DataFrame) -> None:
    log_sizes(first, frame["num_free_parameters"].to_numpy(np.float64), most=5)
    low, high = first.get_xlim()
    first.set_xlim(low / 1.3, high * 1.3)  # room for whole markers at both ends
    found = pd.concat([each.panel.frame for each in drawn])
    epochs, losses = (found[name].to_numpy(np.float64) for name in LANDMARKS[:2])
    if epochs.size:
        first.set_yscale("log")
        first.set_ylim(max(0.8, 0.7 * epochs.min()), 1.4 * epochs.max())
        log_epochs(first.yaxis, int(1.4 * epochs.max()))
        loss_axis(second, losses, cut=False)


def _signs(
    shapes: Sequence[str],
    depths: Sequence[int],
    markers: dict[str, str],
    colours: dict[tuple[str, int], Colour | str],
) -> list[tuple[str, list[Artist]]]:
    several = len(depths) > 1
    plain = {shape: INK if several else colours[shape, depths[0]] for shape in shapes}
    by_shape: list[Artist] = [
        Line2D([], [], linestyle="none", marker=markers[shape], color=plain[shape], label=figure_text(shape))
        for shape in shapes
    ]
    by_depth: list[Artist] = [
        Line2D([], [], linewidth=2, color=colours[shapes[0], depth], label=str(depth)) for depth in depths if several
    ]
    fit: list[Artist] = [Line2D([], [], linewidth=1.2, color=INK, label="fit")]
    return [("shape", by_shape), ("depth", by_depth), ("line", fit)]
