"""A data set beside its search space, as a launch leaves it: with gaps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from survey.spaces.yaml_file import load_space
from tests.support.analysis_data import bowl, experiment, write_data_set

SPACE = """
name: small
repetitions: 4
grids:
  - {dataset: "sklearn:digits", shape: [rectangle, trapezoid], size: [256, 512], depth: 2, epochs: 60}
"""


def surveyed(folder: Path) -> Path:
    """A data set of a search space: four experiments of which one is missing, one short of a run, one diverged."""
    (folder / "search_spaces").mkdir(parents=True)
    (folder / "search_spaces" / "small.yaml").write_text(SPACE)
    (folder / "survey.json").write_text(json.dumps({"output_id": "0" * 32, "contents": {}, "training_version": 2}))
    rows = []
    for each in load_space(folder / "search_spaces" / "small.yaml").experiments():
        surface = bowl(0.1, 9, 10)
        if (each.shape, each.size) == ("trapezoid", 256):
            surface = _diverging
        row = experiment(each.dataset, each.shape, each.depth, each.size, surface, epochs=60)
        rows.append({"experiment_id": each.experiment_id, **row})
    return write_data_set(folder / "dataset", rows[:3], repetitions=4)


def _diverging(size: int, epochs: np.ndarray) -> np.ndarray:
    return np.where(epochs > 30, np.nan, 1.0)
