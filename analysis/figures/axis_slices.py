"""Slices along an axis of any workload: the best value of the objective, and its epoch, as that axis varies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.grid import INK, Room, key, layout, notice, ranked, rule, value_axis
from analysis.figures.scale import Scale, slice_line, slice_signs
from analysis.figures.selection import MAX_LINES, Drawn, at_best, crossed, some
from analysis.reading.axes import at, value_text, words
from analysis.reading.best import Best
from analysis.reading.frames import column
from analysis.reading.labels import figure_text

_CHARACTERS = 32
"""Characters of values that fit along the axis."""


def axis_slice(frame: pd.DataFrame, best: Best, along: str, axes: Sequence[str]) -> Drawn:
    """Draw the objective at the best epoch, and that epoch, along one axis.

    Each run counts at its own best epoch: the median over the repetitions, and a band between the quartiles; points
    and bars along categories. In a colour for each value of the other axis with the most values; further axes are as in
    the best experiment.

    Args:
        frame: Rows of a summary table with the axes and the quartiles of best values and epochs; it needs no curves.
        best: How experiments are compared.
        along: The axis.
        axes: All axes.

    Raises:
        InputError: The frame has no rows or lacks a column.
    """
    lines = (*crossed(frame, along, axes), None)[0]
    rows, note = at_best(frame, best, axes, [along, lines] if lines else [along])
    values, more = some(rows, lines, MAX_LINES) if lines else ([None], "")
    scale, colours = Scale.of(column(rows, along)), ranked(len(values))
    slanted = scale.is_slanted(_tick, _CHARACTERS)
    room = Room(right=1.4, bottom=1.3 if slanted else 0.62, gap_x=0.78)
    figure, ((left, right),) = layout(1, 2, panel_height=2.9, room=room, sharey=False)
    named = ((left, best.value(""), words(best.metric.name)), (right, best.epoch(""), "best epoch"))
    for one, name, y in named:
        found = [
            slice_line(
                one,
                at(rows, lines, value) if lines else rows,
                name.removesuffix("_"),
                scale,
                along,
                colour,
                (number, len(values)),
            )
            for number, (value, colour) in enumerate(zip(values, colours, strict=True))
        ]
        rule(one)
        one.set_ylabel(figure_text(y), fontsize=9.5, color=INK)
        scale.along_x(one, figure_text(words(along)), _tick, _CHARACTERS)
        finite, band = (np.concatenate(each) for each in zip(*found, strict=True))
        if not finite.size:
            notice(one, "no finite value")
        elif one is right:
            one.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        else:
            value_axis(one, finite, band, cut=best.metric.best == "min")
    line = "none" if scale.is_categorical else "-"
    signs: list[Artist] = [
        Line2D([], [], color=colour, marker="o", markersize=4, linestyle=line, label=figure_text(value_text(value, 18)))
        for value, colour in reversed(list(zip(values, colours, strict=True)))
    ]
    title = figure_text(value_text(words(lines), 18)) if lines else ""
    key(figure, [left, right], [(title, signs if lines else []), ("repetitions", slice_signs(scale))])
    return Drawn(figure, note + more)


def _tick(value: object) -> str:
    return figure_text(value_text(value, 16))
