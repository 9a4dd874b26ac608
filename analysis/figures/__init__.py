"""Matplotlib figures of frames that `analysis.read` returns, for screen and print."""

from analysis.figures.compare_figure import comparison
from analysis.figures.curve_figures import learning_curves
from analysis.figures.generalization_figure import generalization
from analysis.figures.slice_figures import slices
from analysis.figures.zone_figures import butter_zone, zone_grid

__all__ = [
    "axis_maps",
    "axis_slices",
    "butter_zone",
    "comparison",
    "curve_figures",
    "effect_bars",
    "fit_table",
    "generalization",
    "grid",
    "learning_curves",
    "metric_curves",
    "panels",
    "pictures",
    "selection",
    "slice_figures",
    "slices",
    "standings",
    "zone",
    "zone_grid",
]
