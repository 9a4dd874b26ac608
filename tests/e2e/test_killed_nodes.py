"""Nodes of a Ray cluster killed under a survey: a node, and the head."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from survey.output.folder import Output
from survey.output.launch_record import read_record
from tests.support.awaiting import HANGS_S
from tests.support.launching import await_training, launch, numbers, start_read, statuses
from tests.support.paths import ROOT
from tests.support.servers import TOKEN, free_port, tracking_server

pytestmark = pytest.mark.fault
ASKED_FOR = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(frozen=True)
class Nodes:
    """A cluster: its address, the process of its global control service, and its raylets, the head's first."""

    address: str
    gcs: int
    raylets: list[int]


class ThreeNodes:
    """A cluster of three nodes, which is made whole again after a fault."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen | None = None

    def whole(self) -> Nodes:
        """Return the cluster, with three nodes that live."""
        if self._process is None:
            self._process = self._start()
        nodes = self._nodes()
        while len(nodes.raylets) < 3:
            assert self._process.stdin
            self._process.stdin.write("one more\n")
            self._process.stdin.flush()
            nodes = self._await_nodes(self._process)
        return nodes

    def _start(self) -> subprocess.Popen:
        with (self._folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.three_nodes", str(self._file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, **ASKED_FOR},
                start_new_session=True,
            )
        self._await_nodes(process)
        return process

    @property
    def _file(self) -> Path:
        return self._folder / "nodes.json"

    def _await_nodes(self, process: subprocess.Popen) -> Nodes:
        assert process.stdout
        for line in process.stdout:
            if "is up" in line:
                return self._nodes()
        raise AssertionError((self._folder / "log").read_text())

    def _nodes(self) -> Nodes:
        nodes = Nodes(**json.loads(self._file.read_text()))
        return Nodes(nodes.address, nodes.gcs, [pid for pid in nodes.raylets if lives(pid)])

    def end(self) -> None:
        """End the cluster and all its processes."""
        if self._process is None:
            return
        family = psutil.Process(self._process.pid).children(recursive=True)
        try:
            self._process.communicate("", timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        for process in psutil.wait_procs(family, timeout=10)[1]:
            process.kill()
        self._process = None


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory) -> Iterator[ThreeNodes]:
    nodes = ThreeNodes(tmp_path_factory.mktemp("nodes"))
    yield nodes
    nodes.end()


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory) -> Iterator[str]:
    port = free_port()
    with tracking_server(tmp_path_factory.mktemp("mlflow"), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def tracking(seed, mlflow_uri) -> tuple[str, ...]:
    """Where to track: with odd seeds in the output's own store, on this node's disk, behind the launch's own server."""
    return () if seed % 2 else ("--tracking-uri", mlflow_uri)


def arguments(space: Path, out: Path, nodes: Nodes, tracking: tuple[str, ...]) -> tuple[object, ...]:
    return space, "--out", out, "--no-ui", "--address", nodes.address, *tracking


def is_home(out: Path) -> bool:
    """Whether the output's own store lies in the output again, with no run left open."""
    return not Output(out).store_note.exists() and "RUNNING" not in statuses(out)


def trained_for_a_while(
    draw: random.Random, space: Path, out: Path, nodes: Nodes, tracking: tuple[str, ...]
) -> tuple[subprocess.Popen, list[str], threading.Thread]:
    """Start a launch, see it train for some seconds, and return as `start_read` does."""
    started = start_read(*arguments(space, out, nodes, tracking), **ASKED_FOR)
    await_training(out)
    time.sleep(draw.uniform(0, 12))
    return started


@pytest.mark.parametrize("seed", range(20))
def test_a_node_killed_at_a_random_moment(seed, tmp_path, undisturbed, three_nodes, tracking):
    """The launch itself ends well, also where the node is the one that it is connected to."""
    draw, out, nodes = random.Random(seed), tmp_path / "out", three_nodes.whole()
    space = undisturbed.parent / "small.yaml"
    process, lines, reader = trained_for_a_while(draw, space, out, nodes, tracking)
    os.kill(draw.choice(nodes.raylets[1:]), signal.SIGKILL)
    assert process.wait(HANGS_S) == 0, "".join(lines)
    reader.join(HANGS_S)
    assert "Traceback" not in "".join(lines)
    assert numbers(out) == numbers(undisturbed)
    assert tracking or is_home(out)


@pytest.mark.parametrize("seed", range(20))
def test_the_head_killed_at_a_random_moment(seed, tmp_path, undisturbed, three_nodes, tracking):
    """The launch ends by itself, and says why; on a new cluster it goes on."""
    draw, out, nodes = random.Random(seed), tmp_path / "out", three_nodes.whole()
    space = undisturbed.parent / "small.yaml"
    process, lines, reader = trained_for_a_while(draw, space, out, nodes, tracking)
    for pid in (nodes.gcs, nodes.raylets[0]):
        os.kill(pid, signal.SIGKILL)
    status = process.wait(HANGS_S)
    reader.join(HANGS_S)
    said = "".join(lines)
    assert "Traceback" not in said
    if status:  # the fault came before the survey was done
        assert status == 1, said
        assert said.count("error: the Ray cluster is lost: its head at") == 1, said
        record = read_record(Output(out))
        assert record
        assert (record.phase, record.error[:24]) == ("error", "the Ray cluster is lost:")
    three_nodes.end()
    status, said = launch(*arguments(space, out, three_nodes.whole(), tracking), **ASKED_FOR)
    assert status == 0, said
    assert numbers(out) == numbers(undisturbed)
    assert tracking or is_home(out)
