"""What a launch says that it is doing, stage by stage, and how far its trials are."""

from __future__ import annotations

import io
import itertools

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from rich.console import Console, RenderableType

from survey.launch.stages import Stages
from survey.output.progress import ClassFigures, Figures, RunningTrial, block
from survey.text.notebook import LiveOutput
from survey.text.terminal import SafeConsole
from tests.support.awaiting import await_that


def stages(**options) -> str:
    console = Console(file=io.StringIO(), width=100, **options)
    with Stages(console) as shown:
        shown.begin("planning", has_line=False)
        console.print("a message")
        shown.begin("starting Ray")
        shown.end()
        console.print("what shows itself")
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_stage_is_a_line_where_there_is_no_terminal():
    assert stages().splitlines() == ["a message", "starting Ray", "what shows itself"]


def test_a_terminal_shows_the_stage_until_the_next_one():
    said = stages(force_terminal=True)
    assert said.index("planning") < said.index("a message") < said.index("starting Ray") < said.index("what shows")
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 2, "the cursor is there again after each stage"


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What IPython publishes to the cell of a notebook, in order."""
    publisher = CapturingDisplayPublisher()
    monkeypatch.setattr("survey.text.terminal.in_notebook", lambda: True)
    monkeypatch.setattr(InteractiveShell.instance(), "display_pub", publisher)
    return publisher.outputs


def test_a_notebook_shows_the_stage_in_one_place_that_renews_itself(cell, capsys):
    console = SafeConsole()
    with Stages(console) as stages:
        stages.begin("planning", has_line=False)
        console.print("a message")
        stages.begin("starting Ray")
    texts = [output["data"]["text/plain"] for output in cell]
    assert texts == ["planning 0:00:00", "", "starting Ray 0:00:00", ""]
    assert {output["transient"]["display_id"] for output in cell} == {cell[0]["transient"]["display_id"]}
    assert [output["update"] for output in cell] == [False, True, True, True]
    assert capsys.readouterr().out == "a message\n", "which stays, as text"


def test_what_a_notebook_shows_is_looked_at_again(cell):
    counts = itertools.count()
    output = LiveOutput(every_s=0.01)
    output.show(lambda: f"<b>{next(counts)}")
    await_that(lambda: len(cell) > 2, "it is not renewed")
    output.hide()
    assert "&lt;b&gt;1" in cell[1]["data"]["text/html"]
    assert cell[-1]["data"]["text/plain"] == ""


def shown(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_bar_the_count_and_the_time_left_are_of_one_estimate():
    running = (RunningTrial("digits", 1, 0, 120, 3.0), RunningTrial("iris", 2, 7, 120, 3.0))
    classes = {"1 CPU core": ClassFigures(trials_running=1, runs_done=1)}
    figures = Figures(3, 1, 3, seconds=30.0, seconds_left=60.0, running=running, classes=classes)
    said = shown(block(figures))
    assert " 33%" in said
    assert "time left: 0:01:00" in said
    assert "1 of 3 runs done" in said
    assert "1 trial running" in said
    assert "digits: starting, 1 run, for 0:00:03" in said
    assert "iris: epoch 7 of 120, 2 runs" in said
    assert "%" not in shown(block(figures.over()))
    assert "%" not in shown(block(Figures(3)))
