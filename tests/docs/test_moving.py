"""The same study in other tools: each program gives the same losses, and the page shows what the programs are."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from survey.spaces.yaml_file import load_space
from tests.support.awaiting import HANGS_S
from tests.support.pages import blocks, read
from tests.support.paths import ROOT

FOLDER = ROOT / "examples" / "moving"
PAGE = ROOT / "docs" / "moving.md"
GRID = {"depth": [1, 2], "rate": [0.1, 0.3], "seed": [0, 1, 2]}

QUIET = {"WANDB_MODE": "offline"}


@pytest.fixture
def expected(monkeypatch) -> dict[tuple[float, ...], float]:
    """The last test loss at each point of the grid."""
    monkeypatch.syspath_prepend(str(FOLDER))
    boosting = importlib.import_module("boosting")
    points = itertools.product(*GRID.values())
    return {point: [*boosting.train(**dict(zip(GRID, point, strict=True)))][-1]["test_loss"] for point in points}


def told(program: Path, folder: Path, *arguments: str) -> dict[tuple[float, ...], float]:
    """Run a program, and return the losses that it prints behind the points of the grid."""
    answer = subprocess.run(
        [sys.executable, str(program), *arguments],
        cwd=folder,
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = {}
    for line in answer.stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[0] in ("1", "2"):
            depth, rate, seed, loss = map(float, words)
            found[depth, rate, seed] = loss
    return found


@pytest.mark.launch
@pytest.mark.parametrize("tool", ["optuna", "wandb", "py_experimenter"])
def test_each_tool_gives_the_same_losses(tool, tmp_path, expected):
    if not find_spec(tool):
        pytest.skip(f"{tool} is not installed")
    assert told(FOLDER / f"with_{tool}.py", tmp_path) == expected


@pytest.mark.launch
def test_seml_gives_the_same_loss(tmp_path, expected):
    if not find_spec("seml"):
        pytest.skip("seml is not installed")
    depth, rate, seed = point = next(iter(expected))
    arguments = ("with", f"depth={depth}", f"rate={rate}", f"seed={seed}")
    assert told(FOLDER / "with_seml.py", tmp_path, *arguments) == {point: expected[point]}


def test_the_study_is_the_same_here():
    space = load_space(FOLDER / "with_survey.yaml")
    points = {(each.depth, each.rate) for each in space.experiments()}
    assert points == set(itertools.product(GRID["depth"], GRID["rate"]))
    assert space.repetitions == len(GRID["seed"])


def test_the_page_shows_the_programs():
    texts = [read(file) for file in FOLDER.glob("*.*")]
    shown = [*blocks(PAGE, "python"), *blocks(PAGE, "yaml")]
    assert len(shown) == 9
    assert [block for block in shown if not any(block.strip() in text for text in texts)] == []
