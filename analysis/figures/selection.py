"""Choosing which experiments of any workload to draw: those that differ from the best one in few axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.panels import evenly, require
from analysis.reading.axes import at, axis_values, setting_text, varied_axes, words
from analysis.reading.best import Best
from analysis.reading.frames import records

MAX_LINES = 7
"""Most lines in a panel, of evenly chosen values."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure, and what is to be said under it: what is fixed, and what is left out."""

    figure: Figure
    note: str


def at_best(frame: pd.DataFrame, best: Best, axes: Sequence[str], free: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Select one experiment for each combination of values of the free axes; the others are as in the best experiment.

    An axis is not fixed if then more than half of the combinations were left out, as where settings were drawn at
    random; of several experiments with the same combination, the best one counts.

    Args:
        frame: Rows of a summary table.
        best: How experiments are compared.
        axes: All axes.
        free: Those that vary.

    Returns:
        The experiments, the best first, and how they were chosen, in a sentence; empty where there was no choice.
    """
    require(frame, (best.value(), *axes))
    rows = frame.iloc[best.order(frame)]
    first = records(rows.head(1))[0]
    needed = len(varied_axes(rows, free))
    fixed, loose = [], []
    for name in (name for name in varied_axes(frame, axes) if name not in free):
        chosen = at(rows, name, first[name])
        if len(varied_axes(chosen, free)) == needed and 2 * _combinations(chosen, free) >= _combinations(rows, free):
            rows = chosen
            fixed.append(name)
        else:
            loose.append(name)
    rows = rows.drop_duplicates(list(free)) if free else rows.head(1)
    parts = [f"all at {setting_text(first, fixed)}, as the best experiment"] if fixed else []
    parts += [f"each at its best {' and '.join(map(words, loose))}"] if loose else []
    text = "; ".join(parts)
    return rows, f"{text[0].upper()}{text[1:]}." if text else ""


def _combinations(frame: pd.DataFrame, names: Sequence[str]) -> int:
    return len(frame[list(names)].drop_duplicates())


def crossed(frame: pd.DataFrame, name: str, axes: Sequence[str]) -> list[str]:
    """Return the axes that form a grid with another one, with gaps or not, those with most values first.

    Values drawn at random form none: each occurs with one of the other axis.
    """
    counts = {each: len(axis_values(frame, each)) for each in {name, *axes}}
    found = [
        other
        for other in axes
        if other != name and 2 * _combinations(frame, [name, other]) >= 3 * max(counts[name], counts[other])
    ]
    return sorted(found, key=lambda other: -counts[other])


def some(rows: pd.DataFrame, name: str, count: int) -> tuple[list[Any], str]:
    """Choose values of an axis evenly, and that of the best experiment, the first row.

    Returns:
        At most so many values, sorted, and how many of how many they are, in a sentence; empty if they are all.
    """
    values = axis_values(rows, name)
    places = evenly(range(len(values)), count)
    if len(places) == len(values):
        return values, ""
    best = next(place for place, value in enumerate(values) if len(at(rows.head(1), name, value)))
    places[int(np.abs(np.array(places) - best).argmin())] = best
    text = f" Shown are {count} of {len(values):,} values of {words(name)}, evenly chosen, with the best."
    return [values[place] for place in places], text
