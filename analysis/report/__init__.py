"""One self-contained page on a data set: `python -m analysis.report DATASET`.

Read `page` first; `sections` draws, `facts`, `gaps` and `forecasts` count.
"""

__all__ = ["condense", "facts", "forecasts", "gaps", "page"]
