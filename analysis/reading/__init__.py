"""Reading tables of a data set as frames: filters, curves, units, and labels. Read `tables` first."""

__all__ = ["axes", "best", "chosen", "curves", "filters", "frames", "labels", "parts", "quality", "tables"]
