"""All figures: matplotlib figures of frames that `analysis.read` gives, for a screen or for print."""

from analysis.compare_figure import comparison
from analysis.curve_figures import learning_curves
from analysis.generalization import generalization
from analysis.slices import slices
from analysis.zone_figures import butter_zone, zone_grid

__all__ = ["butter_zone", "comparison", "generalization", "learning_curves", "slices", "zone_grid"]
