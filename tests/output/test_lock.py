"""Who works on an output: on this machine, and on others that share the folder and may not see a lock of this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from survey.errors import OutputError
from survey.output import lock
from survey.output.folder import Output
from survey.output.lock import Holder, OutputLock
from tests.support.awaiting import HANGS_S
from tests.support.no_json import NO_JSON

HOLD = """
import sys, time
from pathlib import Path
import survey.output.lock as lock
host, locks = sys.argv[2:]
lock.socket.gethostname = lambda: host
if locks == "unseen":  # the file system gives locks that other machines do not see
    lock.FileLock.acquire = lambda self, timeout: None
with lock.OutputLock(Path(sys.argv[1]), heartbeat_every_s=0.1):
    print("held", flush=True)
    time.sleep(100_000)
"""


@contextmanager
def held(folder: Path, host: str, locks: str = "seen") -> Iterator[subprocess.Popen]:
    """Have a process hold an output; it is killed at last."""
    command = [sys.executable, "-c", HOLD, str(folder), host, locks]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def output(tmp_path, monkeypatch) -> Output:
    monkeypatch.setattr(lock.socket, "gethostname", lambda: "here")
    output = Output.at(tmp_path / "out")
    output.prepare()
    return output


def test_the_holder_is_named_and_a_dead_ones_lock_is_taken_over(output, monkeypatch):
    with held(output.folder, "here") as process:
        with pytest.raises(OutputError, match=rf"process {process.pid} on here \(since 20\d\d-.*wait for it") as told:
            output.lock().__enter__()
        assert "remove" not in str(told.value)
        process.kill()
        process.wait()
        # It is taken over without a wait for heartbeats, between which one sleeps.
        monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pytest.fail))
        with output.lock():
            assert Holder.read(output.folder / ".lock-holder").process == os.getpid()
    assert not (output.folder / ".lock-holder").exists()


def test_a_holder_on_another_machine_is_named_and_what_to_do_where_that_machine_is_dead(output):
    with (
        held(output.folder, "far") as process,
        pytest.raises(OutputError, match=rf"process {process.pid} on far .*If far is dead, .*remove \S+\.lock and"),
    ):
        output.lock().__enter__()


def test_heartbeats_hold_an_output_where_machines_do_not_see_each_others_locks(output):
    with held(output.folder, "far", "unseen") as process:
        with pytest.raises(OutputError, match=rf"process {process.pid} on far "):
            OutputLock(output.folder, silent_s=HANGS_S).__enter__()  # the next sign ends the watch
        process.kill()
        process.wait()
        began = time.monotonic()
        with OutputLock(output.folder, silent_s=1.0):
            assert time.monotonic() - began >= 1.0, "it has been watched"


def test_a_process_that_slept_while_its_output_was_taken_over_ends(output):
    with held(output.folder, "far", "unseen") as process:
        process.send_signal(signal.SIGSTOP)
        with OutputLock(output.folder, silent_s=1.0):
            process.send_signal(signal.SIGCONT)
            _, said = process.communicate(timeout=HANGS_S)
            assert process.returncode == 1
            assert f"process {os.getpid()} on here" in said
            assert "has taken over this output" in said
            assert json.loads((output.folder / ".lock-holder").read_text())["host"] == "here"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": 3}', "process 3 on far (since 2026-01-01 00:00:00 UTC)"])
def test_a_holder_that_cannot_be_read_stops_nobody(output, text):
    (output.folder / ".lock-holder").write_text(text)
    with output.lock():
        pass


def test_an_output_is_made_by_who_holds_it(tmp_path):
    """Of two launches that begin at once on a new folder, the second must not give it another identity."""
    first, second = (Output.at(tmp_path / "new") for _ in range(2))
    with first.lock():
        with pytest.raises(OutputError, match="working on this output"), second.held():
            pass
        assert not first.exists
        assert not second.exists
    with Output.at(tmp_path / "new").held():
        assert first.exists


def test_an_output_that_a_launch_was_about_to_make_when_it_was_killed_is_made(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".survey.json.3.tmp").write_text('{"output')
    Output.at(out).prepare()
    assert Output.at(out).output_id
    with pytest.raises(OutputError, match="holds other things"):
        Output.at(tmp_path)


def test_a_folder_that_may_not_be_looked_at_is_an_output_error(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(OutputError, match="cannot be looked at: Permission denied"):
        Output.at(tmp_path)


def test_a_lock_that_may_not_be_taken_is_an_output_error(tmp_path, monkeypatch):
    lock = OutputLock(tmp_path)

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock._lock, "acquire", refuse)
    with pytest.raises(OutputError, match="cannot be written to: Permission denied"):
        lock.__enter__()


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
def test_a_holder_that_cannot_be_read_is_none(text, tmp_path):
    (tmp_path / ".lock-holder").write_text(text, encoding="latin-1")
    assert Holder.read(tmp_path / ".lock-holder") is None
