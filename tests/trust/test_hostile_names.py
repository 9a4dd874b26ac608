"""Names and errors with control characters, markup and code in them: shown as they are, in every message and page."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import sys
from collections import defaultdict
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from survey.cli import exit_on_error
from survey.dataset.columns_page import page as columns_page
from survey.dataset.schema import executive_schema
from survey.errors import InputError, SearchSpaceError
from survey.export.publish.croissant import croissant
from survey.export.publish.data_card import data_card
from survey.export.publish.description import About, Facts
from survey.launch import messages
from survey.launch.request import note_of
from survey.launch.result import SurveyResult
from survey.networks.columns import COLUMNS
from survey.networks.search_space import Grid, SearchSpace
from survey.output.disk_usage import DiskUse
from survey.output.launch_record import LaunchRecord
from survey.output.progress import ClassFigures, Figures, RunningTrial
from survey.status import Status, render
from survey.text import terminal
from survey.text.escaping import markdown, printable, python_literal
from survey.text.terminal import SafeConsole, say
from survey.trials.messages import Failure
from tests.support.hostile import (
    CONTROLS,
    EFFECTIVE,
    EVIL,
    NAMES,
    RICH,
    on_a_terminal,
    shape_of,
    words_of,
)
from tests.support.paths import ROOT

# ---------------------------------------------------------------- the terminal


@pytest.mark.parametrize("name", [*NAMES, EVIL])
def test_a_terminal_shows_a_text_as_it_is_and_obeys_nothing_in_it(name):
    table = Table(title=name, show_lines=True)
    table.add_column(name)
    table.add_row(Text(name))
    table.add_row(name)
    for shown in (name, Text(name), table):
        text = on_a_terminal(shown)
        assert not EFFECTIVE.search(text)
    assert on_a_terminal(name) == printable(name) + "\n"


def test_a_column_is_as_wide_as_what_is_shown_of_a_name():
    table = Table(show_header=False)
    table.add_row(CONTROLS)
    table.add_row("b")
    assert len({len(line) for line in on_a_terminal(table).splitlines()}) == 1


def test_a_display_that_renews_itself_obeys_nothing_either():
    console = SafeConsole(file=io.StringIO(), force_terminal=True, width=10_000)
    with Live(Text(EVIL), console=console, auto_refresh=False) as live:
        live.update(Text(CONTROLS), refresh=True)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[31m" in text
    assert "\x1b[31m" not in text
    assert not EFFECTIVE.search(re.sub(r"\x1b\[(\?25[lh]|\d*[AK])|\r", "", text)), "but for rich's own"


def test_a_console_of_the_caller_takes_no_markup_from_a_message():
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=10_000)
    say(console, EVIL, style="red")
    assert console.file.getvalue() == printable(EVIL) + "\n"  # type: ignore[attr-defined]


def test_half_a_character_as_of_a_file_name_that_is_no_text_can_be_printed():
    assert on_a_terminal("a\udcff").encode() == b"a\\udcff\n"


def test_all_consoles_are_made_in_one_place():
    """So is each other way to print: what goes to the terminal is a name as often as not."""
    other = re.compile(r"(?<!Safe)\bConsole\(|^\s*print\(|rich\.print|std(?:out|err)\.write")
    echo = re.compile(r"typer\.echo\((?!json\.dumps|\(resources\.files)")
    before_imports = ROOT / "survey" / "__main__.py"  # which prints a constant
    for file in [*(ROOT / "survey").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]:
        if file not in (Path(terminal.__file__), before_imports):
            text = file.read_text()
            assert not other.search(text), file
            assert not echo.search(text), file


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_shown_as_they_are(name, capsys):
    with pytest.raises(SystemExit), exit_on_error():
        raise InputError(name)
    assert capsys.readouterr().err == f"error: {printable(name)}\n"


def test_the_log_is_shown_as_it_is(monkeypatch):
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(io.StringIO()))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    terminal.outlive_readers()
    assert logging.lastResort
    logging.lastResort.handle(logging.makeLogRecord({"msg": "%s", "args": (EVIL,), "levelno": 40}))
    assert logging.lastResort.stream.getvalue() == printable(EVIL) + "\n"


def hostile_status() -> Status:
    figures = Figures(
        runs_planned=2,
        runs_failed=1,
        epochs=3,
        failures={EVIL: 1},
        classes={EVIL: ClassFigures(1)},
        running=(RunningTrial(EVIL, 1, 1, 2, 1.0),),
    )
    record = LaunchRecord(EVIL, "error", EVIL, EVIL, 1, 0.0, 0.0, 0.0, 1, 1, 0, 0, figures)
    return Status(EVIL, "error", 0, 1, DiskUse({EVIL: 1}, True, 1), record)


def test_a_status_is_shown_as_it_is():
    text = on_a_terminal(render(hostile_status()))
    assert not EFFECTIVE.search(text)
    assert text.count("a\\x1b[31m") == text.count(RICH) == 6
    json_text = json.dumps(asdict(hostile_status()))
    assert json_text.isascii()
    assert json_text.isprintable()
    assert json.loads(json_text)["launch"]["name"] == EVIL


def test_the_end_of_a_launch_is_shown_as_it_is(capsys):
    path = Path(EVIL)
    result = SurveyResult(2, 2, 1, 1, (Failure(EVIL, EVIL),), (EVIL,), False, False, path, path, 1.0, 1.0)
    messages.show_result(result, SafeConsole(), with_mlflow=True)
    text = capsys.readouterr().out
    assert not EFFECTIVE.search(text)
    assert text.count(RICH) == 5


def test_the_name_of_a_survey_is_a_word_so_that_a_job_of_ray_can_bear_it():
    grid = Grid(dataset="mnist", shape="rectangle", size=8, depth=2)
    for name in (*NAMES, EVIL, "a\n"):
        with pytest.raises(SearchSpaceError, match="name"):
            SearchSpace(name=name, grids=[grid])


# ---------------------------------------------------------------- Markdown


def card(name: str, rates: str = "0.003, 0.01") -> str:
    facts = Facts(
        sweeps={name: 1},
        tasks=((name, name, 1, 1),),
        settings={"learning_rate": rates, "shape": name, "kernel_regularizer.type": name, "draws": name},
        num_experiments=1,
        num_runs=1,
        num_epochs=1,
        runs_per_experiment=(1, 2),
        made_by={"python_version": name, "platform": name},
        began=date(2025, 1, 1),
        ended=date(2025, 1, 2),
        train_hours=1.0,
        executive=pa.schema([]),
        columns=COLUMNS,
    )
    return data_card(facts, About(name, name, name, name), hostnames=True)


@pytest.mark.parametrize("name", [*NAMES, EVIL, "1. a", "- a", "# a", "---", "www.a.b", "a_", "![a]", "a\\|b"])
def test_the_data_card_shows_a_name_as_it_is(name):
    text = card(name)
    assert not EFFECTIVE.search(text)
    # What is no plain name is no code either.
    assert [kind for kind in shape_of(text) if not kind.startswith("code_inline")] == [
        kind for kind in shape_of(card("a")) if not kind.startswith("code_inline")
    ]
    assert words_of(text).count(printable(" ".join(name.split()))) == words_of(card("qqq")).count("qqq")


def test_the_code_of_the_data_card_is_that_of_a_number():
    (code,) = re.findall(r"^```python\n(.*?)^```$", card("a", '0.1); exit("'), flags=re.MULTILINE | re.DOTALL)
    assert "np.float32(0.0)" in code
    (code,) = re.findall(r"^```python\n(.*?)^```$", card("a"), flags=re.MULTILINE | re.DOTALL)
    ast.parse(code)
    assert "np.float32(0.003)" in code


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_columns_shows_a_name_as_it_is(name):
    def kinds(page: str) -> list[str]:
        return [kind for kind in shape_of(page) if not kind.startswith("code_inline")]

    assert kinds(columns_page(COLUMNS, "origin", [name])) == kinds(columns_page(COLUMNS, "origin", ["a"]))
    assert words_of(columns_page(COLUMNS, "origin", [name])).count(printable(name)) == 6


def test_the_croissant_description_is_json_without_control_characters():
    facts = replace(_facts(), executive=executive_schema(COLUMNS, [EVIL]))
    text = croissant(facts, About(EVIL, EVIL, EVIL, EVIL), tables=[EVIL], sums=defaultdict(lambda: "0"))
    assert text.isascii()
    assert not EFFECTIVE.search(text)
    described = json.loads(text)
    assert described["creator"]["name"] == described["license"] == EVIL
    assert EVIL in [field["name"] for field in described["recordSet"][0]["field"]]


def _facts() -> Facts:
    return Facts({}, (), {}, 1, 1, 1, (1, 1), {}, date(2025, 1, 1), date(2025, 1, 2), 1.0, pa.schema([]), COLUMNS)


def test_the_note_in_mlflow_is_the_description_and_no_markdown():
    grid = Grid(dataset="mnist", shape="rectangle", size=8, depth=2)
    spaces = [SearchSpace(name=name, description=text, grids=[grid]) for name, text in (("a", EVIL), ("b", "c\n\n d"))]
    note = note_of([*spaces, SearchSpace(name="e", grids=[grid])])
    assert not EFFECTIVE.search(note)
    paragraphs = [kind for kind in shape_of(note) if not kind.startswith("inline")]
    assert paragraphs == ["paragraph_open {}", "paragraph_close {}"] * 4
    assert [" ".join(line.split()) for line in words_of(note).splitlines() if line.strip()] == [
        *(printable(" ".join(part.split())) for part in EVIL.split("\n\n")),
        "c",
        "d",
    ]


@pytest.mark.parametrize("value", [*NAMES, EVIL, "plain", 'a"b', "a'b", "😀\x85", 0.1, 3, None])
def test_a_value_in_code_is_that_value(value):
    code = python_literal(value)
    assert ast.literal_eval(code) == value
    assert not EFFECTIVE.search(code)


def test_ordinary_texts_are_the_same_in_markdown():
    for text in ("sklearn:iris", "CC-BY-4.0", "0.003, 1e-05", "wide_first_2x", "Linux-6.1-x86_64", "rectangle d3 2^10"):
        assert markdown(text) == text
