"""Statistics of repeated runs, on arrays alone: intervals, resolution, the best of many, shares of variance."""

__all__ = ["best_subset", "mean_intervals", "resolution", "variance_components"]
