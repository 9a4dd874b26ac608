"""All figures: matplotlib figures of frames that `analysis.read` gives, for a screen or for print."""

from analysis.curve_figures import learning_curves
from analysis.slices import slices
from analysis.slices import slices as generalization
from analysis.zone_figures import butter_zone, zone_grid

__all__ = ["butter_zone", "learning_curves", "slices", "zone_grid"]
