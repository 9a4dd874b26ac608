"""The MLflow server of an output's own store, and how workers reach the store with or without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from survey.launch.options import Options
from survey.launch.tracking_location import TrackingLocation
from survey.output.folder import Output
from survey.text.uris import sqlite_file
from survey.tracking.tags import OUTPUT

if TYPE_CHECKING:
    from survey.tracking.server import MlflowServer
    from survey.tracking.store import TrackingStore


@dataclass(frozen=True)
class TrackingAccess:
    """How people and workers reach the MLflow store of a launch.

    Attributes:
        output: The output of the launch.
        server: The server of its own store; None if there is none.
        is_for_workers: Whether workers write to the server rather than to the store.
    """

    output: Output
    server: MlflowServer | None = None
    is_for_workers: bool = False

    @property
    def address(self) -> str | None:
        """Address of the server, for the user."""
        return self.server.address if self.server else None

    def wait(self) -> None:
        """Wait until the server answers."""
        if self.server:
            self.server.wait()

    def for_workers(self, store: TrackingStore, mlflow_experiment_id: str) -> tuple[str, str | None]:
        """Return how workers reach an MLflow experiment of the store: `uri` and `sql_artifacts` of their settings.

        Raises:
            TrackingError: Another server answers at the address of ours.
        """
        if self.server and self.is_for_workers:
            self.server.check_serves(mlflow_experiment_id, {OUTPUT: self.output.output_id})
            return self.server.address, None
        return store.uri, store.sql_artifacts(mlflow_experiment_id)

    def environment_of_workers(self) -> dict[str, str]:
        """Environment variables with which workers reach the server."""
        from survey.cluster.connection import without_proxy

        return without_proxy(self.server.address) if self.server and self.is_for_workers else {}


@contextmanager
def serving(location: TrackingLocation, options: Options, output: Output) -> Iterator[TrackingAccess]:
    """Start the MLflow server of the output's own store: for the user's browser, and on a cluster for workers."""
    if not location.is_own_store or not (options.ui or options.address):
        yield TrackingAccess(output)
        return
    from survey.system.port_forward import LOOPBACK
    from survey.tracking.server import MlflowServer
    from survey.tracking.sqlite import use_write_ahead_log

    host = LOOPBACK
    if options.address:
        from survey.cluster.connection import address_of_this_machine

        host = address_of_this_machine(options.address)
    file = sqlite_file(location.uri)
    assert file is not None  # an output's own store is a sqlite file
    use_write_ahead_log(file)
    server = MlflowServer(location.uri, output.artifacts, output.folder / "mlflow-server.log", host=host)
    try:
        yield TrackingAccess(output, server, is_for_workers=options.address is not None)
    finally:
        server.stop()
