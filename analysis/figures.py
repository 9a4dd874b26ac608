"""The two figures of a task: its butter zone and its learning curves."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.curves import curve_matrix, log_spaced_epochs, num_epochs
from analysis.grid import (
    INK,
    MAX_PANELS,
    MUTED,
    footnote,
    grid,
    log_epochs,
    log_sizes,
    loss_axis,
    name_axes,
    notice,
    parameters_text,
)
from analysis.panels import Panel, panels, require
from analysis.zone import CAP, Minimum, MinMax, all_epochs, least, relative_loss, zone_value

MAX_SIZES = 6
"""Networks whose learning curves are drawn in one panel."""

Colour = tuple[float, float, float, float]

MAX_LISTED = 9
"""Sizes in the legend of the learning curves; colours between them are read off."""

_MAP = matplotlib.colormaps["viridis"]
_DASHES = (0, (3, 2))
_LEVELS = np.linspace(0, 1, 26)
_RATIOS = (1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0)


def butter_zone(frame: pd.DataFrame, *, statistic: str = "test_loss_median", minimum: float | None = None) -> Figure:
    """Draw where, over size and epoch, the median test loss of a task is near its minimum.

    A contour map per shape and depth (and per value of whatever else the experiments differ in but their size), over
    trainable parameters and 100 log-spaced epochs, both logarithmic. The colour is
    -log10(min(2, loss / minimum) - 0.9), min-max scaled over the figure. A filled triangle marks the task's minimum,
    a hollow one a panel's.

    Args:
        frame: Rows of a summary table of one task, with shape, depth, size, num_free_parameters and `statistic`.
        statistic: Per-epoch column to draw.
        minimum: Loss to relate to; by default the least finite one of the frame.

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
    losses = [curve_matrix(panel.frame[statistic], epochs) for panel in drawn]
    figure, axes = grid(all_panels, right=1.28, noted=True)
    name_axes(figure, axes, x="trainable parameters", y="epoch")
    if best is None:
        for one in axes:
            notice(one, "no finite loss")
        return figure

    lowest = best.value if minimum is None else minimum
    highest = float(max(np.nanmax(all_epochs(panel.frame, statistic), initial=lowest) for panel in drawn))
    values = [zone_value(relative_loss(loss, lowest, highest)) for loss in losses]
    scale = MinMax.of([*values, zone_value(relative_loss([best.value], lowest, highest))])
    parameters = frame["num_free_parameters"].to_numpy(np.float64)
    for one, panel, value in zip(axes, drawn, values, strict=True):
        if _contours(one, panel, epochs, scale(value)):
            _mark(one, least([panel], statistic), best)
    log_sizes(axes[0], parameters)
    axes[0].set_yscale("log")
    axes[0].set_ylim(1, max(int(epochs[-1]), 2))
    log_epochs(axes[0].yaxis, int(epochs[-1]))
    _colour_bar(figure, axes, scale, lowest)
    footnote(figure, "▲ minimum of the task   △ minimum of the panel", len(all_panels))
    return figure


def learning_curves(frame: pd.DataFrame) -> Figure:
    """Draw the loss by epoch: test (solid, with the band between its quartiles) and training (dashed).

    One panel as in `butter_zone`, and in it one colour per size, at most `MAX_SIZES` of them, evenly chosen. Curves are
    drawn at 200 log-spaced epochs, each to its own end. The loss is logarithmic where all that is drawn is positive.

    Args:
        frame: Rows of a summary table of one task, with shape, depth, size, num_free_parameters and test_loss_median;
            test_loss_q1, test_loss_q3 and train_loss_median are drawn where they are there.

    Returns:
        The figure, 8.6 inches wide (6.4 with one panel), at most `MAX_PANELS` panels.

    Raises:
        InputError: The frame has no rows, holds several tasks, or lacks a column.
    """
    require(frame, ("test_loss_median",))
    all_panels = panels(frame)
    chosen = [
        Panel(panel.title, panel.frame.iloc[_evenly(range(len(panel.frame)), MAX_SIZES)])
        for panel in all_panels[:MAX_PANELS]
    ]
    last = max(num_epochs(frame["test_loss_median"]), 1)
    epochs = log_spaced_epochs(last, 200)
    sizes = sorted({int(size) for panel in chosen for size in panel.frame["size"]})
    colours = _colours(sizes)
    figure, axes = grid(all_panels, right=1.28, noted=len(all_panels) > MAX_PANELS)
    name_axes(figure, axes, x="epoch", y="loss")
    drawn = [_draw_curves(one, panel.frame, epochs, colours) for one, panel in zip(axes, chosen, strict=True)]
    axes[0].set_xscale("log")
    axes[0].set_xlim(1, max(last, 2))
    log_epochs(axes[0].xaxis, last)
    finite = np.concatenate(drawn)
    if finite.size:
        loss_axis(axes[0], finite)
    _legend(figure, axes, sizes, colours)
    footnote(figure, "", len(all_panels))
    return figure


