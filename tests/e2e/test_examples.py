"""The examples that ship, as their users survey them: killed, gone on with, extended, reported, published, combined."""

from __future__ import annotations

import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

import analysis
from survey.export.publish.description import About
from survey.export.publish.upload import publish
from survey.functions.server import FunctionServer
from survey.spaces.yaml_file import load_space
from survey.workloads.experiment import Run
from tests.support.launching import await_finished_run, launched, outliving, rows, start, statuses
from tests.support.paths import ROOT

REPETITIONS, EPOCHS = 2, 6


def survey(space: Path, out: Path) -> str:
    return launched(space, "--out", out, "--no-ui", cwd=space.parent)


def shortened(file: Path, folder: Path) -> Path:
    """A copy of an example, of which two values of each axis are surveyed for some epochs."""
    shutil.copytree(file.parent, folder)
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    (grid,) = document["grids"]
    document["grids"] = [{name: values[:2] for name, values in grid.items() if name != "epochs"} | {"epochs": EPOCHS}]
    document["repetitions"] = REPETITIONS
    return write(document, folder / file.name)


def write(document: dict, file: Path) -> Path:
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def assert_like_plain_calls(space: Path, out: Path) -> None:
    """A run of each experiment has the curves of a call that nobody has interrupted."""
    loaded, found = load_space(space), rows(out).set_index("run_id")
    with FunctionServer(loaded.SOURCE) as server:
        for experiment in loaded.experiments():
            run = Run(experiment, REPETITIONS - 1)
            axes = {**dict(experiment.axes), **dict(experiment.rest), "epochs": EPOCHS}
            call = server.call({"axes": axes, "seed": run.seed, "device": "cpu", "cwd": str(space.parent)})
            curves = [call.ask({"next": True})[0]["metrics"] for _ in range(EPOCHS)]
            for name in curves[0]:
                expected = np.array([metrics[name] for metrics in curves], np.float32)
                np.testing.assert_array_equal(found[name][run.run_id], expected)


@pytest.mark.scale
@pytest.mark.parametrize(
    ("example", "axis", "value"),
    [("own_function/digits", "dropout", 0.5), ("sklearn/boosting", "depth", 4), ("lightning/lit_digits", "rate", 0.01)],
)
def test_an_example_is_surveyed_from_end_to_end(example, axis, value, tmp_path):
    if example.startswith("lightning") and not find_spec("lightning"):
        pytest.skip("Lightning is not installed")
    space, out = shortened(ROOT / "examples" / f"{example}.yaml", tmp_path / "mine"), tmp_path / "out"
    killed = start(space, "--out", out, "--no-ui", "--num-cpus", 1, cwd=space.parent)
    await_finished_run(out, at_least=1)
    with outliving(killed):
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    assert statuses(out)["FINISHED"] > 0

    assert "8 of 8 runs done" in survey(space, out)
    assert_like_plain_calls(space, out)
    before = shutil.copytree(out / "dataset", tmp_path / "before")

    document = yaml.safe_load(space.read_text(encoding="utf-8"))
    document["grids"][0][axis].append(value)
    assert "8 done, 4 to train" in survey(write(document, space), out)
    assert_like_plain_calls(space, out)
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert axis in page
    assert "test loss" in page

    combined = analysis.combine(before, out / "dataset", out=tmp_path / "both")
    assert combined.num_equal == 8
    assert len(analysis.read(tmp_path / "both")) == 6
    publish(out / "dataset", str(tmp_path / "published"), About("Mine"))
    assert axis in (tmp_path / "published" / "README.md").read_text(encoding="utf-8")
