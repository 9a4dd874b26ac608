"""A launch that is to stop: what is said of it at once, and terminals and readers that go away."""

from __future__ import annotations

import fcntl
import importlib
import io
import os
import pickle
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

import survey
from survey.launch import messages
from survey.launch.result import SurveyResult
from survey.networks.experiment import NetworkExperiment
from survey.output.folder import Output
from survey.output.progress import line
from survey.system.interrupts import Interrupter, interrupting
from survey.text.terminal import SafeConsole
from survey.trials.progress import Progress, ReportCounter, Stopping
from survey.trials.signals import StopSignals, kept_from_children
from survey.trials.stopper import StopRequest
from tests.support.awaiting import HANGS_S, await_that


class Notice:
    """Who is told that all is to stop."""

    def __init__(self) -> None:
        self.reason, self.thread, self.came = "", "", threading.Event()

    def __call__(self, reason: str) -> None:
        self.reason, self.thread = reason, threading.current_thread().name
        self.came.set()


# ---------------------------------------------------------------- what is said, and when


def test_the_end_of_the_time_is_noticed_although_nobody_asks():
    """As Tune does not while all trials are in their epochs."""
    notice, stop = Notice(), StopRequest(time.monotonic())
    signals = StopSignals(stop)
    with signals.training(notice), signals:
        await_that(notice.came.is_set)
    assert notice.reason == stop.reason == "time limit reached"


def test_a_time_that_ends_while_nothing_trains_stops_nothing_by_itself():
    notice, stop = Notice(), StopRequest(time.monotonic())
    with StopSignals(stop, notice=notice):
        assert not notice.came.wait(0.2)
        assert stop.reason == ""
        assert stop.stop_all(), "but where trials would begin"
        await_that(notice.came.is_set)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noticed_at_once_in_a_thread_that_may_print(number):
    notice, stop = Notice(), StopRequest()
    with StopSignals(stop) as signals, signals.training(notice):
        os.kill(os.getpid(), number)
        await_that(notice.came.is_set)
        assert notice.reason == stop.reason == "interrupted"
        assert notice.thread == "notice of a stop"
        assert stop.stop_all()
        assert signals._grace.is_alive() == (number != signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)  # nothing more: the shell and the system send one each
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_while_nothing_trains_a_signal_interrupts():
    notice = Notice()
    with StopSignals(StopRequest(), notice=notice), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGHUP)
    await_that(notice.came.is_set)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_import_that_is_under_way_is_whole_before_a_signal_interrupts(number, tmp_path, monkeypatch):
    code = f"import signal, time\nsignal.raise_signal({int(number)})\ntime.sleep(0.2)\nwhole = True"
    (tmp_path / "half_a_library.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)

    def imports() -> None:
        importlib.import_module("half_a_library")
        await_that(lambda: False, "the signal is lost")

    notice = Notice()
    with StopSignals(StopRequest(), notice=notice), pytest.raises(KeyboardInterrupt):
        imports()
    assert sys.modules.pop("half_a_library").whole
    await_that(notice.came.is_set)


def test_an_interruption_that_waited_for_an_import_comes_once_although_other_handlers_have_come_since(
    tmp_path, monkeypatch
):
    """As Ctrl-C while a launch imports Ray: a second one would interrupt the cell, or the shell, after it."""
    (tmp_path / "half_a_library.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)")
    monkeypatch.syspath_prepend(tmp_path)
    entered, later = threading.Event(), []

    def launch() -> None:
        with interrupting(Interrupter(entered.wait)):
            importlib.import_module("half_a_library")
            with StopSignals(StopRequest()):
                entered.set()
                await_that(lambda: False, "the signal is lost")

    with pytest.raises(KeyboardInterrupt):
        launch()
    del sys.modules["half_a_library"]
    before = signal.signal(signal.SIGINT, lambda *_: later.append("again"))
    time.sleep(0.3)  # some times what is waited between two signals
    signal.signal(signal.SIGINT, before)
    assert not later


def test_a_hang_up_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopRequest()
        with StopSignals(stop):
            signal.raise_signal(signal.SIGHUP)
            assert not stop.interrupted
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_tune_can_save_it():
    stop = StopRequest(time.monotonic() + 1000)
    with StopSignals(stop):
        assert not pickle.loads(pickle.dumps(stop)).stop_all()


def trial(trial_id: str, *, experiments: int = 1) -> SimpleNamespace:
    """What the callback looks at in a trial of Tune."""
    experiment = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 64, "depth": 3, "epochs": 10}
    config = {**NetworkExperiment(**experiment).to_dict(), "repetitions": [0, 1, 2], "cost_s": 10.0, "num_gpus": 0.0}
    return SimpleNamespace(trial_id=trial_id, config={"experiments": [config] * experiments})


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_is_stopped_and_how_far_that_is_is_said(is_terminal, tmp_path):
    output = Output(tmp_path)
    output.checkpoints.mkdir()
    old = [output.checkpoints / f"{number}-a.pt" for number in (1, 9)]
    for file in old:
        file.touch()
        os.utime(file, ns=(0, 0))
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200)
    with Progress(console, name="small", num_runs=9, total_cost=30.0, output=output) as progress:
        for each in (trial("a"), trial("b", experiments=2)):
            ReportCounter(progress).on_trial_start(iteration=1, trials=[], trial=each)
        said = threading.Thread(target=progress.stop, args=("interrupted",))
        said.start()
        await_that(lambda: "interrupted: stopping 2 trials and writing checkpoints" in console.file.getvalue())  # type: ignore[attr-defined]
        assert "written" not in progress.figures().stopping
        old[0].touch()
        (output.checkpoints / "2-b.pt").touch()
        await_that(lambda: "; 2 of 3 written" in console.file.getvalue())  # type: ignore[attr-defined]
        assert "2 of 3 written" in line(progress.figures()).plain
        old[0].unlink()
        (output.checkpoints / "3-c.pt").touch()
        (output.checkpoints / "4-c.pt").touch()
    said.join()
    assert "interrupted: stopping 2 trials and writing checkpoints; 3 of 3 written" in console.file.getvalue()  # type: ignore[attr-defined]
    assert progress.figures().over().stopping == ""
    last = console.file.getvalue().splitlines()[-1]  # type: ignore[attr-defined]
    assert "0 of 9 runs done  0 failed" in last, "what was shown before is of some seconds ago"


