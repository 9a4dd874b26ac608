"""What the runs of a data set can tell: differences of settings, bands, effects of axes, what may be the best."""

__all__ = [
    "axis_effects",
    "bands",
    "best_settings",
    "differences",
    "full_grid",
    "many_differences",
    "scores",
    "surveyed",
]
