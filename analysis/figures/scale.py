"""Values of a setting along an axis of a figure, whatever they are, and the best values over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures.grid import INK, Colour
from analysis.figures.panels import evenly
from analysis.reading.frames import column

_CHARACTERS = 40
"""Characters of values that fit along the axis."""

_FEW = 6
"""Most values that are spaced evenly, whatever they are."""

_BESIDE = 0.5
"""Part of the distance between categories that has the points of different lines."""

_NAMES = 24
"""Most names along an axis; of more, some are left out."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Positions of a setting's values: the values themselves if they are many numbers, else evenly spaced."""

    values: list[object]
    places: dict[object, float]
    log: bool

    @classmethod
    def of(cls, column: pd.Series, *, even: bool = False) -> Scale:
        """Place the values of a column; `even` spaces them evenly, however many they are."""
        found: list[Any] = sorted(set(column.dropna()))
        values = [None, *found] if column.isna().any() else found
        numbers = bool(found) and all(isinstance(each, int | float | np.number) for each in (found[0], found[-1]))
        finite = numbers and bool(np.isfinite([float(found[0]), float(found[-1])]).all())
        even = even or len(values) <= _FEW or values[0] is None or not finite
        log = not even and found[0] > 0 and found[-1] >= 20 * found[0]
        return cls(values, {value: float(number if even else value) for number, value in enumerate(values)}, log)

    def __call__(self, column: pd.Series) -> npt.NDArray[np.float64]:
        """Return the positions of the values of a column."""
        return np.array([self.places[None if pd.isna(value) else value] for value in column], np.float64)

    @property
    def has_names(self) -> bool:
        """Whether the values are texts."""
        return isinstance(self.values[-1], str)

    @property
    def is_categorical(self) -> bool:
        """Whether the values have no order: texts, and truth values."""
        return isinstance(self.values[-1], str | bool | np.bool_)

    def along_x(self, axes: Axes, label: str, text: Callable[[object], str], characters: int = _CHARACTERS) -> None:
        """Put the values, as texts for figures, along x; texts for which there is no room are left out or slanted."""
        axes.set_xlabel(label, fontsize=9.5, color=INK)
        if self.log:
            axes.set_xscale("log")
        texts = self._texts(text)
        shown = evenly(list(texts), _NAMES if self.has_names else _fitting(texts, characters))
        _fix(axes.xaxis, shown, texts)
        for name in axes.get_xticklabels() if self.is_slanted(text, characters) else ():
            name.set(rotation=24, horizontalalignment="right")

    def is_slanted(self, text: Callable[[object], str], characters: int = _CHARACTERS) -> bool:
        """Whether `along_x` slants the texts, which then need more room below."""
        texts = self._texts(text)
        return self.has_names and min(len(texts), _NAMES) > _fitting(texts, characters)

    def along_y(self, axes: Axes, label: str, text: Callable[[object], str], most: int) -> None:
        """Put at most so many of the values along y."""
        axes.set_ylabel(label, fontsize=9.5, color=INK)
        texts = self._texts(text)
        _fix(axes.yaxis, evenly(list(texts), most), texts)

    def _texts(self, text: Callable[[object], str]) -> dict[float, str]:
        return {place: text(value) for value, place in self.places.items()}


def slice_line(
    axes: Axes, rows: pd.DataFrame, name: str, scale: Scale, along: str, colour: Colour, place: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Draw the median of a column of best values, and what is between its quartiles, along a setting.

    A line and a band; along categories, between which there is nothing, points and bars beside those of other lines.

    Args:
        axes: Where to draw.
        rows: Rows of a summary table.
        name: The column without its part: NAME_q1, NAME_median and NAME_q3 are drawn.
        scale: Positions of the values of the setting.
        along: The setting.
        colour: The colour of the line.
        place: Number of the line in the figure, from 0, and how many there are.

    Returns:
        The finite values of the line, and those of the edges of the band.
    """
    if rows.empty:
        return np.empty(0), np.empty(0)
    x = scale(column(rows, along))
    order = np.argsort(x, kind="stable")
    low, middle, high = (rows[f"{name}_{part}"].to_numpy(np.float64)[order] for part in ("q1", "median", "q3"))
    if scale.is_categorical:
        number, count = place
        x = x[order] + _BESIDE * ((number + 0.5) / count - 0.5)
        axes.vlines(x, low, high, color=colour, alpha=0.5, linewidth=2)
        axes.plot(x, middle, color=colour, linestyle="none", marker="o", markersize=4)
    else:
        axes.fill_between(x[order], low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(x[order], middle, color=colour, linewidth=1.4, marker="o", markersize=4)
    edges = np.concatenate([low, high])
    return middle[np.isfinite(middle)], edges[np.isfinite(edges)]


def slice_signs(scale: Scale) -> list[Artist]:
    """Return the entries of a legend on what `slice_line` draws."""
    line = "none" if scale.is_categorical else "-"
    median = Line2D([], [], color=INK, marker="o", markersize=4, linestyle=line, label="median")
    if scale.is_categorical:
        return [median, Line2D([], [], color=INK, alpha=0.5, linewidth=2, label="q1 to q3")]
    return [median, Patch(color=INK, alpha=0.2, linewidth=0, label="q1 to q3")]


def _fitting(texts: dict[float, str], characters: int) -> int:
    """How many texts fit beside each other."""
    return max(2, characters // (2 + max(map(len, texts.values()))))


def _fix(axis: Any, shown: list[float], texts: dict[float, str]) -> None:
    axis.set_major_locator(FixedLocator(shown))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda place, _: texts.get(place, "")))
