"""Small search spaces, for surveys of some seconds."""

from __future__ import annotations

from pathlib import Path

SMALL = """
name: small
repetitions: 3
grids:
  - dataset: ["sklearn:iris", "sklearn:diabetes"]
    shape: [rectangle, trapezoid]
    size: [64, 256]
    depth: 3
    learning_rate: 0.01
    batch_size: 32
    epochs: {epochs}
"""
EXPERIMENTS, REPETITIONS = 8, 3
RUNS = EXPERIMENTS * REPETITIONS
EPOCHS = 100
"""Some seconds for all trials on one core: long enough to be stopped in the middle, three times over."""


def write_space(folder: Path, *, epochs: int = EPOCHS) -> Path:
    """Write a small search space to a folder; return its file."""
    file = folder / "small.yaml"
    file.write_text(SMALL.format(epochs=epochs))
    return file


LONG = """
name: long
repetitions: 2
grids: [{dataset: "sklearn:digits", shape: rectangle, size: 1024, depth: 3, epochs: 400}]
"""
