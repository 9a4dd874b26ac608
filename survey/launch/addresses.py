"""Where a launch can be watched: the MLflow UI and Ray's dashboard, told to the user."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from survey.errors import TrackingError
from survey.launch.messages import dashboard_lines, mlflow_line, tunnel_line
from survey.launch.tracking_server import TrackingAccess

if TYPE_CHECKING:
    from survey.cluster.connection import Cluster


class Addresses:
    """Starts what people watch a launch with, and tells each address when it answers; a context manager.

    On this machine alone, that happens beside training, once a trial trains: it takes seconds of a core, which trials
    would wait for.

    Args:
        access: The MLflow server.
        cluster: Ray, with its dashboard.
        say: Prints a message.
        afterwards: What else can be done beside training, when all are told. Its errors are not.
    """

    def __init__(
        self,
        access: TrackingAccess,
        cluster: Cluster,
        say: Callable[..., None],
        *,
        afterwards: Callable[[], object] = lambda: None,
    ) -> None:
        self._access, self._cluster, self._say, self._afterwards = access, cluster, say, afterwards
        self._may_start, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._tell_later, name="addresses", daemon=True)

    def __enter__(self) -> Addresses:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Begin to end what was started."""
        self._ended.set()
        self._may_start.set()
        self._access.end()

    def tell_of_cluster(self) -> None:
        """Tell the addresses of a cluster that was joined, where all is up."""
        mlflow, dashboard = self._access.address, self._cluster.dashboard
        url = dashboard() if dashboard else None
        if mlflow:
            self._say(mlflow_line(mlflow))
            self._say(tunnel_line(mlflow, url))
        for line in dashboard_lines(url, self._cluster.token_file) if url else ():
            self._say(line)

    def start(self) -> None:
        """Start now what was not started before; from any thread, and again."""
        self._may_start.set()

    def _tell_later(self) -> None:
        self._may_start.wait()
        for lines in (self._of_mlflow, self._of_dashboard):
            if not self._ended.is_set():
                self._tell(lines)
        if not self._ended.is_set():
            with suppress(Exception):
                self._afterwards()
        self._ended.wait()  # the dashboard ends with the thread that has started it

    def _tell(self, lines: Callable[[], list[str]]) -> None:
        try:
            told = lines()
        except TrackingError as error:
            told = [str(error)]
        except Exception as error:  # Ray may raise any
            told = [f"the Ray dashboard did not start, and training goes on without it: {error}"]
        if not self._ended.is_set():
            for line in told:
                self._say(line)

    def _of_mlflow(self) -> list[str]:
        self._access.start()
        self._access.wait()
        return [mlflow_line(self._access.address)] if self._access.address else []

    def _of_dashboard(self) -> list[str]:
        start = self._cluster.dashboard
        return list(dashboard_lines(start(), self._cluster.token_file)) if start else []
