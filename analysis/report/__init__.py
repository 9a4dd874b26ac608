"""A self-contained page on a data set: `python -m analysis.report DATASET`.

Read `page` first. `sections` draws the figures; `facts`, `gaps` and `forecasts` gather the numbers; `told` concludes.
"""

__all__ = ["condense", "facts", "forecasts", "gaps", "page", "told"]
