"""Combining data sets: `survey combine A B ... --out DIR`."""

from survey.dataset.combine import CombineResult, combine

__all__ = ["CombineResult", "combine"]
