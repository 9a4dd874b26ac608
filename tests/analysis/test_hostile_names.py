"""Names with control characters, markup and code in them: shown as they are in reports, figures and advice."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from matplotlib.text import Text as FigureText

from analysis import read
from analysis.advice.advice import recommend
from analysis.advice.budget import Budget
from analysis.figures import butter_zone, comparison, generalization, learning_curves, slices, zone_grid
from analysis.reading.axes import value_text
from analysis.recommend.__main__ import regrets, show
from analysis.report.page import write_report
from survey.text.escaping import printable
from survey.text.terminal import SafeConsole
from tests.support.analysis_data import bowl, experiment, write_data_set
from tests.support.hostile import BOTH, EFFECTIVE, EVIL, NAMES, parsed, shape_of, text_of, words_of


def written(folder: Path, names: Sequence[str]) -> Path:
    """A data set in which all that is a text is one of some names, and the files of a launch beside it."""
    dataset = folder / "data\"); exit('" / "dataset"
    made_by = {"python_version": names[0], "device": names[1], "git_hash": names[0]}
    settings = {"task": "regression", "epochs": 8, "activation": names[0]}
    described = [
        {**experiment(name, shape, 3, size, bowl(0.1, 9, 4), optimizer=optimizer, **settings), **made_by}
        for name in names
        for shape in names
        for size, optimizer in ((256, names[0]), (512, names[0]), (512, names[1]))
    ]
    write_data_set(dataset, described, repetitions=2)
    failures = dict.fromkeys(names, 1)
    (dataset.parent / "launch.json").write_text(json.dumps({"figures": {"failures": failures}}))
    (dataset.parent / "search_spaces").mkdir()
    space = {
        "name": "asked",
        "grids": [{"dataset": names[1], "shape": "rectangle", "size": 8, "depth": 2}],
    }
    (dataset.parent / "search_spaces" / "asked.yaml").write_text(json.dumps(space))
    return dataset


@pytest.fixture(autouse=True)
def names_are_taken(monkeypatch):
    """Names that are refused where they are read (`test_foreign_data.py`) are harmless where they are shown."""
    monkeypatch.setattr("survey.text.names.partition_problem", lambda folder: "")
    monkeypatch.setattr("survey.dataset.layout.partition_problem", lambda folder: "")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("hostile"), BOTH)


@pytest.mark.usefixtures("without_pictures")  # figures are drawn below
def test_the_report_shows_names_as_they_are(hostile, tmp_path):
    html = write_report(hostile, tmp_path / "a", title=EVIL).read_text()
    plain = ("name0", "name1")  # in the same order
    harmless = write_report(written(tmp_path / "b", plain), tmp_path / "c", title="title").read_text()
    page, other = parsed(html), parsed(harmless)
    assert page.elements == other.elements
    assert not EFFECTIVE.search(html)
    text, other_text = "".join(page.texts), "".join(other.texts)
    assert min(other_text.count(name) for name in plain) > 20
    for name, instead in zip(BOTH, plain, strict=True):
        in_code = sum(literal == name for code in codes_of(html) for literal in literals(code))
        shortened = text.count(value_text(name)) if value_text(name) != printable(name) else 0
        assert text.count(printable(name)) + shortened + in_code == other_text.count(instead)
    assert text.count(printable(EVIL)) == 2


def literals(code: str) -> Iterator[object]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant):
            yield node.value


def codes_of(html: str) -> list[str]:
    return [text_of(block) for block in re.findall(r"<pre><code>(.*?)</code></pre>", html, flags=re.DOTALL)]


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_the_report_has_names_as_values(name, tmp_path):
    folder = tmp_path / "data\"); exit('"
    write_data_set(folder, [experiment(name, name, 3, 256, bowl(0.1, 9, 4), epochs=8)], 2)
    blocks = codes_of(write_report(folder, tmp_path / "report").read_text())
    assert len(blocks) == 2
    for code in blocks:
        values = list(literals(code))
        assert values.count(name) == 2
        assert 3 in values
        assert folder.name in values or f"{folder.name}/complete_summary" in values
        assert {ast.unparse(node.func) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)} <= {
            *("pq.read_table", "pq.read_schema", "table.to_pandas", "read", "curves")
        }


def test_figures_show_names_as_they_are(hostile):
    frame = read(hostile)
    task = frame[frame["dataset"] == BOTH[1]]
    runs = read(hostile, table="all_repetitions")
    figures = [
        zone_grid(frame, by="shape"),
        butter_zone(task),
        learning_curves(task),
        generalization(task),
        slices(task, "shape"),
        slices(task, "optimizer"),
        comparison(runs, runs, BOTH),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        texts = [
            text for text in figure.findobj(FigureText) if re.search(r"img|import|\[31m|red|frac", text.get_text())
        ]
        assert texts
        for text in texts:
            shown, is_formula = text._preprocess_math(text.get_text())
            assert not is_formula
            assert not EFFECTIVE.search(shown)
            assert "\\$" not in shown


def test_advice_shows_names_as_they_are(tmp_path):
    sizes, rates = (256, 512), (1e-3, 1e-2)
    experiments = [
        experiment(name, "rectangle", 3, size, bowl(0.1, 9, 4), learning_rate=rate, epochs=8)
        for name in NAMES
        for size in sizes
        for rate in rates
    ]
    dataset = write_data_set(tmp_path / "dataset", experiments, 2)
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system=None, width=10_000)
    show(recommend(dataset, 100, 20, 3, "classification", 8), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert not EFFECTIVE.search(text)
    assert all(printable(name) in text for name in NAMES)
    table = regrets(dataset, Budget(8, None, None))
    shape = shape_of(table)
    assert not [kind for kind in shape if kind.startswith(("html", "link", "image", "code", "em", "strong"))]
    assert all(words_of(table).count(printable(name)) == 2 for name in NAMES)
