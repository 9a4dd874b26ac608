"""Slices of networks on a task along one hyperparameter: how low the loss gets, and how soon, as only it varies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.grid import INK, Room, footnote, key, layout, loss_axis, notice, rule, shades
from analysis.figures.panels import base, evenly, require
from analysis.figures.scale import Scale, slice_line, slice_signs
from analysis.figures.ticks import parameters_text
from analysis.reading.best import best_of
from analysis.reading.frames import column, distinct, equal, where
from analysis.reading.labels import SETTINGS, figure_text, fixed_text, loss_words
from survey.errors import InputError, nearest
from survey.networks.metrics import METRICS

ALONG = ("depth", "shape", *(name for name in SETTINGS if name != "kernel_regularizer.type"))
"""Hyperparameters along which a slice can be taken."""

MAX_SIZES = 7
"""Most sizes drawn in a slice, evenly chosen."""

_WORDS = {
    "kernel_regularizer.l1": "L1 penalty coefficient",
    "kernel_regularizer.l2": "L2 penalty coefficient",
    "label_noise": "label noise (fraction)",
}


def slices(frame: pd.DataFrame, along: str) -> Figure:
    """Draw the test loss at the best epoch, and that epoch, against one hyperparameter.

    A line per size: the median over the repetitions, each at its own best epoch (`analysis.reading.best`), with a band
    between the quartiles; points and bars along shapes and other categories. Other hyperparameters have
    their most frequent values.

    Args:
        frame: Rows of a summary table of one task, with size and the quartiles of the values and epochs by which they
            are compared, such as test_loss_min_value_q1; it needs no curves.
        along: One of `ALONG`. Along a penalty's coefficient, experiments without a penalty are at "none".

    Returns:
        The figure, 8.6 inches wide, of two panels.

    Raises:
        InputError: The frame has no rows, holds several tasks or lacks a column, or `along` is not in `ALONG`.
    """
    if along not in ALONG:
        raise InputError(
            f"{along!r} is not a hyperparameter to slice along{nearest(along, ALONG)}; expected {', '.join(ALONG)}"
        )
    best = best_of(METRICS, frame)
    columns = [name(part) for name in (best.value, best.epoch) for part in ("q1", "median", "q3")]
    require(frame, ("size", along, *columns))
    if "dataset" in frame.columns and len(distinct(frame, "dataset")) > 1:
        raise InputError(f"expected the experiments of one data set, found {len(distinct(frame, 'dataset'))}")
    shared, fixed = slice_rows(frame, along)
    scale = Scale.of(column(shared, along))
    sizes = evenly(distinct(shared, "size"), MAX_SIZES)
    colours = shades(sizes)
    bottom = 1.3 if scale.is_slanted(_text) else 0.86
    figure, ((left, right),) = layout(
        1, 2, panel_height=2.9, room=Room(right=1.28, bottom=bottom, gap_x=0.78), sharey=False
    )
    shown = ((left, best.value(""), f"test {loss_words(frame)}"), (right, best.epoch(""), "best epoch"))
    of_sizes = [(size, equal(shared, "size", size)) for size in sizes]
    for axes, name, y in shown:
        drawn = [
            slice_line(axes, rows, name.removesuffix("_"), scale, along, colours[size], (number, len(sizes)))
            for number, (size, rows) in enumerate(of_sizes)
        ]
        finite, band = (np.concatenate(each) for each in zip(*drawn, strict=True))
        rule(axes)
        axes.set_ylabel(y, fontsize=9.5, color=INK)
        scale.along_x(axes, _WORDS.get(along, along.replace("_", " ")), _text)
        if finite.size:
            loss_axis(axes, finite, band)
        else:
            notice(axes, "no finite loss")
    line = "none" if scale.is_categorical else "-"
    lines = [
        Line2D([], [], color=colours[size], marker="o", markersize=4, linestyle=line, label=parameters_text(size))
        for size in sizes[::-1]
    ]
    key(figure, [left, right], [("size", lines), ("repetitions", slice_signs(scale))])
    footnote(figure, f"All at {fixed_text(fixed)}." if fixed else "", 0)
    return figure


def slice_rows(frame: pd.DataFrame, along: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the experiments that a slice shows, and the values that they share of other axes that vary."""
    return base(_with_or_without(frame, along), [along, *_tied(along)])


def _with_or_without(frame: pd.DataFrame, along: str) -> pd.DataFrame:
    """Along a penalty: the experiments with it and those without any; else all."""
    if not along.startswith("kernel_regularizer."):
        return frame
    other = {"kernel_regularizer.l1": "kernel_regularizer.l2", "kernel_regularizer.l2": "kernel_regularizer.l1"}[along]
    return where(frame, frame[other].isna()) if other in frame.columns else frame


def _tied(along: str) -> list[str]:
    return ["kernel_regularizer.type"] if along.startswith("kernel_regularizer.") else []


def _text(value: object) -> str:
    return (
        "none"
        if value is None
        else f"{value:.2g}"
        if isinstance(value, float | np.floating)
        else figure_text(str(value))
    )
