"""Landmarks of learning curves, and the published relations fitted to them. Read `fits` first."""

__all__ = ["certainty", "fits", "landmarks"]
