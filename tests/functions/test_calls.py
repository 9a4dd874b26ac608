"""Calls of training functions in processes of their own: what they yield, and each way in which they fail."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from survey.errors import InputError
from survey.functions.server import FunctionError, FunctionServer
from survey.functions.source import source_of
from tests.support.awaiting import await_that
from tests.support.functions import LINE, begin, server, write


@pytest.fixture
def line(tmp_path):
    with server(tmp_path, LINE) as found:
        yield found


def yielded(call) -> list[dict[str, float]]:
    """All that a call yields."""
    found = []
    while "ended" not in (answer := call.ask({"next": True})[0]):
        found.append(answer["metrics"])
    return found


def test_a_function_is_called_epoch_by_epoch(line, tmp_path):
    assert yielded(begin(line, tmp_path, slope=2.0, epochs=3)) == [
        {"test_loss": 2.03},
        {"test_loss": 1.03},
        {"test_loss": 2 / 3 + 0.03, "late": 2.0},
    ]


def test_a_call_goes_on_from_the_state_that_another_has_yielded(line, tmp_path):
    first = begin(line, tmp_path, slope=2.0, epochs=4)
    straight = yielded(begin(line, tmp_path, slope=2.0, epochs=4))
    begun = [first.ask({"next": True})[0]["metrics"] for _ in range(2)]
    _, state = first.ask({"state": True})
    first.close()
    assert begun + yielded(begin(line, tmp_path, state, slope=2.0, epochs=4)) == straight


VALUES = """
import numpy as np
import torch
def train(*, seed, what: str = ""):
    metrics = {"a": 1, "b": np.float32(2.5), "c": torch.tensor(3.0), "d": np.array(4), "e": float("nan"), "f": True}
    yield metrics
    metrics["a"] = 5
    yield metrics
"""


def test_numbers_of_python_numpy_and_torch_are_copied_at_once(tmp_path):
    with server(tmp_path, VALUES) as found:
        first, second = yielded(begin(found, tmp_path))
    assert math.isnan(first.pop("e"))
    assert first == {"a": 1.0, "b": 2.5, "c": 3.0, "d": 4.0, "f": 1.0}
    assert second["a"] == 5.0


ODD = """
import os, signal, sys, random
def train(*, seed, how: str):
    if how == "at once": return
    yield {"loss": 1.0}
    if how == "error": raise ValueError("too\\nlong")
    if how == "exit": sys.exit(3)
    if how == "_exit": os._exit(7)
    if how == "crash": os.kill(os.getpid(), signal.SIGSEGV)
    if how == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if how == "memory": raise MemoryError("all of it")
    if how == "disk":
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with open("/dev/shm/survey-full", "wb") as file:
            os.unlink(file.name)
            file.write(bytes(1000))
    if how == "text": yield "loss"
    if how == "array":
        import numpy as np
        yield {"loss": np.zeros(3)}
    if how == "none": yield {"loss": None}
    if how == "empty": yield {}
    if how == "number": yield {1: 2.0}
    if how == "state": yield {"loss": 1.0}, {"model": random.Random()}
    if how == "large": yield {"loss": 10**400}
    if how == "library": __import__("numpy").random.seed(2**40)
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    with server(tmp_path_factory.mktemp("odd"), ODD) as found:
        yield found


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("error", "long"),
        (
            "library",
            "line 27: ValueError: Seed must be between 0 and 2**32 - 1 (a run's seed has 63 bits; use seed % 2**32)",
        ),
        ("large", "'loss': expected a number, it yielded an integer too large for one"),
        ("exit", "line 7: SystemExit: 3 ended its process, with status 3"),
        ("_exit", "line.train: its process has ended by itself, with status 7, before it answered"),
        ("crash", "line.train: its process was killed by SIGSEGV"),
        ("kill", "line.train: its process was killed by SIGKILL, perhaps as memory ran out"),
        ("memory", "line 11: MemoryError: all of it"),
        ("disk", "line 15: OSError: [Errno 27] File too large"),
        ("text", "expected a mapping of names to numbers, or (mapping, state); it yielded str"),
        ("array", "'loss': expected a number, it yielded ndarray of shape (3,)"),
        ("none", "'loss': expected a number, it yielded NoneType; leave a metric out where it has no value"),
        ("empty", "it yielded an empty one"),
        ("number", "expected texts as names of metrics; it yielded 1"),
        (
            "state",
            "state['model']: expected tensors, arrays and plain values, in dicts, lists and tuples; found random.R",
        ),
    ],
)
def test_each_way_to_fail_has_its_true_name_and_hurts_no_other_call(odd, tmp_path, how, told):
    other = begin(odd, tmp_path, how="fine")
    other.ask({"next": True})
    call = begin(odd, tmp_path, how=how)
    call.ask({"next": True})
    with pytest.raises(FunctionError) as failure:
        call.ask({"next": True})
    assert told in str(failure.value).splitlines()[-1]
    assert isinstance(failure.value, MemoryError) == (how == "memory")
    assert other.ask({"next": True})[0] == {"ended": True}


