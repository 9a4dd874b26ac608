"""Landmarks and fits of a task by panel: what the figure of the generalization statistics draws and a table lists."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from analysis.figures.grid import MAX_PANELS
from analysis.figures.panels import Panel, panels
from analysis.fits.fits import LANDMARKS, Fits, fit, landmarks


@dataclass(frozen=True, slots=True)
class PanelFits:
    """The landmarks of the experiments of a panel, and the fits to them.

    Attributes:
        panel: The panel; its frame has a row per experiment whose landmarks are known, with the columns `LANDMARKS`.
        fits: The fits; NaN where there are too few points.
    """

    panel: Panel
    fits: Fits


@dataclass(frozen=True, slots=True)
class FitRow:
    """A row of the table of fits: the title of a panel, and m, b, c, p, s0, f, l, s1, a0; NaN where there is no fit."""

    title: str
    values: tuple[float, ...]


def panel_fits(frame: pd.DataFrame) -> list[PanelFits]:
    """Find the landmarks of one task's experiments and fit each panel, at most `MAX_PANELS` of them.

    Args:
        frame: Rows of a summary table of one task, with shape, depth, size, num_free_parameters and test_loss_median.

    Raises:
        InputError: The frame has no rows, holds several tasks, or lacks a column.
    """
    found = []
    for panel in panels(frame)[:MAX_PANELS]:
        marks = landmarks(panel.frame).dropna(subset=list(LANDMARKS))
        found.append(PanelFits(Panel(panel.title, marks), fit(marks)))
    return found


def fit_rows(frame: pd.DataFrame) -> list[FitRow]:
    """Fit each panel of one task; panels of which nothing can be fitted have no row. Arguments as `panel_fits`."""
    rows = [
        FitRow(each.panel.title, tuple(value for name in LANDMARKS for value in getattr(each.fits, name)))
        for each in panel_fits(frame)
    ]
    return [row for row in rows if any(map(math.isfinite, row.values))]
