"""Commands that the documentation tells: one form of them, and all of their options exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from survey.cli import command_of
from survey.commands import COMMANDS
from tests.support.pages import read
from tests.support.paths import ROOT

HISTORY = "CHANGELOG.md"
PAGES = [page for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]) if page.name != HISTORY]
OTHERS = [*sorted((ROOT / "deploy").iterdir()), ROOT / "survey" / "spaces" / "example.yaml"]
FILES = [*PAGES, *OTHERS]

_TOLD = re.compile(
    r"(?:^ *|`|[ '])(?:\.venv/bin/)?survey ([a-z]+)((?: (?:\\\n *)?(?!# )[^\s`|;]+)*)", flags=re.MULTILINE
)
_OPTION = re.compile(r"(?<= )\[?(--[a-z-]+)")


def told(file: Path) -> list[tuple[str, list[str]]]:
    """The commands in a file, with their options."""
    return [(name, _OPTION.findall(rest)) for name, rest in _TOLD.findall(read(file)) if name in COMMANDS]


def options_of(name: str) -> set[str]:
    module, _, function = COMMANDS[name][0].partition(":")
    command = command_of(getattr(import_module(module), function))
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


def test_what_is_told_of_commands_is_found():
    assert ("launch", ["--address", "--out"]) in told(ROOT / "docs" / "cluster.md")
    assert ("launch", ["--dry-run", "--pilot", "--json"]) in told(ROOT / "docs" / "scale.md")
    assert ("status", ["--watch"]) in told(ROOT / "docs" / "first_survey.md")
    assert {name for page in PAGES for name, _ in told(page)} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_are_told_exist(name):
    allowed = options_of(name)
    wrong = [
        (file.name, option)
        for file in FILES
        for told_name, options in told(file)
        if told_name == name
        for option in options
        if option not in allowed
    ]
    assert wrong == []


def test_commands_are_told_in_one_form():
    """`survey COMMAND`; that each is a module too, README says once and the reference of each."""
    reference = "As a module: `python -m "
    found = [
        (file.name, line)
        for file in FILES
        for line in read(file).splitlines()
        if re.search(r"python -m (?:survey|analysis)\b", line) and not line.startswith(reference)
    ]
    assert found == [("README.md", next(line for name, line in found if name == "README.md"))]
