"""Files of search spaces, for tests of how they are read."""

from __future__ import annotations

from pathlib import Path

GRID = """\
grids:
  - dataset: [mnist]
    shape: rectangle
    size: 1024
    depth: 3
"""
"""A grid of one experiment, of an axis a line."""


def written(folder: Path, text: str, name: str = "space.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file