CHANGES = """
import os, random
import numpy as np
COUNT = [0]
def train(*, seed):
    COUNT[0] += 1
    seen = {"there": os.getcwd() == "/", "changed": "CHANGED" in os.environ, "seeded": np.random.get_state()[1][0] == 3}
    random.seed(3)
    np.random.seed(3)
    os.chdir("/")
    os.environ["CHANGED"] = "yes"
    yield {"count": COUNT[0], **seen}
"""


def test_what_a_call_changes_the_next_one_does_not_see(tmp_path):
    with server(tmp_path, CHANGES) as found:
        first, second = (yielded(begin(found, tmp_path)) for _ in range(2))
    assert first == second
    assert first[0] == {"count": 1, "there": 0, "changed": 0, "seeded": 0}


def test_what_a_call_has_started_ends_with_it(tmp_path):
    text = """
    import subprocess
    def train(*, seed):
        yield {"pid": subprocess.Popen(["sleep", "1000"]).pid}
        yield {"pid": 0}
    """
    with server(tmp_path, textwrap.dedent(text)) as found:
        call = begin(found, tmp_path)
        pid = int(call.ask({"next": True})[0]["metrics"]["pid"])
        call.close()
        await_that(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "it goes on")


def test_a_crash_is_told_although_a_process_that_the_call_has_forked_goes_on(tmp_path):
    text = """
    import os, time
    def train(*, seed):
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
        yield {"pid": pid}
        os._exit(5)
    """
    with server(tmp_path, textwrap.dedent(text)) as found:
        call = begin(found, tmp_path)
        pid = int(call.ask({"next": True})[0]["metrics"]["pid"])
        with pytest.raises(FunctionError, match="has ended by itself, with status 5"):
            call.ask({"next": True})
        await_that(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "it goes on")


