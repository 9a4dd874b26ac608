"""What tests share: small search spaces, and a launcher in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pandas as pd
import pyarrow.parquet as pq
import pytest
from awaiting import HANGS_S
from exposure import Exposure
from filelock import FileLock
from nobody import launch_as_nobody

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("survey", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("survey")

# As workers have it (survey/cluster.py), and before torch is imported.
os.environ.setdefault("MKL_CBWR", "AUTO")

PMLB = Path(__file__).parents[2] / "shared" / "data" / "pmlb"

SMALL = """
name: small
repetitions: 3
grids:
  - dataset: ["sklearn:iris", "sklearn:diabetes"]
    shape: [rectangle, trapezoid]
    size: [64, 256]
    depth: 3
    learning_rate: 0.01
    batch_size: 32
    epochs: {epochs}
"""
EXPERIMENTS, REPETITIONS = 8, 3
RUNS = EXPERIMENTS * REPETITIONS
EPOCHS = 100
"""Some seconds for all trials on one core: long enough to be stopped in the middle, three times over."""


def write_space(folder: Path, *, epochs: int = EPOCHS) -> Path:
    """Write a small search space to a folder; return its file."""
    file = folder / "small.yaml"
    file.write_text(SMALL.format(epochs=epochs))
    return file


def seeds(*quick: int) -> list:
    """20 seeds of a fault, of which `make test` tries these."""
    return [seed if seed in quick else pytest.param(seed, marks=pytest.mark.slow) for seed in range(20)]


def site(folder: Path, code: str) -> dict[str, str]:
    """An environment in which each Python process runs this code as it starts, as `sitecustomize` in that folder."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@pytest.fixture(autouse=True)
def handlers():
    """Signals are handled as where a shell starts a process, also under nohup, and as before when a test has ended."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def denormals():
    """A trainer turns them off for its process; hypothesis, among others, wants them back."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


def made_once(tmp_path_factory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name with what `make` has put there, once for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    # Processes of pytest-xdist have folders of their own in a common one: one makes it, the others wait for it.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Path:
    """The output of a small survey that is done, beside its search space: for tests that only read it.

    A copy of it, `again`, is for the one test that launches over it. What others could reach meanwhile is in
    `exposure.json`.
    """

    def make(folder: Path) -> None:
        process = start(write_space(folder), "--out", folder / "out", "--no-ui")
        exposure = Exposure(process)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        (folder / "exposure.json").write_text(json.dumps([sorted(exposure.listeners), exposure.folders]))
        assert f"{EXPERIMENTS} experiments, {RUNS} of {RUNS} runs done" in output
        shutil.copytree(folder / "out", folder / "again")

    return made_once(tmp_path_factory, "undisturbed", make) / "out"


LONG = """
name: long
repetitions: 2
grids: [{dataset: "sklearn:digits", shape: rectangle, size: 1024, depth: 3, epochs: 400}]
"""


@pytest.fixture(scope="session")
def long(tmp_path_factory) -> Path:
    """The output of a survey of one longer trial that is done, beside its search space and what the launch said.

    That was the launch of a nobody, who has no home: what is made elsewhere is to be the same.
    """

    def make(folder: Path) -> None:
        (folder / "long.yaml").write_text(LONG)
        arguments = (folder / "long.yaml", "--out", folder / "out", "--no-ui", "--num-cpus", 1)
        status, output = launch_as_nobody(folder, *arguments)
        assert status == 0, output
        (folder / "said").write_text(output)

    return made_once(tmp_path_factory, "long", make) / "out"


def start(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.Popen:
    """Start `python -m survey.launch` in a session of its own, so that a signal to it is a signal to it alone."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "survey.launch", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def launch(*arguments: object, cwd: Path | None = None, **environment: str) -> tuple[int, str]:
    """Run a launch to its end; return its exit status and what it said."""
    process = start(*arguments, cwd=cwd, **environment)
    output, _ = process.communicate(timeout=HANGS_S)
    return process.returncode, output


def rows(out: Path) -> pd.DataFrame:
    """The runs in the data set of a survey, in the order of their ids."""
    table = out / "dataset" / "all_repetitions"
    schema = pq.read_schema(table / "_common_metadata")
    frame = pq.read_table(table, schema=schema).to_pandas()
    return frame.sort_values("run_id").reset_index(drop=True)


def without_browser() -> str | None:
    """Why browser tests cannot run here, or None."""
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"{' and '.join(missing)} not found on this machine" if missing else None


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """The sqlite file of an empty MLflow store: MLflow takes seconds to make one."""
    from survey.tracking.store import TrackingStore

    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    TrackingStore(f"sqlite:///{file}", output_id="nobody")
    return file


@pytest.fixture
def node(tmp_path, monkeypatch) -> Path:
    """A folder that stands for this node's own disk."""
    folder = tmp_path / "node"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def survey(tmp_path, empty_store):
    """An output whose trials have been trained by nobody."""
    from export_data import Survey

    return Survey(tmp_path / "out", empty_store)
