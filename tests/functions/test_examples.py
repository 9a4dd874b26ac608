"""The examples that ship: each can be surveyed, and goes on from its state if it yields one."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from survey.functions.server import Call, FunctionServer
from survey.spaces.yaml_file import load_space
from tests.support.paths import ROOT

EXAMPLES = [file for file in sorted(ROOT.glob("examples/*/*.yaml")) if "\ntrain:" in file.read_text(encoding="utf-8")]


def begin(server: FunctionServer, experiment, state: bytes = b"") -> Call:
    axes = {**dict(experiment.axes), **dict(experiment.rest), "epochs": 3}
    return server.call({"axes": axes, "seed": 1, "device": "cpu", "cwd": str(ROOT)}, state)


def epochs(call: Call, count: int) -> list[dict[str, float]]:
    return [call.ask({"next": True})[0]["metrics"] for _ in range(count)]


@pytest.mark.launch
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_trains_repeatably_and_goes_on(file):
    if file.parent.name == "lightning" and not find_spec("lightning"):
        pytest.skip("Lightning is not installed")
    space = load_space(file)
    first, *_ = space.experiments()
    (objective,) = space.objective
    with FunctionServer(space.SOURCE) as server:
        straight = epochs(begin(server, first), 3)
        assert straight[-1][objective] < straight[0][objective]
        call = begin(server, first)
        begun = epochs(call, 2)
        _, state = call.ask({"state": True})
        call.close()
        assert begun + epochs(begin(server, first, state), 1) == straight if state else begun == straight[:2]
        assert bool(state) == ("state" in server.signature["given"])


def test_there_are_examples():
    assert [file.stem for file in EXAMPLES] == ["lit_digits", "with_survey", "digits", "boosting"]
