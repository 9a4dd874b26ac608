"""The MLflow server of a running survey, which ends with it: for people, and on a cluster for workers too."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from survey.errors import TrackingError
from survey.system import supervise
from survey.system.periodic import Periodic
from survey.system.port_forward import LOOPBACK, Relay

_LOOK_EVERY_S = 3.0

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # A connection to sqlite never learns that the rows have been counted again since it was opened.
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "60",
    # What lies in the folder where it is started is not imported.
    "PYTHONSAFEPATH": "1",
}
"""Settings of the server: no telemetry, no jobs of its own, connections of a minute, and no imports from a folder."""

_SECRETS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""What the server is not given: its store is a file, and would be asked for artifacts wherever that says they lie."""


class MlflowServer:
    """An `mlflow server` that is started at once and is up some seconds later.

    Once it was up, it is started again wherever it ends: trials wait for it meanwhile.

    Args:
        backend_uri: The tracking store that it shows; it creates a sqlite file where there is none.
        artifacts: Default location of artifacts.
        log: File for what it says.
        host: The one address of this machine at which it listens, beside the loopback interface. It has no login, so
            whoever reaches that address can read and change the store.
        first_port: The first port that is tried.
    """

    def __init__(
        self, backend_uri: str, artifacts: Path, log: Path, *, host: str = LOOPBACK, first_port: int = 5000
    ) -> None:
        self._log = log
        port, self._claim = _claim_port(host, first_port)
        self.address = f"http://{host}:{port}"
        self._relay = Relay(host, port) if host != LOOPBACK else None
        command = [sys.executable, "-P", supervise.__file__, sys.executable, "-P", "-m", "survey.tracking.serve"]
        command += ["--app-name", "survey", "--host", host, "--port", str(port), "--workers", "1"]
        # By name only as what it is, so that no web page elsewhere can make a browser ask it; and through a tunnel.
        hosts = f"{host}:{port},localhost:*,127.0.0.1:*"
        command += ["--allowed-hosts", hosts, "--cors-allowed-origins", self.address]
        # MLflow's application reads both from there as it is imported, which is before the options are read.
        self._allowed = {"MLFLOW_SERVER_ALLOWED_HOSTS": hosts, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": self.address}
        command += ["--backend-store-uri", backend_uri, "--default-artifact-root", artifacts.as_uri()]
        self._command = command
        log.unlink(missing_ok=True)
        self._guard = self._start()
        self._watch = Periodic("MLflow server", self._start_again, every_s=_LOOK_EVERY_S)

    def _start(self) -> subprocess.Popen:
        kept = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        with self._log.open("ab") as stream:
            # A session of its own: Ctrl-C at the terminal is for the launcher, which ends the server last.
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=kept | ENVIRONMENT | self._allowed,
                cwd="/",  # it imports nothing from there, as its environment says
                start_new_session=True,
            )

    def _start_again(self) -> None:
        if self._guard.poll() is not None:
            if self._guard.stdin:
                self._guard.stdin.close()
            self._guard = self._start()

    def wait(self, within_s: float = 60.0) -> None:
        """Return when the server answers.

        Raises:
            TrackingError: It ended, or does not answer within so many seconds; the message names its log.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self._guard.poll() is None:
            try:
                if self._get("/health").ok:
                    self._watch.start()
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise TrackingError(
            f"the MLflow server did not start: see {self._log}; on one machine, `--no-ui` runs without it"
        )

    def check_serves(self, mlflow_experiment_id: str, tags: Mapping[str, str]) -> None:
        """See that it serves an MLflow experiment with these tags, so that workers write to no other launch's store.

        Raises:
            TrackingError: It does not, or does not answer.
        """
        try:
            answer = self._get("/api/2.0/mlflow/experiments/get", experiment_id=mlflow_experiment_id)
        except requests.RequestException as error:
            raise TrackingError(f"the MLflow server at {self.address} does not answer: {error}") from None
        found = answer.json().get("experiment", {}).get("tags", []) if answer.ok else []
        if not tags.items() <= {tag["key"]: tag["value"] for tag in found}.items():
            raise TrackingError(
                f"at {self.address} another MLflow server answers than that of this launch: launch again"
            )

    def _get(self, path: str, **params: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # a proxy that the environment names knows nothing of this machine
            return session.get(f"{self.address}{path}", params=params, timeout=10)

    def end(self) -> None:
        """Begin to end the server and all its processes; `stop` waits for it."""
        self._watch.stop()
        if self._guard.stdin:
            self._guard.stdin.close()

    def stop(self) -> None:
        """End the server and all its processes."""
        self.end()
        try:
            self._guard.wait(15)
        except subprocess.TimeoutExpired:
            self._guard.kill()
        if self._relay:
            self._relay.stop()
        self._claim.close()


def _claim_port(host: str, first: int) -> tuple[int, socket.socket]:
    """The first port from `first` on at which nobody listens at an address or the loopback interface, nor is about to.

    A server listens seconds after it was started. Until then a name keeps the port from another launch that starts on
    this machine. It is one of the system's abstract names of sockets, which no file has that others could put in the
    way; it is free again when the socket is closed, or this process ends.
    """
    for port in range(first, first + 200):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0survey-port-{port}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                claim.close()
                continue
            # A system without such names: then it is chosen without a claim.
        if all(_is_free(address, port) for address in {host, LOOPBACK}):
            return port, claim
        claim.close()
    raise TrackingError(f"no free port between {first} and {first + 199} for the MLflow server")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