def test_where_nothing_trains_yet_nothing_is_said_to_be_stopped(tmp_path):
    stopping = Stopping("time limit reached", num_trials=0, num_checkpoints=0, folder=tmp_path / "none")
    assert str(stopping) == "time limit reached: no trial is training"


AGAIN = "launch again with the same arguments to continue"


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ({"out_of_time": True}, f"the time limit is reached: {AGAIN} (60 runs of 30 experiments are missing)"),
        ({"interrupted": True}, f"interrupted: {AGAIN} (60 runs of 30 experiments are missing)"),
        ({}, "missing: 10 more experiments"),
    ],
)
def test_after_a_stop_on_purpose_what_is_missing_is_one_line(ended, told, capsys):
    missing = tuple(f"experiment {number}: 2 of 2 runs" for number in range(30))
    ends = {"interrupted": False, "out_of_time": False, **ended}
    result = SurveyResult(40, 80, 20, 20, (), missing, **ends, dataset=Path(), report=None, seconds=1, loop_seconds=1)
    messages.show_result(result, SafeConsole(), with_mlflow=False)
    lines = capsys.readouterr().out.splitlines()
    assert told in lines
    assert sum("missing" in each for each in lines) == (1 if ended else 21)


# ---------------------------------------------------------------- terminals and readers that go away

PROGRAM = """
import os, sys, time
from survey.cli import run_app
from survey.launch.result import INTERRUPTED
from survey.text.terminal import SafeConsole

console = SafeConsole()

def waits() -> int:
    console.print("ready")
    while True:
        time.sleep(0.01)
        console.print("epoch")

def trains() -> int:
    from survey.trials.signals import StopSignals
    from survey.trials.stopper import StopRequest  # and Ray, which takes seconds

    stop = StopRequest()
    with StopSignals(stop) as signals, signals.training(lambda _: None):
        console.print("ready")
        while not stop.stop_all():
            time.sleep(0.01)
            console.print("epoch")
    console.print("exporting")
    open("done", "w").close()
    return INTERRUPTED

def ends() -> int:
    console.print("ready")
    sys.stdin.readline()
    return 0

run_app(globals()[os.environ["WHAT"]], "x")
"""


def start(folder: Path, what: str, **streams: Any) -> subprocess.Popen:
    """Run a part of the program in a folder."""
    path = os.pathsep.join([str(Path(survey.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "WHAT": what, "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=folder, env=environment, **streams)


@pytest.mark.parametrize("what", ["waits", pytest.param("trains", marks=pytest.mark.launch)])
def test_a_reader_that_goes_away_ends_a_command_in_good_order_and_quietly(what, tmp_path):
    process = start(tmp_path, what, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    assert process.wait(HANGS_S) == 141
    assert process.stderr.read() == b""
    assert (tmp_path / "done").exists() == (what == "trains")


@pytest.mark.parametrize("what", ["waits", pytest.param("trains", marks=pytest.mark.launch)])
def test_a_terminal_that_is_closed_ends_a_command_in_good_order(what, tmp_path):
    master, terminal = os.openpty()
    process = start(
        tmp_path,
        what,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
    )
    os.close(terminal)
    said = b""
    while b"ready" not in said:
        said += os.read(master, 1000)
    os.close(master)
    assert process.wait(HANGS_S) == 130
    assert (tmp_path / "done").exists() == (what == "trains")


def test_a_command_that_is_hung_up_on_says_so_where_it_still_can(tmp_path):
    process = start(tmp_path, "waits", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=HANGS_S)
    assert (process.returncode, errors) == (130, b"interrupted: run the same command again to continue\n")


def test_under_nohup_a_command_goes_on(tmp_path):
    process = start(
        tmp_path,
        "ends",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    process.communicate(b"\n", timeout=HANGS_S)
    assert process.returncode == 0


def test_processes_that_are_started_meanwhile_keep_out_a_hang_up():
    code = "import signal; print(signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    command = [sys.executable, "-c", code]
    with kept_from_children(signal.SIGHUP):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_every_command_is_run_in_the_same_way():
    """So that what is true of one of them here is true of all."""
    root = Path(survey.__file__).parents[1]
    programs = [file for part in ("survey", "analysis") for file in (root / part).rglob("*.py")]
    programs = [file for file in programs if '\nif __name__ == "__main__":' in file.read_text()]
    others = {str(file.relative_to(root)) for file in programs if "    run_app(" not in file.read_text()}
    assert len(programs) == 13
    silent = {"survey/system/supervise.py", "survey/functions/child.py", "survey/tracking/serve.py"}
    assert others == {*silent, "survey/__main__.py"}, "which hands over to the others"
