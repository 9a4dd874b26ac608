"""Landmarks and fits of a task by panel, for the figure of the generalization statistics and for a table."""

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
        panel: The panel; its frame has a row per experiment with known landmarks, and the columns `LANDMARKS`.
        fits: The fits; NaN if there are too few points.
    """

    panel: Panel
    fits: Fits


@dataclass(frozen=True, slots=True)
class FitRow:
    """A row of the table of fits: the title of a panel, and m, b, c, p, s0, f, l, s1, a0; NaN if there is no fit."""

    title: str
    values: tuple[float, ...]


def panel_fits(frame: pd.DataFrame) -> list[PanelFits]:
    """Find the landmarks of one task's experiments and fit each panel, at most `MAX_PANELS`.

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
    """Fit each panel of one task, as `panel_fits`; panels without any fit have no row."""
    rows = [
        FitRow(each.panel.title, tuple(value for name in LANDMARKS for value in getattr(each.fits, name)))
        for each in panel_fits(frame)
    ]
    return [row for row in rows if any(map(math.isfinite, row.values))]
