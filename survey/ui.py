"""The MLflow UI beside a running survey: an `mlflow server` on the loopback interface that ends with the survey."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

from survey.errors import TrackingError

_FIRST_PORT = 5000
_UP_WITHIN_S = 60.0

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # A connection to sqlite never learns that the rows have been counted anew since it was opened.
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "60",
}
"""What the server is told: no telemetry, no jobs of its own, and connections of a minute at most."""


class MlflowServer:
    """An `mlflow server` that is started at once and is up some seconds later.

    Args:
        backend_uri: The tracking store that it shows; it creates a sqlite file where there is none.
        artifacts: Default place of artifacts.
        log: File for what it says.
    """

    def __init__(self, backend_uri: str, artifacts: Path, log: Path) -> None:
        self._log = log
        port = _free_port(_FIRST_PORT)
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "survey.guard", sys.executable, "-m", "mlflow", "server"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", backend_uri, "--default-artifact-root", str(artifacts)]
        with log.open("wb") as stream:
            # A session of its own: Ctrl-C at the terminal is for the launcher, which ends the server last.
            self._guard = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when the server answers.

        Raises:
            TrackingError: It ended, or does not answer within a minute; the message names its log.
        """
        deadline = time.monotonic() + _UP_WITHIN_S
        while time.monotonic() < deadline and self._guard.poll() is None:
            try:
                if requests.get(f"{self.address}/health", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise TrackingError(f"the MLflow server did not start: see {self._log}; `--no-ui` runs the survey without one")

    def stop(self) -> None:
        """End the server and all its processes."""
        if self._guard.stdin:
            self._guard.stdin.close()
        try:
            self._guard.wait(15)
        except subprocess.TimeoutExpired:
            self._guard.kill()


def _free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, first + 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise TrackingError(f"no free port between {first} and {first + 199} for the MLflow UI; `--no-ui` does without")
