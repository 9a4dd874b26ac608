"""Training functions for tests, as users write them: files of their own, which import nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from survey.functions.server import Call, FunctionServer
from survey.functions.source import source_of
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.spaces.yaml_file import load_space

LINE = """
def train(*, seed, slope: float, level: int = 0, epochs: int = 6, state=None):
    first = state["epoch"] if state else 0
    for epoch in range(first, epochs):
        metrics = {"test_loss": level + slope / (epoch + 1) + seed % 7 / 100}
        if epoch >= 2:
            metrics["late"] = epoch
        yield metrics, {"epoch": epoch + 1}
"""
"""A function that goes on from its state, and has a metric that it does not know before epoch 3."""


def write(folder: Path, text: str, name: str = "line.py") -> Path:
    """Write a module, and drop what Python has compiled of one that was there.

    Python would take that for one of the same second and size.
    """
    for compiled in folder.glob(f"__pycache__/{Path(name).stem}.*"):
        compiled.unlink()
    (folder / name).write_text(text)
    return folder / name


def write_space(folder: Path, grids: str, **keys: object) -> Path:
    """Write a search space; `grids` is YAML."""
    keys = {"name": "lines", "train": "line.py:train", "objective": "test_loss", "repetitions": 2, **keys}
    lines = [f"{name}: {value}" for name, value in keys.items()]
    file = folder / f"{keys['name']}.yaml"
    file.write_text("\n".join([*lines, f"grids: {grids}"]))
    return file


def space(folder: Path, grids: str, **keys: object) -> Any:
    """Write a search space and load it."""
    return load_space(write_space(folder, grids, **keys))


def request(folder: Path, grids: str, **keys: object) -> Any:
    """The request for a launch of a search space, on the output beside it."""
    return prepare(write_space(folder, grids, **keys), Options(out=folder / "out"))


def server(folder: Path, text: str) -> FunctionServer:
    """The process that has imported a function."""
    write(folder, text)
    return FunctionServer(source_of("line.py:train", folder))


def begin(server: FunctionServer, folder: Path, state: bytes = b"", **axes: object) -> Call:
    """Begin a call."""
    return server.call({"axes": axes, "seed": 3, "device": "cpu", "cwd": str(folder)}, state)
