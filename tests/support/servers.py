"""Servers that tests start, on loopback, and stop: Ray clusters and MLflow."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.support.awaiting import HANGS_S, await_that

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

TOKEN = "0123456789abcdef" * 4
"""With which a Ray cluster is joined that asks for one."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def client_of(uri: str) -> MlflowClient:
    """MLflow's client of a store; it takes seconds to import, and most tests do without."""
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


@contextmanager
def running(*command: object, log: Path, until: str, **environment: str) -> Iterator[psutil.Process]:
    """Run a command in a session of its own, from when it has said `until`; end it and all its processes at last."""
    with log.open("wb") as stream:
        guard = subprocess.Popen(
            [sys.executable, "-m", "survey.system.supervise", sys.executable, "-m", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    try:
        await_that(lambda: until in log.read_text() or guard.poll() is not None, f"{until!r} is not said")
        assert until in log.read_text(), log.read_text()
        yield psutil.Process(guard.pid)
    finally:
        family = psutil.Process(guard.pid).children(recursive=True)
        if guard.stdin:
            guard.stdin.close()
        guard.wait(HANGS_S)
        for process in psutil.wait_procs(family, timeout=5)[1]:
            process.kill()


@contextmanager
def ray_cluster(*arguments: str, **environment: str) -> Iterator[str]:
    """Run a Ray cluster of this machine; yield its address."""
    # Ray puts sockets there, whose paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    address = f"127.0.0.1:{free_port()}"
    command = ["ray.scripts.scripts", "start", "--head", "--block", f"--port={address.partition(':')[2]}"]
    command += ["--node-ip-address=127.0.0.1", "--num-cpus=2", "--include-dashboard=false", f"--temp-dir={folder}"]
    command += arguments
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", **environment}
    try:
        with running(*command, log=folder / "log", until="Ray runtime started", **quiet) as process:
            yield address
            assert process.is_running(), "the cluster outlives all launches"
            assert "gcs_server" in {child.name() for child in process.children(recursive=True)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tracking_server(folder: Path, port: int):
    """An MLflow server over the store in a folder, which outlives it."""
    command = ["mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", 1]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", folder / "kept"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return running(*command, log=folder / "log", until="Application startup complete", **quiet)
