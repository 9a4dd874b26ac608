"""Fixtures that tests of several rooms share: surveys that are made once, stores, signals as they were."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
from filelock import FileLock

from tests.support.copies import copy_output, copy_sqlite
from tests.support.exposure import Exposure
from tests.support.launching import start
from tests.support.nobody import launch_as_nobody
from tests.support.s3_server import S3
from tests.support.small_survey import EXPERIMENTS, LONG, RUNS, write_space

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("survey", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("survey")

# As workers have it (survey/cluster/connection.py), and before torch is imported.
os.environ.setdefault("MKL_CBWR", "AUTO")

# Nothing of what is imported while tests are collected is garbage, and to look for it takes a third of that time.
gc.disable()


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs an S3 server as a test of services."""
    for item in items:
        if {"s3", "s3_server"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.service)


NUM_MODULES = pytest.StashKey[int]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what tests import out of garbage collections, of which the code asks for many where memory is short."""
    session.stash[NUM_MODULES] = len(sys.modules)
    gc.enable()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep out what has been imported since, too: with MLflow and Ray in it, a collection takes 0.15 s."""
    if item.session.stash[NUM_MODULES] != len(sys.modules):
        item.session.stash[NUM_MODULES] = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def handlers():
    """Signals are handled as where a person starts a process, also under nohup and where a script has started the tests
    with `&`, and as before when a test has ended."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if before[signal.SIGINT] == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
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


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """The sqlite file of an empty MLflow store."""

    def make(folder: Path) -> None:
        from survey.tracking.store import TrackingStore

        TrackingStore(f"sqlite:///{folder / 'mlflow.db'}", output_id="nobody")

    return made_once(tmp_path_factory, "empty_store", make) / "mlflow.db"


@pytest.fixture
def database(empty_store, tmp_path) -> Path:
    """The sqlite file of an empty MLflow store of the test's own."""
    file = tmp_path / "mlflow.db"
    copy_sqlite(empty_store, file)
    return file


@pytest.fixture
def without_figures(monkeypatch) -> None:
    """Reports are written without figures, which take seconds: for tests of all else that is in them."""
    monkeypatch.setattr("analysis.report.page.MAX_TASKS", 0)
    monkeypatch.setattr("analysis.report.page.across", lambda *_: [])


@pytest.fixture
def without_pixels(monkeypatch) -> None:
    """Figures of reports are laid out and not drawn: for tests of all else that is in them."""

    def laid_out(figure) -> bytes:
        figure.draw_without_rendering()
        return b""

    monkeypatch.setattr("analysis.figures.pictures.png", laid_out)


@pytest.fixture
def without_pictures(monkeypatch) -> None:
    """Figures of reports are made, but neither laid out nor drawn: for tests of what is said of them."""
    monkeypatch.setattr("analysis.figures.pictures.png", lambda _: b"")


@pytest.fixture
def made_is_installed(monkeypatch) -> None:
    """The workload of `tests.support.workload_data` is there beside those that are installed."""
    from survey.workloads.registry import workload_named
    from tests.support.workload_data import MADE

    def named(name: str = "networks", about: str = "") -> object:
        return SimpleNamespace(columns=MADE) if name == "made" else workload_named(name, about)

    monkeypatch.setattr("survey.dataset.schema.workload_named", named)


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
    from tests.support.export_data import Survey

    return Survey(tmp_path / "out", empty_store)


@pytest.fixture(scope="session")
def exported_once(tmp_path_factory, empty_store) -> Path:
    """An output of trials that nobody has trained, exported: for tests that only read it."""

    def make(folder: Path) -> None:
        from tests.support.export_data import Survey

        survey = Survey(folder / "out", empty_store)
        survey.train_all()
        survey.export()

    return made_once(tmp_path_factory, "exported", make) / "out"


@pytest.fixture
def exported(exported_once, tmp_path):
    """The same output, of the test's own."""
    from tests.support.export_data import Survey

    copy_output(exported_once, tmp_path / "out")
    return Survey(tmp_path / "out", None)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """An S3 server with an empty bucket."""
    server = S3()
    server.put("bucket", {})
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch) -> S3:
    """The server, with the environment by which it is reached."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for name, value in (*((name, "test") for name in names), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", s3_server.address)
    s3_server.requests.clear()
    return s3_server
