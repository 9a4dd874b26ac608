"""Modules for tests, as users write them: files of their own, which import nothing of ours; and lessons for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from survey.launch.api import prepare
from survey.launch.options import Options
from survey.modules.training.lesson import Lesson
from survey.networks.experiment import TaskExperiment
from survey.spaces.yaml_file import load_space

NET = """
from typing import Literal

from torch import nn


def build(*, inputs, outputs, width: int = 8, norm: Literal["none", "layer", "batch"] = "none", dropout: float = 0.0):
    norms = {"none": nn.Identity(), "layer": nn.LayerNorm(width), "batch": nn.BatchNorm1d(width)}
    hidden = [nn.Linear(inputs, width), norms[norm], nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))
"""


def write_space(folder: Path, grids: str, *, text: str = NET, **keys: object) -> Path:
    """Write a module, and a search space over it; `grids` is YAML."""
    (folder / "net.py").write_text(text)
    keys = {"name": "nets", "model": "net.py:build", "repetitions": 2, **keys}
    file = folder / f"{keys['name']}.yaml"
    file.write_text("\n".join([*(f"{name}: {value}" for name, value in keys.items()), f"grids: {grids}"]))
    return file


def space(folder: Path, grids: str, **keys: object) -> Any:
    """Write a search space and load it."""
    return load_space(write_space(folder, grids, **keys))


def request(folder: Path, grids: str, **keys: object) -> Any:
    """The request for a launch of a search space, on the output beside it."""
    return prepare(write_space(folder, grids, **keys), Options(out=folder / "out"))


def data(
    rows: int = 60, outputs: int = 3, shape: tuple[int, ...] = (6,), kind: str = "classification"
) -> dict[str, Any]:
    """Random inputs and targets."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(rows, *shape, generator=generator)
    if kind == "regression":
        return {"inputs": inputs, "targets": torch.rand(rows, outputs, generator=generator), "task_kind": kind}
    classes = torch.randint(0, max(2, outputs), (rows,), generator=generator)
    targets = classes[:, None].float() if outputs == 1 else nn.functional.one_hot(classes, outputs).float()
    return {"inputs": inputs, "targets": targets, "task_kind": kind}


class OnData(TaskExperiment):
    """An experiment of nothing but the hyperparameters that all have."""

    label = "data"


def lesson(build: Callable[[], nn.Module], *, given: dict[str, Any] | None = None, **settings: Any) -> Lesson:
    """A lesson for a module on random data."""
    settings = {"dataset": "data", "learning_rate": 0.01, "batch_size": 16, **settings}
    return Lesson.of(OnData(**settings), build, **(given or data()))


def in_float64(one: Lesson) -> Lesson:
    """The same lesson in float64."""
    targets = one.targets if one.kind == "softmax" else one.targets.double()
    return replace(one, inputs=one.inputs.double(), targets=targets)


def difference(some: Tensor, others: Tensor) -> float:
    """The largest difference of two arrays of numbers."""
    return float((some - others).abs().max())
