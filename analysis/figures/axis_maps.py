"""Maps of any workload: the objective at the best epoch over pairs of numeric axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.figures.grid import INK, MUTED, Room, layout, name_panel, notice
from analysis.figures.panels import evenly
from analysis.figures.scale import Scale
from analysis.figures.selection import Drawn, at_best, crossed
from analysis.figures.ticks import log_ticks
from analysis.reading.axes import axis_values, is_numeric, setting_text, value_text, varied_axes, words
from analysis.reading.best import Best
from analysis.reading.frames import column, records, where
from analysis.reading.labels import figure_text
from survey.workloads.metrics import Metric

MAX_MAPS = 6
"""Most pairs of axes that are drawn: those with most values."""

_MAX_VALUES = 40
"""Most values of an axis in a map, evenly chosen."""

_MAX_WRITTEN = 8
"""Most values of an axis for which the numbers are written into the map."""


def pairs(frame: pd.DataFrame, axes: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of numeric axes that have maps, those with most values first: the one with more is along x."""
    numbers = {name: len(axis_values(frame, name)) for name in varied_axes(frame, axes)}
    numbers = {name: count for name, count in numbers.items() if is_numeric(axis_values(frame, name))}
    ordered = sorted(numbers, key=lambda name: -numbers[name])
    crossing = [pair for pair in combinations(ordered, 2) if crossed(frame, pair[0], pair)]
    return sorted(crossing, key=lambda pair: -numbers[pair[0]] * numbers[pair[1]])


def axis_maps(frame: pd.DataFrame, best: Best, axes: Sequence[str]) -> Drawn:
    """Draw the objective at the best epoch over pairs of numeric axes; others are as in the best experiment.

    Yellow is best, and a frame is around the best of each map; grey has no finite value. Values are evenly spaced.

    Args:
        frame: Rows of a summary table with the axes and the medians that are compared, and at least one of `pairs`.
        best: How experiments are compared.
        axes: All axes.

    Raises:
        InputError: The frame has no rows or lacks a column.
    """
    found = pairs(frame, axes)
    shown = found[:MAX_MAPS]
    selected = [at_best(frame, best, axes, pair) for pair in shown]
    maps = [_Map.of(rows, pair, best) for (rows, _), pair in zip(selected, shown, strict=True)]
    columns = min(len(maps), 2)
    single = columns == 1
    figure, grid = layout(
        -(-len(maps) // columns),
        columns,
        width=6.4 if single else 8.6,
        panel_height=3.2 if single else 2.6,
        room=Room(right=1.2, gap_x=0.86, gap_y=0.72),
        sharex=False,
        sharey=False,
    )
    flat = [one for row in grid for one in row]
    norm = _norm(np.concatenate([each.values.ravel() for each in maps]))
    colours = matplotlib.colormaps["viridis_r" if best.metric.best == "min" else "viridis"]
    for one, each in zip(flat, maps, strict=False):
        each.draw(one, norm, colours, best.metric)
    for unused in flat[len(maps) :]:
        unused.set_visible(False)
    _colour_bar(figure, flat[: len(maps)], norm, colours, figure_text(words(best.metric.name)))
    fixed = list(dict.fromkeys(note for _, note in selected if note)) if len(maps) == 1 else []
    others = _as_the_best(frame, best, axes) if len(maps) > 1 else ""
    more = f" Shown are {len(shown)} of {len(found)} pairs of axes." if len(shown) < len(found) else ""
    return Drawn(figure, " ".join([*fixed, others]).strip() + more)


class _Map:
    """The best values of one pair of axes, (values of y, values of x); NaN where there is no experiment."""

    def __init__(self, pair: tuple[str, str], scales: tuple[Scale, Scale], values: npt.NDArray[np.float64]) -> None:
        self._pair, self._scales, self.values = pair, scales, values

    @classmethod
    def of(cls, frame: pd.DataFrame, pair: tuple[str, str], best: Best) -> _Map:
        for name in pair:
            kept = evenly(axis_values(frame, name), _MAX_VALUES)
            frame = where(frame, frame[name].isin(kept) | (frame[name].isna() if None in kept else False))
        x, y = (Scale.of(column(frame, name), even=True) for name in pair)
        values = np.full((len(y.values), len(x.values)), np.nan)
        found = frame[best.value()].to_numpy(np.float64)
        places = [scale(column(frame, name)).astype(int) for scale, name in ((y, pair[1]), (x, pair[0]))]
        values[places[0], places[1]] = np.where(np.isfinite(found), found, np.nan)
        return cls(pair, (x, y), values)

    def draw(self, axes: Axes, norm: Normalize, colours: Colormap, metric: Metric) -> None:
        rows, columns = self.values.shape
        axes.set_facecolor("#e4e7eb")
        axes.imshow(
            np.ma.masked_invalid(self.values),
            norm=norm,
            cmap=colours,
            aspect="auto",
            origin="lower",
            interpolation="none",
        )
        for place, (scale, name) in enumerate(zip(self._scales, self._pair, strict=True)):
            label = figure_text(words(name))
            if place:
                scale.along_y(axes, label, _tick, 8)
            else:
                scale.along_x(axes, label, _tick, characters=28)
        finite = np.isfinite(self.values)
        if not finite.any():
            notice(axes, "no finite value")
            return
        if max(rows, columns) <= _MAX_WRITTEN:
            self._write(axes, norm, colours)
        signed = np.where(finite, self.values if metric.best == "min" else -self.values, np.inf)
        y, x = np.unravel_index(int(signed.argmin()), signed.shape)
        corner = (float(x) - 0.5, float(y) - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="#c2185b", linewidth=2.2, clip_on=False, zorder=5))

    def _write(self, axes: Axes, norm: Normalize, colours: Colormap) -> None:
        for (y, x), value in np.ndenumerate(self.values):
            if np.isfinite(value):
                red, green, blue, _ = colours(float(norm(value)))
                ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else INK
                axes.text(x, y, f"{float(f'{value:.3g}'):g}", ha="center", va="center", fontsize=8.5, color=ink)


def _as_the_best(frame: pd.DataFrame, best: Best, axes: Sequence[str]) -> str:
    first = records(frame.iloc[best.order(frame)[:1]])[0]
    setting = setting_text(first, varied_axes(frame, axes))
    return f"Axes that a map does not show are as in the best experiment: {setting}."


def _tick(value: object) -> str:
    return figure_text(value_text(value, 10))


def _norm(values: npt.NDArray[np.float64]) -> Normalize:
    """Colours over finite values: logarithmic if all are positive and they differ by a factor of ten."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Normalize(0, 1)
    low, high = float(finite.min()), float(finite.max())
    if low > 0 and high >= 10 * low:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + (abs(low) or 1.0))


def _colour_bar(figure: Figure, axes: Sequence[Axes], norm: Normalize, colours: Colormap, title: str) -> None:
    boxes = [one.get_position() for one in axes]
    top, right = max(box.y1 for box in boxes), max(box.x1 for box in boxes)
    bottom = max(min(box.y0 for box in boxes), top - 3.2 / figure.get_figheight())
    left, width = right + 0.2 / figure.get_figwidth(), 0.16 / figure.get_figwidth()
    place = figure.add_axes((left, bottom, width, top - bottom))
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=place)
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 0.0)
    ticks = log_ticks(low, high) if isinstance(norm, LogNorm) else MaxNLocator(6).tick_values(low, high)
    bar.ax.yaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks if low <= tick <= high]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    place.tick_params(labelsize=8.5, color=MUTED, labelcolor=INK)
    name_panel(place, title, fontsize=9, pad=8)
