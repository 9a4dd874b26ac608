"""An interruption comes at once, but never in the middle of an import: half a library would stay in the process."""

from __future__ import annotations

import importlib
import signal
import sys
import threading

import pytest

from survey.system.interrupts import Interrupter, interrupting
from tests.support.awaiting import await_that

HALF = """
import signal, time
signal.raise_signal(signal.SIGINT)
signal.raise_signal(signal.SIGINT)
time.sleep(0.2)
whole = True
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> str:
    """A module that is interrupted while it is imported."""
    (tmp_path / "interrupted_library.py").write_text(HALF)
    monkeypatch.syspath_prepend(tmp_path)
    yield "interrupted_library"
    sys.modules.pop("interrupted_library", None)


def test_where_nothing_is_imported_it_comes_at_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupting(Interrupter()):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_import_is_whole_before_it_is_interrupted_and_that_is_said_once(module):
    said = []

    def imports() -> None:
        importlib.import_module(module)
        await_that(lambda: False, "the interruption is lost")

    with pytest.raises(KeyboardInterrupt), interrupting(Interrupter(lambda: said.append("wait"))):
        imports()
    assert sys.modules[module].whole
    assert said == ["wait"]


def test_a_program_that_is_imported_itself_can_be_interrupted(tmp_path, monkeypatch):
    """As `import my_study` in a notebook, which calls `survey.run`."""
    code = """
import signal
from survey.system.interrupts import Interrupter, interrupting
try:
    with interrupting(Interrupter()):
        signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    came = True
"""
    (tmp_path / "imported_study.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("imported_study").came
    del sys.modules["imported_study"]


def test_in_another_thread_nothing_is_handled():
    handlers = []

    def look() -> None:
        with interrupting(Interrupter()):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_one_that_still_waits_at_the_end_comes_then(tmp_path, monkeypatch):
    """As where the last thing that is done is an import."""
    (tmp_path / "interrupted_library.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)")
    monkeypatch.syspath_prepend(tmp_path)
    waits = threading.Event()
    with pytest.raises(KeyboardInterrupt), interrupting(Interrupter(waits.wait)):
        importlib.import_module("interrupted_library")
    waits.set()
    del sys.modules["interrupted_library"]
