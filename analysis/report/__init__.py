"""A self-contained page on a data set: `survey report DATASET`.

Read `page` first. `sections` draws the figures; `facts`, `gaps` and `forecasts` gather the numbers; `told` concludes.
"""

__all__ = ["condense", "facts", "forecasts", "gaps", "page", "told"]
