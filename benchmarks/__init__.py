"""Measurements of the training core and of whole surveys: `make bench`, and docs/performance.md for what they gave."""
