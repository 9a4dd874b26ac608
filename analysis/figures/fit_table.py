"""Landmarks and fits of a task by panel, for the figure of the generalization statistics and for a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.figures.grid import MAX_PANELS
from analysis.figures.panels import Panel, panels
from analysis.fits.certainty import LEVEL, doubts_of_fits, doubts_of_samples
from analysis.fits.fits import LANDMARKS, Fits, bootstrap, fit, landmarks

_RESAMPLES = 100
_SEED = 0


@dataclass(frozen=True, slots=True)
class PanelFits:
    """The landmarks of the experiments of a panel, and the fits to them.

    Attributes:
        panel: The panel; its frame has a row per experiment with known landmarks, and the columns `LANDMARKS`.
        fits: The fits; NaN for those that the data do not determine.
        doubts: For each landmark without a fit, the reason.
        intervals: Parameters of the fits with their intervals, as `Bootstrap.parameters` returns them; no rows without
            a fit, or without runs.
    """

    panel: Panel
    fits: Fits
    doubts: Mapping[str, str]
    intervals: pd.DataFrame


@dataclass(frozen=True, slots=True)
class FitRow:
    """A row of the table of fits: a parameter of the fit to a panel, with its interval."""

    title: str
    relation: str
    parameter: str
    value: float
    low: float
    high: float

    @property
    def symbol(self) -> str:
        """The parameter for people: `s₀` for `s0`."""
        return self.parameter.translate(str.maketrans("01", "₀₁"))


def panel_fits(frame: pd.DataFrame, runs: pd.DataFrame | None = None) -> list[PanelFits]:
    """Find the landmarks of one task's experiments and fit each panel, at most `MAX_PANELS`.

    Args:
        frame: Rows of a summary table of one task, with shape, depth, size, num_free_parameters and test_loss_median.
        runs: The runs of these experiments, as `analysis.fits.fits.bootstrap` takes them, which tell how certain the
            fits are. Without them all fits are returned whose parameters are not at a bound.

    Raises:
        InputError: The frame has no rows, holds several tasks, or lacks a column.
    """
    return [_fitted(panel, runs) for panel in panels(frame)[:MAX_PANELS]]


def fit_rows(fitted: Sequence[PanelFits]) -> list[FitRow]:
    """List the parameters of all fits that the data determine."""
    return [
        FitRow(each.panel.title, str(relation), str(name), float(value), float(low), float(high))
        for each in fitted
        for relation, name, value, low, high in each.intervals.itertuples(index=False)
    ]


def without_fit(fitted: Sequence[PanelFits]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield a landmark, why it has no fit, and the titles of the panels for which this is so."""
    for relation in LANDMARKS:
        reasons: dict[str, list[str]] = {}
        for each in fitted:
            if relation in each.doubts:
                reasons.setdefault(each.doubts[relation], []).append(each.panel.title)
        for reason, titles in reasons.items():
            yield relation, reason, titles


def _fitted(panel: Panel, runs: pd.DataFrame | None) -> PanelFits:
    marks = landmarks(panel.frame).dropna(subset=list(LANDMARKS))
    found, fits = Panel(panel.title, marks), fit(marks)
    doubts = doubts_of_fits(fits)
    left = [relation for relation in LANDMARKS if relation not in doubts]
    own = pd.DataFrame() if runs is None else runs[runs["experiment_id"].isin(marks["experiment_id"])]
    if own.empty or not left:
        return PanelFits(found, _without(fits, doubts), doubts, pd.DataFrame())
    drawn = bootstrap(own, seed=_SEED, resamples=_RESAMPLES, relations=left)
    intervals = drawn.parameters(LEVEL)
    doubts = {**doubts_of_samples(drawn, intervals), **doubts}
    intervals = intervals[~intervals["relation"].isin(list(doubts))]
    return PanelFits(found, _without(fits, doubts), doubts, intervals)


def _without(fits: Fits, doubts: Mapping[str, str]) -> Fits:
    nothing = {relation: type(getattr(fits, relation)) for relation in doubts}
    return replace(fits, **{name: kind(*[np.nan] * len(kind._fields)) for name, kind in nothing.items()})
