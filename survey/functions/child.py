"""The program of the processes of a training function: one imports it, and forks one more for each call.

So a call starts in milliseconds, finds everything as it was after the import, and may crash, end its process, change
the working folder or seed globally: nobody else notices. It needs the standard library alone; what the function needs,
it imports itself.
"""

from __future__ import annotations

import array
import ctypes
import importlib
import io
import os
import pickle
import shutil
import signal
import socket
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from survey.functions.given_data import mapped
from survey.functions.messages import EndOfMessagesError, receive, send
from survey.functions.signature import GIVEN, SignatureError, converters, describe

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_OURS = (str(Path(__file__).parent), str(Path(importlib.__file__).parent), "<frozen")
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
_NO_CUDA = (
    "the module uses CUDA as soon as it is imported, so no process can be forked for a call; use it within the function"
)


def main() -> None:
    """Import a function, say what it asks for, and answer requests for calls until nobody is there any more."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    os.dup2(2, 1)  # what is printed must not be taken for the output of whoever asks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        about, pickled = receive(connection)
    except EndOfMessagesError:
        return
    parent = os.getpid()
    try:
        function = _introduced(connection, about, pickled)
        if function:
            _serve(connection, function)
    finally:
        if about["temporary"] and os.getpid() == parent:
            shutil.rmtree(about["temporary"], ignore_errors=True)


def _introduced(connection: socket.socket, about: Mapping[str, Any], pickled: bytes) -> Callable[..., Any] | None:
    """Import the function and say what it asks for; return None, and say why, if that cannot be."""
    try:
        function = _load(about, pickled)
        answer: dict[str, Any] = {"signature": describe(function)}
    except SignatureError as error:
        function, answer = None, {"problem": str(error)}
    except BaseException as error:  # of code that is not ours, which may even want to exit
        function, answer = None, _failure(error)
    try:
        send(connection, answer)
    except EndOfMessagesError:
        return None
    return function


def _load(about: Mapping[str, Any], pickled: bytes) -> Callable[..., Any]:
    if pickled:
        return pickle.loads(pickled)  # the function of a notebook, which this survey itself has sent
    sys.path.insert(0, about["folder"])
    module = importlib.import_module(about["module"])
    function = module
    for name in about["function"].split("."):
        function = getattr(function, name, None)
    if not callable(function):
        there = sorted(name for name, value in vars(module).items() if callable(value) and not name.startswith("_"))
        raise SignatureError(f"there is no function {about['function']!r} in it; it has {', '.join(there) or 'none'}")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise SignatureError(_NO_CUDA)
    return function


def _serve(connection: socket.socket, function: Callable[..., Any]) -> None:
    """Fork a process for each call, and say how each has ended."""
    running: set[int] = set()
    try:
        while True:
            request, descriptors = _request(connection)
            if "wait" in request:
                _, status = os.waitpid(request["wait"], 0)
                running.discard(request["wait"])
                send(connection, {"status": os.waitstatus_to_exitcode(status)})
                continue
            _load_what_torch_puts_off()
            pid = os.fork()
            if pid == 0:
                connection.close()
                _call(function, socket.socket(fileno=descriptors[0]), *descriptors[1:])
            for descriptor in descriptors:
                os.close(descriptor)
            running.add(pid)
            send(connection, {"pid": pid})
    except EndOfMessagesError:
        for pid in running:
            kill(pid)


def _load_what_torch_puts_off() -> None:
    """Import what the first optimizer of a process would, in seconds, if the function uses PyTorch at all."""
    if "torch" in sys.modules:
        with suppress(Exception):  # a private module, and no call depends on it
            importlib.import_module("torch._dynamo")


def _request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request: to wait for a process; or for a call, with the socket to talk to it through, and its data."""
    content, ancillary, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(2 * array.array("i", [0]).itemsize))
    if not content:
        raise EndOfMessagesError
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data)
    return ({} if descriptors else {"wait": int(content)}), list(descriptors)


