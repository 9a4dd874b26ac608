"""Learning curves of a task: the loss by epoch, with quartile bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.grid import (
    INK,
    MAX_PANELS,
    Colour,
    Room,
    footnote,
    grid,
    key,
    log_epochs,
    loss_axis,
    name_axes,
    notice,
    rule,
    shades,
)
from analysis.figures.mean_whiskers import draw_whiskers, has_mean, sign
from analysis.figures.panels import Panel, evenly, panels, require
from analysis.figures.ticks import parameters_text
from analysis.reading.curves import curve_matrix, num_epochs
from analysis.reading.labels import loss_words
from survey.workloads.metrics import log_spaced_epochs

MAX_SIZES = 6
"""Most networks whose learning curves are drawn in one panel."""

MAX_LISTED = 9
"""Most sizes in the legend; colours of others lie between."""

_DASHES = (0, (3, 2))


def learning_curves(frame: pd.DataFrame) -> Figure:
    """Draw the loss by epoch: test (solid, with the band between its quartiles) and training (dashed).

    Whiskers are intervals of the mean test loss at 95 %, each at its own epoch, where they are known.

    Panels are as in `butter_zone`; in each, a colour per size, at most `MAX_SIZES`, evenly chosen. Curves are drawn at
    200 log-spaced epochs, each to its own end. The loss axis is logarithmic if all losses are positive.

    Args:
        frame: Rows of a summary table of one task, with shape, depth, size, num_free_parameters, test_loss_median and,
            optionally, test_loss_q1, test_loss_q3 and train_loss_median, and num_runs, test_loss_avg, test_loss_stddev
            and test_loss_num_finite.

    Returns:
        The figure, 8.6 inches wide (6.4 with one panel), at most `MAX_PANELS` panels.

    Raises:
        InputError: The frame has no rows, holds several tasks, or lacks a column.
    """
    require(frame, ("test_loss_median",))
    all_panels = panels(frame)
    chosen = [
        Panel(panel.title, panel.frame.iloc[evenly(range(len(panel.frame)), MAX_SIZES)])
        for panel in all_panels[:MAX_PANELS]
    ]
    last = max(num_epochs(frame["test_loss_median"]), 1)
    epochs = log_spaced_epochs(last, 200)
    sizes = sorted({int(size) for panel in chosen for size in panel.frame["size"]})
    colours = shades(sizes)
    figure, axes = grid(all_panels, room=Room(right=1.28), noted=len(all_panels) > MAX_PANELS)
    name_axes(figure, axes, x="epoch", y=loss_words(frame))
    drawn = [_draw_curves(one, panel.frame, epochs, colours) for one, panel in zip(axes, chosen, strict=True)]
    axes[0].set_xscale("log")
    axes[0].set_xlim(1, max(last, 2))
    log_epochs(axes[0].xaxis, last)
    finite, band = (np.concatenate(each) for each in zip(*drawn, strict=True))
    if finite.size:
        loss_axis(axes[0], finite, band)
    key(figure, axes, _signs(sizes, colours, with_mean=has_mean(frame, "test_loss")))
    footnote(figure, "", len(all_panels))
    return figure


def _draw_curves(
    axes: Axes, frame: pd.DataFrame, epochs: npt.NDArray[np.int64], colours: dict[float, Colour]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Draw the curves of one panel; return the finite values of its lines, and those of the edges of its bands."""
    lines = {
        name: curve_matrix(frame[name], epochs)
        for name in ("test_loss_median", "train_loss_median", "test_loss_q1", "test_loss_q3")
        if name in frame.columns
    }
    test, train = lines["test_loss_median"], lines.get("train_loss_median")
    for row, size in enumerate(frame["size"]):
        colour = colours[int(size)]
        draw_whiskers(axes, frame[row : row + 1], "test_loss", colour, (row, len(frame)))
        if "test_loss_q1" in lines and "test_loss_q3" in lines:
            low, high = lines["test_loss_q1"][row], lines["test_loss_q3"][row]
            axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(epochs, test[row], color=colour, linewidth=1.4)
        if train is not None:
            axes.plot(epochs, train[row], color=colour, linewidth=1.0, linestyle=_DASHES)
    rule(axes)
    values = np.concatenate([line.ravel() for line in (test, train) if line is not None])
    if not np.isfinite(values).any():
        notice(axes, "no finite loss")
    edges = [lines[name].ravel() for name in ("test_loss_q1", "test_loss_q3") if name in lines]
    band = np.concatenate([np.empty(0), *edges])
    return values[np.isfinite(values)], band[np.isfinite(band)]


def _signs(sizes: Sequence[int], colours: dict[float, Colour], *, with_mean: bool) -> list[tuple[str, list[Artist]]]:
    """Entries of the legend: kinds of lines, and colours of sizes."""
    kinds: list[Artist] = [
        Line2D([], [], color=INK, linewidth=1.4, label="test"),
        Line2D([], [], color=INK, linewidth=1.0, linestyle=_DASHES, label="training"),
        Patch(color=INK, alpha=0.2, linewidth=0, label="test q1 to q3"),
        *([sign()] if with_mean else []),
    ]
    listed = evenly(sizes[::-1], MAX_LISTED)
    lines = [Line2D([], [], color=colours[size], linewidth=2, label=parameters_text(size)) for size in listed]
    return [("median loss", kinds), ("size", [*lines])]
