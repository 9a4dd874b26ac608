"""Reading tables of a data set as frames: filters, curves, units, and words for settings.

Read `tables` first.
"""

__all__ = ["curves", "filters", "frames", "labels", "tables"]
