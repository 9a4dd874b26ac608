"""The reference says what the code says: options, columns, keys with their defaults, public names, and all pages."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest

import analysis
import survey
from survey.dataset.schema import executive_schema, repetition_schema, summary_schema
from survey.launch.options import Options
from survey.networks.columns import COLUMNS
from survey.networks.experiment import INITIALIZATIONS, NORMALIZATIONS, OPTIMIZERS, PRECISIONS, SCHEDULES
from survey.networks.search_space import ACTIVATIONS, Grid, SearchSpace
from survey.networks.topology import BASE_SHAPES
from survey.workloads.experiment import DRAWS
from tests.support.pages import read
from tests.support.paths import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def reference() -> Any:
    """The script that writes pages of the reference."""
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_from_the_code_are_up_to_date(reference):
    for name, text in reference.pages().items():
        assert read(DOCS / name) == text, "run `python docs/reference.py`"


def test_options_of_a_launch_are_in_the_reference_with_defaults_and_limits():
    section = read(DOCS / "commands.md").partition("## `survey launch`")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `--([a-z-]+)", section, flags=re.MULTILINE))
    only_there = {"ui", "time_limit_s"}  # `--no-ui` and `--time-limit`
    assert {name.replace("_", "-") for name in Options.__dataclass_fields__ if name not in only_there} <= named
    assert "| `--repetitions N` | Runs of each experiment (1 to 65,535). | as in SPACE |" in section
    assert r"| `--mlflow-epochs auto\|all\|log` |" in section


@pytest.mark.parametrize("schema", [repetition_schema, summary_schema, executive_schema])
def test_every_column_is_in_the_table_of_columns(schema):
    page = read(DOCS / "columns.md")
    assert [name for name in schema(COLUMNS, []).names if f"| `{name}` |" not in page] == []


def rows(title: str) -> dict[str, list[str]]:
    """The rows of the table below a heading of the page of keys: the other cells by the key."""
    section = read(DOCS / "keys.md").partition(f"## {title}\n")[2].partition("\n## ")[0]
    table = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in table}


def shown(default: Any) -> str:
    """A default as the page has it."""
    if isinstance(default, tuple):
        (default,) = default or ("",)
    if default is None or default == "none":
        return "`none`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default != "" else "none"


def test_every_key_of_a_grid_is_in_its_table_with_its_default():
    table, fields = rows("A grid of networks"), Grid.model_fields
    assert sorted(table) == sorted(Grid.keys())
    layers = {name: cells for name, cells in table.items() if cells[-1].startswith("required")}
    assert set(layers) == {"dataset", "shape", "size", "depth"}
    found = {name: cells[-1] for name, cells in table.items() if name not in layers}
    assert found == {name: shown(fields[name].default) for name in found} | {"learning_rate": "`0.0001`"}


def test_every_key_of_a_search_space_is_in_its_table_with_its_default():
    table, fields = rows("The search space"), SearchSpace.model_fields
    assert set(table) == {*fields, "lists", "train", "model", "workload"}
    assert table["repetitions"][-1] == shown(fields["repetitions"].default)
    assert table["grids"][-1] == "required"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("shape", BASE_SHAPES),
        ("optimizer", OPTIMIZERS),
        ("activation", ACTIVATIONS),
        ("schedule", SCHEDULES),
        ("initialization", INITIALIZATIONS),
        ("normalization", NORMALIZATIONS),
        ("precision", PRECISIONS),
        ("draws", DRAWS),
    ],
)
def test_the_table_has_all_words_that_a_key_takes(key, words):
    (_, values, _) = rows("A grid of networks")[key]
    assert sorted(re.findall(r"`([^`]+)`", values.partition(", and each")[0])) == sorted(words)


def test_the_defaults_that_surprise_are_told_where_one_starts():
    epochs, repetitions = Grid.model_fields["epochs"].default[0], SearchSpace.model_fields["repetitions"].default
    assert f"trained for {epochs:,} epochs" in read(DOCS / "keys.md")
    assert f"each experiment is trained {repetitions} times" in read(DOCS / "keys.md")
    assert f"for {epochs:,} epochs" in read(DOCS / "first_survey.md")


def test_every_public_name_is_in_the_page_of_python():
    page = read(DOCS / "python.rst")
    named = re.findall(r"^\.\. auto\w+:: survey\.(\w+)", page, flags=re.MULTILINE)
    assert sorted(named) == sorted(survey.__all__)
    members = re.findall(r":members: (.*)\Z", page.strip())[0].split(", ")
    assert sorted(members) == sorted(analysis.__all__)


def test_every_page_has_a_place_in_the_site():
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*") if page.suffix in (".md", ".rst")}
    placed = re.findall(r"^(?:.*<)?([\w/]+)>?$", read(DOCS / "index.md"), flags=re.MULTILINE)
    assert sorted(placed) == sorted(pages - {"index"})