def test_nothing_goes_on_where_the_survey_is_killed(tmp_path):
    write(tmp_path, "import time\ndef train(*, seed):\n    time.sleep(1000)\n    yield {'loss': 1}\n")
    code = f"""
import os, pathlib
from tests.support.functions import begin
from survey.functions.server import FunctionServer
from survey.functions.source import source_of
folder = pathlib.Path({str(tmp_path)!r})
server = FunctionServer(source_of("line.py:train", folder))
call = begin(server, folder)
call.start({{"next": True}})
print(server._process.pid, call._pid, flush=True)
os.kill(os.getpid(), 9)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd()).stdout
    for pid in map(int, said.split()):
        await_that(lambda pid=pid: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "it goes on")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def train(*, seed, width): yield", "'width' has no annotation; expected int, float, bool"),
        ("def train(*, seed, width: dict): yield", "'width' has the annotation dict; expected int"),
        (
            "def train(*, seed, width: 'Missing'): yield",
            "its annotations cannot be read: name 'Missing' is not defined",
        ),
        ("def train(**axes): yield", "'axes' has no name to give it by"),
        (
            "import numpy as np\ndef train(*, seed, rate: float = np.float32(0.5)): yield",
            "the default of 'rate' is np.float32(0.5); expected a plain value",
        ),
        ("def train(*, seed, epochs: str = '2'): yield", "'epochs' is the number of epochs to train; annotate it"),
        ("def wrap(f): return lambda *a: f(*a)\n@wrap\ndef train(): yield", "use functools.wraps in a decorator"),
        ("import functools\ntrain = functools.partial(print)", "it is an object of partial, and no function"),
        ("class train: pass", "it is a class, and no function"),
        ("async def train(*, seed): yield", "it is async; expected a function that yields"),
        ("def trian(): yield", "there is no function 'train' in it; it has trian"),
        ("def train(:\n", "line.py, line 1: SyntaxError: invalid syntax"),
        ("import nowhere\ndef train(): yield", "line.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("from .near import x\ndef train(): yield", "give package.module:function instead of FILE.py"),
        ("import os\nos._exit(4)", "the process that imports it has ended by itself, with status 4"),
        (
            "import argparse\nargparse.ArgumentParser().error('no')",
            "line.py, line 2: SystemExit: 2; it ends as soon as",
        ),
    ],
)
def test_what_cannot_be_surveyed_is_told(tmp_path, text, told):
    with pytest.raises(InputError) as refused:
        server(tmp_path, text)
    assert told in str(refused.value)
    assert "importlib" not in str(refused.value)


@pytest.mark.parametrize("train", ["line.py:train", "apart.net:train", "pack.net:train"])
def test_a_function_and_its_neighbours_reach_a_machine_that_lacks_them(tmp_path, train):
    """Of a file, of a package without `__init__.py`, and of one with it, which is part of what is imported."""
    text = "def train(*, seed):\n    from near import helper\n    import pack\n    yield {'loss': helper(pack.TWO)}\n"
    for folder in ("apart", "pack"):
        (tmp_path / folder).mkdir()
    write(tmp_path, "from above import ONE\n\ndef helper(x):\n    return x + ONE\n", "near.py")
    write(tmp_path, "ONE = 1\n", "above.py")
    write(tmp_path, "from .more import TWO\n", "pack/__init__.py")
    write(tmp_path, "TWO = 2\n", "pack/more.py")
    write(tmp_path, "unused = 1\n", "other.py")
    own = {"line.py:train": "line.py", "apart.net:train": "apart/net.py", "pack.net:train": "pack/net.py"}[train]
    write(tmp_path, text, own)
    source = source_of(train, tmp_path)
    assert set(source.files) == {own, "near.py", "above.py", "pack/__init__.py", "pack/more.py"}
    for file in source.files:
        (tmp_path / file).unlink()
    with FunctionServer(source) as found:
        assert yielded(begin(found, tmp_path)) == [{"loss": 3.0}]


def test_the_digest_is_that_of_the_texts_and_not_of_the_folder(tmp_path):
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, LINE)
        digests.append(source_of("line.py:train", tmp_path / name).digest)
    write(tmp_path / "two", f"# a remark\n{LINE}")
    assert digests[0] == digests[1] != source_of("line.py:train", tmp_path / "two").digest


def test_a_function_that_no_process_can_import_is_sent_itself(tmp_path):
    space: dict[str, object] = {"__name__": "__main__", "BASE": 2}
    exec("def train(*, seed, width: int):\n    yield {'loss': BASE * width}\n", space)
    with FunctionServer(source_of(space["train"], tmp_path)) as found:  # pyright: ignore[reportArgumentType]
        assert yielded(begin(found, tmp_path, width=4)) == [{"loss": 8.0}]


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ("line.py", "expected FILE.py:FUNCTION or package.module:function, found 'line.py'"),
        ("nowhere.py:train", "there is no file"),
        ("nowhere_at_all:train", "there is no module 'nowhere_at_all' on the import path"),
        ("json.nowhere:train", "there is no module 'json.nowhere'"),
        (3, "expected a function, or where it is as text, found 3"),
    ],
)
def test_a_function_that_is_not_there_is_told(tmp_path, train, told):
    with pytest.raises(InputError) as refused:
        source_of(train, tmp_path)
    assert told in str(refused.value)


def test_a_call_that_does_not_answer_can_be_waited_for(tmp_path):
    with server(tmp_path, "import time\ndef train(*, seed):\n    time.sleep(1000)\n    yield {'loss': 1}\n") as found:
        call = begin(found, tmp_path)
        call.start({"next": True})
        began = time.monotonic()
        assert not call.has_answered(0.1)
        call.close()
        assert time.monotonic() - began < 60