def _contours(axes: Axes, panel: Panel, epochs: npt.NDArray[np.int64], scaled: npt.NDArray[np.float64]) -> bool:
    """Fill a panel with contours, or with the reason why there are none."""
    parameters, first = np.unique(panel.frame["num_free_parameters"].to_numpy(np.float64), return_index=True)
    if len(parameters) < 2 or len(epochs) < 2:
        notice(axes, "one size only:\nno map" if len(parameters) < 2 else "one epoch only:\nno map")
        return False
    if not np.isfinite(scaled).any():
        notice(axes, "no finite loss")
        return False
    axes.set_facecolor("#d5d9de")
    axes.contourf(parameters, epochs, np.ma.masked_invalid(scaled[first].T), levels=_LEVELS, cmap=_MAP)
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


def _colour_bar(figure: Figure, axes: Sequence[Axes], scale: MinMax, minimum: float) -> None:
    boxes = [one.get_position() for one in axes]
    bottom, top = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    left = max(box.x1 for box in boxes) + 0.16 / figure.get_figwidth()
    place = figure.add_axes((left, bottom, 0.16 / figure.get_figwidth(), top - bottom))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), _MAP), cax=place)
    ratios = [ratio for ratio in _RATIOS if scale.low - 1e-9 <= zone_value(ratio) <= scale.high + 1e-9]
    bar.set_ticks([float(scale(zone_value(ratio))) for ratio in ratios])
    bar.set_ticklabels([_ratio_text(ratio, minimum) for ratio in ratios])
    place.tick_params(labelsize=8.5, color=MUTED, labelcolor=INK)
    place.set_title("loss ÷ minimum" if minimum > 0 else "loss, % of range", fontsize=9, color=INK, loc="left", pad=11)


def _ratio_text(ratio: float, minimum: float) -> str:
    if minimum <= 0:
        return "minimum" if ratio == 1 else "maximum" if ratio == CAP else f"+{ratio - 1:.0%}"
    words = {1.0: "1.0x (best)", CAP: "2x and more"}
    return words.get(ratio, f"{ratio:g}x")


def _evenly(items: Sequence[int], count: int) -> list[int]:
    """Choose at most `count` items, evenly, the first and the last among them."""
    places = np.rint(np.linspace(0, len(items) - 1, min(len(items), count)))
    return [items[int(place)] for place in places]


def _colours(sizes: Sequence[int]) -> dict[int, Colour]:
    """A colour per size from the darker part of the map: its lightest yellow is lost on white."""
    norm = LogNorm(sizes[0], sizes[-1]) if len(sizes) > 1 else Normalize(sizes[0], sizes[0] + 1)
    colours: Colormap = _MAP
    return {size: colours(0.86 * float(norm(size))) for size in sizes}


def _draw_curves(
    axes: Axes, frame: pd.DataFrame, epochs: npt.NDArray[np.int64], colours: dict[int, Colour]
) -> npt.NDArray[np.float64]:
    """Draw the curves of one panel; return all finite values of its lines."""
    lines = {
        name: curve_matrix(frame[name], epochs)
        for name in ("test_loss_median", "train_loss_median", "test_loss_q1", "test_loss_q3")
        if name in frame.columns
    }
    test, train = lines["test_loss_median"], lines.get("train_loss_median")
    for row, size in enumerate(frame["size"]):
        colour = colours[int(size)]
        if "test_loss_q1" in lines and "test_loss_q3" in lines:
            low, high = lines["test_loss_q1"][row], lines["test_loss_q3"][row]
            axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(epochs, test[row], color=colour, linewidth=1.4)
        if train is not None:
            axes.plot(epochs, train[row], color=colour, linewidth=1.0, linestyle=_DASHES)
    axes.grid(visible=True, color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    values = np.concatenate([line.ravel() for line in (test, train) if line is not None])
    if not np.isfinite(values).any():
        notice(axes, "no finite loss")
    return values[np.isfinite(values)]


def _legend(figure: Figure, axes: Sequence[Axes], sizes: Sequence[int], colours: dict[int, Colour]) -> None:
    """Explain the lines to the right of the panels: their kinds, and below them the colours of the sizes."""
    boxes = [one.get_position() for one in axes]
    left, top = max(box.x1 for box in boxes) + 0.08 / figure.get_figwidth(), max(box.y1 for box in boxes)
    kinds = [
        Line2D([], [], color=INK, linewidth=1.4, label="test"),
        Line2D([], [], color=INK, linewidth=1.0, linestyle=_DASHES, label="training"),
        Patch(color=INK, alpha=0.2, linewidth=0, label="test q1 to q3"),
    ]
    listed = _evenly(sizes[::-1], MAX_LISTED)
    lines = [Line2D([], [], color=colours[size], linewidth=2, label=parameters_text(size)) for size in listed]
    for title, handles, below in (("median loss", kinds, 0.0), ("size", lines, 0.92)):
        legend = figure.legend(
            handles=handles,
            title=title,
            loc="upper left",
            bbox_to_anchor=(left, top - below / figure.get_figheight()),
            frameon=False,
            fontsize=8.5,
            title_fontsize=8.5,
            alignment="left",
            borderaxespad=0,
            handlelength=1.8,
            labelcolor=INK,
        )
        legend.get_title().set_color(INK)
