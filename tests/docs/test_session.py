"""The terminal session in docs/first_survey.md shows what a launch shows, from its first second to its last."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.pages import blocks, read
from tests.support.paths import ROOT
from tests.support.session import COMMAND, STAGE, shown_by, told

PROMPT = f"$ {' '.join(COMMAND)}"
AT_TIMES = {"joining Ray", "measuring this machine", "exporting what is finished"}
"""Stages on a cluster, with `--pilot`, and of a launch that is stopped."""


def session() -> list[str]:
    """The lines of the page, without the prompt."""
    (text,) = [text for text in blocks(ROOT / "docs" / "first_survey.md", "text") if text.startswith(PROMPT)]
    return text.splitlines()[1:]


def stages_of_the_code() -> list[str]:
    """The names that are given to `Stages.begin`, in the order of the code."""
    rooms = [ROOT / "survey" / "launch" / name for name in ("api.py", "launcher.py")]
    calls = [
        node
        for file in rooms
        for node in ast.walk(ast.parse(read(file)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "begin"
    ]
    names = [each for call in calls for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant)]
    return [str(name.value) for name in names]


def test_the_session_has_every_stage_of_the_code():
    named = [found[1] for line in session() if (found := STAGE.match(line))]
    assert sorted({*named, *AT_TIMES}) == sorted(set(stages_of_the_code()))


def test_the_glossary_has_every_stage_of_the_session():
    glossary = re.search(r"^\| stage \|.*$", read(ROOT / "docs" / "glossary.md"), flags=re.MULTILINE)
    assert glossary
    assert [each[1] for line in session() if (each := STAGE.match(line)) and each[1] not in glossary[0]] == []


def shape(line: str) -> str:
    """A line without what differs from launch to launch: numbers, addresses, spinners, bars, trials, disks, core."""
    line = re.sub(r"^.*: (?:epoch \S+ of \S+|starting),", "NAME: at work,", line)
    line = re.sub(r"time left: .*|^disk: .*", "", line)
    line = re.sub(r"^on a CPU, the compiled core .*|^PyTorch trains all networks.*", "CORE", line)
    line = re.sub(r"^[⠀-⣿] ", "", re.sub(r"[━╸╺ ]*━[━╸╺ ]*", "━ ", line))
    line = re.sub(r"\S*/(?!s\b)\S+", "PATH", line)
    return re.sub(r"\d[\d,.:]*", "0", line).rstrip()


@pytest.mark.launch
def test_a_launch_shows_what_the_session_has_and_nothing_more(tmp_path: Path):
    status, moments = shown_by("--limit", "6", "--set", "epochs=1000", cwd=tmp_path)
    assert status == 0, moments[-1].lines
    page = {shape(line) for line in session()}
    ever = {shape(line) for moment in moments for line in moment.lines}
    assert page - ever == set(), "the page has what no launch shows: run `python -m tests.support.session`"
    assert {shape(line) for line in told(moments)} - page == set(), "a launch shows what the page has not"