def kill(pid: int) -> None:
    """Kill the process of a call, and all that it has started; nothing happens if it is gone."""
    if not kill_started_by(pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it has not come so far as to have a group of its own


def kill_started_by(pid: int) -> bool:
    """Kill the group of the process of a call; return whether anything was left of it."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _call(function: Callable[..., Any], connection: socket.socket, data: int | None = None) -> None:
    """Be the process of a call, from its beginning to its end; `data` is the file with its data, if it has any."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.setpgid(0, 0)
    call = _Call(function, data)
    status = 0
    try:
        while True:
            request, content = receive(connection)
            answer, content = call.answer(request, content)
            send(connection, answer, content)
    except EndOfMessagesError:
        pass
    except BaseException as error:
        status = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        name = "sys.exit" if isinstance(error, SystemExit) else type(error).__name__
        with suppress(EndOfMessagesError):
            send(connection, {**_failure(error), "exit": name})
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class _Call:
    """A call of the function, epoch by epoch: it goes on only when it is asked to."""

    def __init__(self, function: Callable[..., Any], data: int | None) -> None:
        self._function, self._data = function, data
        self._epochs: Iterator[Any] = iter(())
        self._state: Any = None
        self._is_checked = False

    def answer(self, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        """Do what is asked for; a failure of the function is an answer too."""
        try:
            if "begin" in request:
                self._begin(request["begin"], content)
                return {}, b""
            if "state" in request:
                return {}, b"" if self._state is None else _saved(self._state)
            if "gpu_memory" in request:
                return {"bytes": _gpu_bytes()}, b""
            return self._next(), b""
        except Exception as error:
            return _failure(error), b""

    def _begin(self, given: Mapping[str, Any], state: bytes) -> None:
        os.chdir(given["cwd"])
        make = converters(self._function)
        axes = {name: make.get(name, lambda plain: plain)(value) for name, value in given["axes"].items()}
        wanted = {name: given.get(name) for name in GIVEN} | {"state": _loaded(state) if state else None}
        if given.get("folder"):
            wanted["folder"] = Path(given["folder"])
        if self._data is not None:
            wanted["data"] = mapped(given["data"], self._data)
        asked = describe(self._function)["given"]
        arguments = {**axes, **{name: wanted[name] for name in GIVEN if name in asked}}
        self._epochs = _epochs(self._function, arguments)

    def _next(self) -> dict[str, Any]:
        try:
            yielded = next(self._epochs)
        except StopIteration:
            return {"ended": True}
        is_pair = isinstance(yielded, tuple) and len(yielded) == 2 and isinstance(yielded[0], Mapping)
        metrics, self._state = yielded if is_pair else (yielded, None)
        if not self._is_checked and self._state is not None:
            try:
                _check_state(self._state, "state")
            except RecursionError:
                raise BadYieldError("state: it holds itself, or is nested too deeply; expected plain values") from None
            self._is_checked = True
        return {"metrics": _numbers(metrics), "has_state": self._state is not None}


def _gpu_bytes() -> int:
    """The most memory that PyTorch has reserved on the GPU; 0 where the function uses another library."""
    torch = sys.modules.get("torch")
    return torch.cuda.max_memory_reserved() if torch is not None and torch.cuda.is_initialized() else 0


def _epochs(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Iterator[Any]:
    """What a function yields; what a plain one returns is its only epoch."""
    result = function(**arguments)
    if isinstance(result, Mapping | tuple) or not hasattr(result, "__next__"):
        yield result
    else:
        yield from result


class BadYieldError(Exception):
    """The function has yielded something else than metrics; the text says what."""


def _numbers(metrics: Any) -> dict[str, float]:
    """The metrics of an epoch, copied."""
    if not isinstance(metrics, Mapping):
        found = "nothing" if metrics is None else f"{type(metrics).__name__}"
        raise BadYieldError(f"expected a mapping of names to numbers, or (mapping, state); it yielded {found}")
    if not metrics:
        raise BadYieldError("expected a mapping of names to numbers; it yielded an empty one")
    return {_name(name): _number(name, value) for name, value in metrics.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise BadYieldError(f"expected texts as names of metrics; it yielded {name!r}")
    return name


def _number(name: str, value: Any) -> float:
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            raise BadYieldError(f"{name!r}: expected a number, it yielded an integer too large for one") from None
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # of numpy, or a tensor
        found = value.item()
        if isinstance(found, int | float):
            return float(found)
    shape = getattr(value, "shape", None)
    what = type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
    hint = "; leave a metric out where it has no value" if value is None else ""
    raise BadYieldError(f"{name!r}: expected a number, it yielded {what}{hint}")


_PLAIN = (str, bytes, int, float, bool, type(None))


def _check_state(value: Any, where: str) -> None:
    """Check that a state can be saved, and read again without running any code that is in it."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            _check_state(each, f"{where}[{name!r}]")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            _check_state(each, f"{where}[{number}]")
    elif not isinstance(value, _PLAIN) and type(value).__module__.partition(".")[0] not in ("torch", "numpy"):
        raise BadYieldError(
            f"{where}: expected tensors, arrays and plain values, in dicts, lists and tuples; found "
            f"{type(value).__module__}.{type(value).__name__}"
        )


def _saved(state: Any) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def _loaded(state: bytes) -> Any:
    import numpy as np
    import torch

    multiarray = importlib.import_module("numpy._core.multiarray")
    known = [multiarray._reconstruct, multiarray.scalar, np.ndarray, np.dtype]
    known += [type(np.dtype(letter)) for letter in np.typecodes["All"] if letter not in "OV"]
    with torch.serialization.safe_globals(known):
        return torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)


_32_BITS = ("2**32 - 1", str(2**32 - 1))
"""How NumPy and scikit-learn tell the greatest seed that they take."""

_OF_SEEDS = " (a run's seed has 63 bits; use seed % 2**32)"


def _failure(error: BaseException) -> dict[str, Any]:
    """An error of the function: its last line for people, and a traceback of the user's own lines."""
    if isinstance(error, BadYieldError):
        return {"problem": str(error)}
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(_OURS)]
    theirs = [each for each in frames if not _is_installed(each.filename)] or frames
    *before, last = "".join(traceback.format_exception_only(error)).strip().splitlines()
    where = f"{Path(theirs[-1].filename).name}, line {theirs[-1].lineno}: " if theirs else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{Path(error.filename).name}, line {error.lineno}: "
    is_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    shown = "".join([*traceback.format_list(theirs), *(f"{line}\n" for line in before)])
    hint = _OF_SEEDS if any(limit in last for limit in _32_BITS) else ""
    return {"error": where + last.strip() + hint, "traceback": shown, "out_of_memory": is_memory}


def _is_installed(file: str) -> bool:
    """Whether a line of a traceback is of a library, which Cython names by a path of its own."""
    return file.startswith(_INSTALLED) or file.endswith(".pyx")


if __name__ == "__main__":
    main()
