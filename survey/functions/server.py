"""The processes of a training function, as the survey sees them: one that has imported it, and one for each call."""

from __future__ import annotations

import array
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from survey.errors import InputError
from survey.functions.child import kill, kill_started_by
from survey.functions.messages import EndOfMessagesError, receive, send
from survey.functions.run_data import RunData
from survey.functions.source import Source
from survey.system.import_path import ROOT
from survey.workloads.workload import ContainedError

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class FunctionError(ContainedError):
    """A call of the function has failed; the last line says how, those above where."""


class FunctionMemoryError(FunctionError, MemoryError):
    """The function has found no memory left."""


class FunctionServer:
    """A process that has imported a function, and forks another for each call; a context manager.

    Args:
        source: The function.

    Raises:
        InputError: It cannot be imported, or cannot be surveyed; the message says why.

    Attributes:
        signature: What it asks for, see `survey.functions.signature.describe`.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._copy = _Copy(source)
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "survey.functions.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": _import_path()},
            )
        try:
            self.signature: dict[str, Any] = self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> dict[str, Any]:
        about = {**self._copy.told, "module": self._source.module, "function": self._source.function}
        try:
            send(self._connection, about, self._source.pickled)
            answer, _ = receive(self._connection)
        except EndOfMessagesError:
            how = _ending(self._process.wait())
            raise InputError(f"train: {self._source.name}: the process that imports it {how}") from None
        if "signature" in answer:
            return answer["signature"]
        said = answer.get("problem") or f"cannot be imported:\n{answer['traceback']}{answer['error']}{_hint(answer)}"
        raise InputError(f"train: {self._source.name}: {said}")

    def call(self, given: Mapping[str, Any], state: bytes = b"", data: RunData | None = None) -> Call:
        """Begin a call in a process of its own.

        Args:
            given: What the function gets: `axes`, `seed`, `device`; and `cwd`, where it runs.
            state: What it has yielded as its state, to go on from there; empty to begin.
            data: The data of the run, if the function asks for them.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = array.array("i", [theirs.fileno(), *([data.descriptor] if data else [])])
            try:
                self._connection.sendmsg([b"c"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
                pid = receive(self._connection)[0]["pid"]
            except (EndOfMessagesError, OSError):
                how = _ending(self._process.wait())
                raise FunctionError(f"{self._source.name}: the process that has imported it {how}") from None
        call = Call(self, pid, ours, self._source.name)
        call.ask({"begin": {**given, **({"data": data.about} if data else {})}}, state)
        return call

    def ending_of(self, pid: int) -> int:
        """Wait until the process of a call has ended; return its exit status, or less than 0 for a signal."""
        self._connection.sendall(str(pid).encode())
        return receive(self._connection)[0]["status"]

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, and those of calls that still run."""
        self._connection.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._copy.remove()

    def __enter__(self) -> FunctionServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Call:
    """A call of the function that runs in a process of its own, an epoch at a time."""

    def __init__(self, server: FunctionServer, pid: int, connection: socket.socket, name: str) -> None:
        self._server, self._pid, self._connection, self._name = server, pid, connection, name
        self._is_asked = False
        self._shared_bytes = _status(pid, "VmRSS")  # it has done nothing yet
        self._process = os.pidfd_open(pid)  # can be read once the process has ended, whoever else holds the connection

    def ask(self, request: dict[str, Any], content: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Ask for something and wait for the answer; raises what `answer` raises."""
        self.start(request, content)
        return self.answer()

    def start(self, request: dict[str, Any], content: bytes = b"") -> None:
        """Ask for something: `next` for the next epoch, `state` for what it has yielded as its state."""
        self._is_asked = True
        with suppress(EndOfMessagesError):  # `answer` tells how it has ended
            send(self._connection, request, content)

    def has_answered(self, seconds: float | None = None) -> bool:
        """Wait for so many seconds, and return whether there is an answer, or will never be one."""
        return bool(select.select([self._connection, self._process], [], [], seconds)[0])

    def answer(self) -> tuple[dict[str, Any], bytes]:
        """Wait for the answer.

        Raises:
            FunctionError: The function has failed, or its process has ended.
        """
        try:
            self.has_answered()
            if not select.select([self._connection], [], [], 0)[0]:
                raise EndOfMessagesError
            answer, content = receive(self._connection)
            self._is_asked = False
        except EndOfMessagesError:
            raise FunctionError(f"{self._name}: its process {_ending(self._end())}") from None
        if "exit" in answer:
            status = self._end()
            raise FunctionError(f"{answer['traceback']}{answer['error']} ended its process, with status {status}")
        if "problem" in answer:
            raise FunctionError(f"{self._name}: {answer['problem']}")
        if "error" in answer:
            kind = FunctionMemoryError if answer["out_of_memory"] else FunctionError
            raise kind(f"{answer['traceback']}{answer['error']}")
        return answer, content

    def peak_bytes(self) -> int:
        """Return the most memory that the process has taken beyond what it shares with its server; 0 if it is gone."""
        peak = _status(self._pid, "VmHWM")
        return max(1, peak - self._shared_bytes) if peak else 0

    def peak_gpu_bytes(self) -> int:
        """Return the most memory that PyTorch has taken on the GPU; 0 if the function does not say, as in an epoch."""
        if self._is_asked:
            return 0
        return self.ask({"gpu_memory": True})[0]["bytes"]

    def _end(self) -> int:
        """Wait for the process, which has ended; end what it has started, and return its exit status."""
        self._connection.close()
        os.close(self._process)
        try:
            return self._server.ending_of(self._pid)
        except (EndOfMessagesError, OSError):
            return -9  # with the process that it was forked from
        finally:
            kill_started_by(self._pid)

    def __del__(self) -> None:
        """A trial that is stopped or has failed drops its call."""
        self.close()

    def close(self) -> None:
        """End the process, and all that it has started."""
        if self._connection.fileno() >= 0:
            kill(self._pid)
            self._end()


class _Copy:
    """The folder of a source: the user's own, where the texts are those there, else a new one with the texts.

    Attributes:
        told: What the process that imports it is told: the folder, and which one it is to remove at its end, as this
            process may be killed.
    """

    def __init__(self, source: Source) -> None:
        self._temporary = ""
        own = Path(source.folder)
        if source.pickled or all(_text(own / name) == text for name, text in source.files.items()):
            self.told = {"folder": source.folder, "temporary": ""}
            return
        self._temporary = tempfile.mkdtemp(prefix=f"survey-{source.digest[:12]}-")
        self.told = {"folder": self._temporary, "temporary": self._temporary}
        for name, text in source.files.items():
            file = Path(self._temporary, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", errors="surrogateescape")

    def remove(self) -> None:
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


def _import_path() -> str:
    """Where the processes find this package first, then what this process finds by itself."""
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, before)]))


def _status(pid: int, name: str) -> int:
    """What the system says of the memory of a process, in bytes; 0 if there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:")), 0)


def _hint(answer: Mapping[str, Any]) -> str:
    """What to do about an import that has failed, if that is known."""
    if "no known parent package" in answer["error"]:
        return "; the file is part of a package: give package.module:function instead of FILE.py"
    if ": SystemExit: " in answer["error"]:
        return '; it ends as soon as it is imported: put what makes it end below `if __name__ == "__main__":`'
    return ""


def _ending(status: int) -> str:
    """Say how a process has ended."""
    if status >= 0:
        return f"has ended by itself, with status {status}, before it answered"
    import signal

    name = signal.Signals(-status).name
    return f"was killed by {name}" + (", perhaps as memory ran out" if name == "SIGKILL" else "")
