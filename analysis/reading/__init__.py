"""Reading tables of a data set as frames: filters, curves, units, and labels. Read `tables` first."""

__all__ = ["axes", "curves", "filters", "frames", "labels", "tables"]
