"""The MLflow server of an output's own store, and how workers reach the store with or without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from survey.launch.options import Options
from survey.launch.tracking_location import TrackingLocation
from survey.output.folder import Output
from survey.tracking.ready_tables import make_tables
from survey.tracking.tags import OUTPUT

if TYPE_CHECKING:
    from survey.tracking.server import MlflowServer
    from survey.tracking.store import TrackingStore


class TrackingAccess:
    """How people and workers reach the MLflow store of a launch.

    Args:
        output: The output of the launch.
        make_server: Starts the server of its own store; None if there is to be none.
        is_for_workers: Whether workers write to the server rather than to the store.

    Attributes:
        is_for_workers: As given.
    """

    def __init__(
        self, output: Output, make_server: Callable[[], MlflowServer] | None = None, *, is_for_workers: bool = False
    ) -> None:
        self._output, self._make_server, self.is_for_workers = output, make_server, is_for_workers
        self._server: MlflowServer | None = None
        self._is_stopped, self._changing = False, threading.Lock()

    def start(self) -> None:
        """Start the server, if there is to be one; from any thread."""
        with self._changing:
            if self._make_server and not self._server and not self._is_stopped:
                self._server = self._make_server()

    def end(self) -> None:
        """Begin to end the server, which is not started any more; `stop` waits for it."""
        with self._changing:
            self._is_stopped = True
            if self._server:
                self._server.end()

    def stop(self) -> None:
        """End the server."""
        self.end()
        if self._server:
            self._server.stop()

    @property
    def address(self) -> str | None:
        """Address of the server, for the user; None while there is none."""
        return self._server.address if self._server else None

    def wait(self) -> None:
        """Wait until the server answers, if it was started.

        Raises:
            TrackingError: It does not start.
        """
        if self._server:
            self._server.wait()

    def for_workers(self, store: TrackingStore, mlflow_experiment_id: str) -> tuple[str, str | None]:
        """Return how workers reach an MLflow experiment of the store: `uri` and `sql_artifacts` of their settings.

        Raises:
            TrackingError: Another server answers at the address of ours.
        """
        if self._server and self.is_for_workers:
            self._server.check_serves(mlflow_experiment_id, {OUTPUT: self._output.output_id})
            return self._server.address, None
        return store.uri, store.sql_artifacts(mlflow_experiment_id)

    def environment_of_workers(self) -> dict[str, str]:
        """Environment variables with which workers reach the server."""
        from survey.cluster.connection import without_proxy

        return without_proxy(self._server.address) if self._server and self.is_for_workers else {}


@contextmanager
def serving(location: TrackingLocation, options: Options, output: Output) -> Iterator[TrackingAccess]:
    """Prepare the MLflow server of the output's own store, and stop it at the end.

    On a cluster it is for workers too, and is started; on this machine alone, it is for the user's browser.
    """
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
    use_write_ahead_log(location.own_file)
    make_tables(location.own_file)
    log = output.folder / "mlflow-server.log"
    access = TrackingAccess(
        output,
        lambda: MlflowServer(location.uri, output.artifacts, log, host=host),
        is_for_workers=options.address is not None,
    )
    try:
        if access.is_for_workers:
            access.start()
        yield access
    finally:
        access.stop()
