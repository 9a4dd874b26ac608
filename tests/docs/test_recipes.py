"""The recipes of docs/recipes.md, run as they stand there, one after the other, over one output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.awaiting import HANGS_S
from tests.support.launching import rows
from tests.support.paths import ROOT

BLOCK = re.compile(r"^```(yaml|sh|text)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def page() -> list[tuple[str, str]]:
    """The blocks of the page, in their order: language and text."""
    return BLOCK.findall((ROOT / "docs" / "recipes.md").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a `.venv` as the page has it: the command runs in the environment of the tests."""
    program = tmp_path / ".venv" / "bin" / "survey"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m survey "$@"\n')
    program.chmod(0o755)
    return tmp_path


def run(command: str, folder: Path) -> str:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    answer = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer.stdout


@pytest.mark.scale
def test_every_recipe_trains_what_is_missing_and_nothing_else(folder):
    out, before, command, commands = folder / "surveys" / "iris_sizes", {}, "", 0
    for language, text in page():
        if language == "yaml":
            (folder / f"{yaml.safe_load(text)['name']}.yaml").write_text(text, encoding="utf-8")
        elif language == "sh":
            command, commands = text, commands + 1
        else:
            first, *_ = run(command, folder).splitlines()
            assert first.startswith(text.strip()), command
            match = re.search(r"(\d+) to train", first)
            runs = rows(out).set_index("run_id")["mlflow_run_id"].to_dict()
            assert len(runs) == len(before) + (int(match[1]) if match else 0)
            assert before.items() <= runs.items(), "what was there is as it was"
            before = runs
    assert commands == 6
    assert_sweeps(out)


def assert_sweeps(out: Path) -> None:
    frame = rows(out)
    # Sizes 64, 128 and 256, size 64 at another rate, and size 64 for more epochs; of them each sweep has two.
    assert len(frame) == 15
    for sweep in ("iris_sizes", "iris_rates"):
        assert frame[sweep].sum() == 6
        table = out / "dataset" / f"{sweep}_summary"
        assert len(pq.read_table(table, schema=pq.read_schema(table / "_common_metadata"))) == 2
