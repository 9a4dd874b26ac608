"""Rooms are entered by their faces, faces cost nothing, and the page that draws them is true."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import analysis
import survey
from tests.support.paths import ROOT

ROOMS = sorted(
    f"{package.__name__}.{module.name}"
    for package in (survey, analysis)
    for module in pkgutil.iter_modules(package.__path__)
    if module.ispkg
)
FILES = sorted(file for folder in ("survey", "analysis", "tests") for file in (ROOT / folder).rglob("*.py"))
OF_EVERYWHERE = ("e2e", "trust", "docs", "support")
"""Folders of tests of several rooms; the others bear the name of theirs."""


class Source(NamedTuple):
    """What a file has: its imports of ours with line, module and what is taken from it, if anything; classes with the
    numbers of their methods; the names that it defines."""

    imports: list[tuple[int, str, str]]
    classes: list[tuple[str, int]]
    names: list[str]


@cache
def source(file: Path) -> Source:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    defined = [each for each in tree.body if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    found = Source([], [], [each.name for each in defined])
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.imports.extend((node.lineno, node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            found.imports.extend((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            found.classes.append((node.name, sum(isinstance(each, ast.FunctionDef) for each in node.body)))
    return found


def own_room(file: Path) -> str:
    """The room of a file, or of what it tests, such as `survey.plan`; `analysis` for tests of all of that."""
    package, room, *_ = file.relative_to(ROOT).parts
    if package != "tests":
        return f"{package}.{room}"
    return "analysis" if room == "analysis" else f"survey.{room}"


def inside(module: str, name: str) -> tuple[str, str] | None:
    """The room that an import enters, and what of it: a module, or a name of its face; None for another import."""
    room = ".".join(module.split(".")[:2])
    if room not in ROOMS:
        room, module = f"{module}.{name}", f"{module}.{name}"
    if room not in ROOMS:
        return None
    below = module.removeprefix(room).lstrip(".")
    return room, below.split(".")[0] or name


def test_no_room_is_entered_past_its_face():
    faces, past = {room: ("", "__main__", *importlib.import_module(room).__all__) for room in ROOMS}, []
    for file in FILES:
        own = own_room(file)
        for line, module, name in source(file).imports:
            entered = inside(module, name)
            if not entered or (entered[0] + ".").startswith(own + "."):
                continue
            room, part = entered
            if part not in faces[room]:
                past.append(f"{file.relative_to(ROOT)}:{line}: {room}.{part}")
    assert past == []


MOST_METHODS = 12
ONE_THING = {
    "Bundle": "trains groups of runs; most of its methods are questions to it",
    "ExperimentTraining": "an experiment of a trial, from its MLflow run to its end",
}
"""Classes with more methods, and what makes each of them one thing."""


def test_a_class_is_one_thing():
    classes = [each for file in FILES for each in source(file).classes]
    assert sorted(name for name, methods in classes if methods > MOST_METHODS) == sorted(ONE_THING)


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_says_what_the_room_is_for_and_names_what_is_there(room):
    face = importlib.import_module(room)
    assert face.__doc__
    assert sorted(face.__all__) == face.__all__
    for name in face.__all__:
        assert hasattr(face, name) or importlib.import_module(f"{room}.{name}")


def test_faces_are_cheap():
    heavy = {"ray", "mlflow", "torch"}
    code = f"import sys\nimport {', '.join(ROOMS)}\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_users_call_is_no_module():
    """Also after the modules of these names, or those that lie behind them, have been imported."""
    for name in ("analysis.combine.__main__", "analysis.recommend.__main__", "analysis.reading.tables"):
        importlib.import_module(name)
    for name in analysis.__all__:
        assert callable(getattr(analysis, name)), name
    assert callable(survey.run)
    assert survey.__version__  # which a report of a fault is to name, see SECURITY.md


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_in_a_room_bears_its_name(room):
    """So that nobody takes one for the other; the commands `combine` and `recommend` define nothing of their own."""
    name = room.rpartition(".")[2]
    for file in (ROOT / room.replace(".", "/")).rglob("*.py"):
        assert name not in source(file).names, file


REGISTRY = (ROOT / "survey" / "workloads" / "registry.py").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_what_the_page_names_is_there():
    named = re.findall(r"`((?:survey|analysis|tests)/[\w/.]*)`", PAGE)
    assert len(named) > 60
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_names_all_rooms_in_their_order():
    named = [f"survey.{room}" for room in re.findall(r"^\| `survey/(\w+)/`", PAGE, flags=re.MULTILINE)]
    assert sorted(named) == [room for room in ROOMS if room.startswith("survey.")]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [f"survey.{layer}" for layer in contracts[0]["layers"]]
    assert named == [layer for layer in layers if layer in named]
    in_analysis = re.findall(r"^\| `analysis/(\w+)/`", PAGE, flags=re.MULTILINE)
    assert {*in_analysis, "combine", "recommend"} == {room.split(".")[1] for room in ROOMS if room[:8] == "analysis"}


@pytest.mark.parametrize("heading", ["From a search space to a trained run", "From a curve to a row in Parquet"])
def test_each_way_is_short_and_one_goes_it_file_by_file(heading):
    """Each file imports one of those before it, or is imported by one of them, or by one that their lines name, or it
    follows one of its room."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    stops = re.findall(r"^\d\. `([\w/]+)\.py`", section, flags=re.MULTILINE)
    assert 5 <= len(stops) <= 9
    modules = [stop.replace("/", ".") for stop in stops]
    for number, module in enumerate(modules[1:], start=1):
        before, room = modules[:number], module.rpartition(".")[0]
        told = section.partition(f"`{stops[number]}.py`")[0]
        before += [name.replace("/", ".") for name in re.findall(r"`([\w/]+)\.py`", told)]
        is_reached = imported(module) & {*before} or any(module in imported(each) for each in before)
        is_reached = is_reached or f'"{module}:' in REGISTRY  # which finds workloads by their names
        assert is_reached or room == modules[number - 1].rpartition(".")[0], module


def imported(module: str) -> set[str]:
    file = ROOT / (module.replace(".", "/") + ".py")
    return {name for _, known, part in source(file).imports for name in (known, f"{known}.{part}")}
