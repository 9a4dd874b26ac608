"""The interval of a mean curve in a figure: whiskers at some epochs, which are told from the band between quartiles."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.conclusions.bands import mean_band
from analysis.figures.grid import INK, Colour
from analysis.reading.curves import num_epochs

LEVEL = 0.95
"""Level of the intervals that are drawn."""

_EACH = 4
"""Whiskers of a line."""


def has_mean(frame: pd.DataFrame, name: str) -> bool:
    """Whether a summary has what the interval of the mean of a metric needs: repetitions, and their averages."""
    known = {f"{name}_avg", f"{name}_stddev", "num_runs"} <= set(frame.columns)
    return known and bool((frame["num_runs"] > 1).any())


def draw_whiskers(axes: Axes, row: pd.DataFrame, name: str, colour: Colour, place: tuple[int, int]) -> None:
    """Draw the interval of the mean at some epochs, evenly spaced in their logarithms; nothing if it is not known.

    Args:
        axes: Where to draw.
        row: One row of a summary table.
        name: The metric.
        colour: The colour of its line.
        place: Number of the line in its panel, from 0, and how many there are: those of other lines are between them.
    """
    last = num_epochs(row[f"{name}_median"])
    if not has_mean(row, name) or last < 2:
        return
    number, count = place
    steps = (np.arange(_EACH) + (number + 0.5) / count) / _EACH
    epochs = np.unique(np.rint(last**steps).astype(np.int64))
    low, high = (ends[0] for ends in mean_band(row, name, epochs, LEVEL))
    axes.vlines(epochs, low, high, colors=[colour], linewidth=1.1)
    axes.scatter(epochs, (low + high) / 2, s=7, color=[colour], linewidths=0)


def sign() -> Artist:
    """Return the entry of a legend."""
    return Line2D([], [], color=INK, linestyle="none", marker="|", markersize=8, label="mean, 95 %")
