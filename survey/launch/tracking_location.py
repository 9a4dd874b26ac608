"""Where a launch tracks: the MLflow store, the server over it, and where artifacts go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from survey.errors import InputError
from survey.launch.options import Options
from survey.output.folder import Output
from survey.text.uris import folder_uri, sqlite_file, sqlite_uri
from survey.tracking.credentials import check_no_password, variables_needed
from survey.tracking.database import holds_experiments
from survey.tracking.local_store import OwnStore
from survey.tracking.tags import OUTPUT

if TYPE_CHECKING:
    from survey.cluster.connection import Cluster
    from survey.tracking.server import MlflowServer
    from survey.tracking.store import TrackingStore


class TrackingPlace:
    """The MLflow store of a launch: the output's own, or one elsewhere; and its artifacts.

    Args:
        options: How the survey is launched.
        output: Its output.
        say: Tells people something.

    Raises:
        InputError: A URI holds a password.

    Attributes:
        given_artifacts: URI of the place that was given for artifacts, which outputs may share; None for none.
    """

    def __init__(self, options: Options, output: Output, say: Callable[[str], None]) -> None:
        for option, uri in (("--tracking-uri", options.tracking_uri), ("--artifacts", options.artifacts)):
            if uri:
                check_no_password(option, uri)
        self._options, self._output, self._say = options, output, say
        self.given_artifacts = folder_uri(options.artifacts) if options.artifacts else None
        # Machines that join the cluster later, as some do, could not write to a sqlite file here.
        self._own = OwnStore(output, on_node=options.address is not None, artifacts=self.given_artifacts, say=say)
        self._server: MlflowServer | None = None

    def held(self) -> AbstractContextManager[object]:
        """Hold the output's own store in place, if it is used; to be entered under the output's lock."""
        return nullcontext() if self._options.tracking_uri else self._own

    @property
    def uri(self) -> str:
        """The tracking URI for processes of this machine."""
        uri = self._options.tracking_uri or self._own.uri
        file = sqlite_file(uri)
        return sqlite_uri(file) if file and "?" not in uri else uri  # workers have other working directories

    @property
    def exists(self) -> bool:
        """Whether there may be MLflow runs of this output already."""
        return self._output.exists and (self._options.tracking_uri is not None or holds_experiments(self._own.file))

    @property
    def artifacts(self) -> str | None:
        """URI of the place of artifacts; None for where an MLflow server wants them."""
        if self.given_artifacts is None and (self._options.tracking_uri or "").startswith("http"):
            return None
        return self._output.artifacts_at(self.given_artifacts)

    @property
    def is_in_output(self) -> bool:
        """Whether artifacts go to the output folder, which each machine has to have then."""
        return self.artifacts == self._output.artifacts.as_uri()

    def check_artifacts(self) -> None:
        """See that artifacts can be stored in the place that was given for them, before anything is trained for it.

        Raises:
            InputError: They cannot; the message says why.
        """
        if self.given_artifacts:
            from survey.tracking.artifact_place import claim

            claim(self._output.artifacts_at(self.given_artifacts), self.uri, self._output.marker)

    def open(self) -> TrackingStore:
        """Open the store; a sqlite file is created where there is none.

        Raises:
            TrackingError: It cannot be reached.
        """
        from survey.tracking.store import TrackingStore

        is_own = self._options.tracking_uri is None
        return TrackingStore(self.uri, output_id=self._output.output_id, is_own=is_own)

    def open_at_start(self) -> TrackingStore | None:
        """Open the store if it holds something, and put in again what was lost of it with the disk of a node.

        A store elsewhere is opened in any case, as it may be out of reach.
        """
        lost_node = self._own.lost_node
        store = self.open() if self.exists or self._options.tracking_uri or lost_node else None
        if store and lost_node:
            from survey.tracking.recovery import recover

            recovered = recover(self._output, store, self.given_artifacts, hint=self._own.lost_artifacts)
            self._own.recovered()
            self._say(
                f"the MLflow store lay on {lost_node} and is not found; {recovered:,} finished trials that its backup "
                "lacks were taken from their artifacts"
            )
        return store

    def back_up(self) -> None:
        """Bring the backup of the output's own store up to date, where it has one."""
        self._own.back_up()

    @contextmanager
    def server(self) -> Iterator[MlflowServer | None]:
        """The MLflow server over the output's own store: for people, and on a cluster for workers in any case."""
        address = self._options.address
        if self._options.tracking_uri or not (self._options.ui or address):
            yield None
            return
        from survey.system.port_forward import LOOPBACK
        from survey.tracking.server import MlflowServer
        from survey.tracking.sqlite import use_write_ahead_log

        host = LOOPBACK
        if address:
            from survey.cluster.connection import address_of_this_machine

            host = address_of_this_machine(address)
        use_write_ahead_log(self._own.file)
        log = self._output.folder / "mlflow-server.log"
        server = MlflowServer(self.uri, self._output.artifacts, log, host=host)
        try:
            self._server = server if address else None
            yield server
        finally:
            server.stop()

    def for_workers(self, store: TrackingStore, experiment_id: str) -> tuple[str, str | None]:
        """Return how workers reach an MLflow experiment of the store: `uri` and `sql_artifacts` of their settings.

        Raises:
            TrackingError: Their server is another than the one that was started.
        """
        if self._server:
            self._server.check_serves(experiment_id, {OUTPUT: self._output.output_id})
            return self._server.address, None
        return store.uri, store.sql_artifacts(experiment_id)

    def environment_of_workers(self) -> dict[str, str]:
        """Environment variables with which workers reach the server."""
        from survey.cluster.connection import without_proxy

        return without_proxy(self._server.address) if self._server else {}

    def check_nodes(self, cluster: Cluster) -> None:
        """See that the machines of a cluster that runs already have what trials need.

        Raises:
            InputError: One lacks something; the message says what.
        """
        from survey.cluster.connection import check_nodes

        uri = self._options.tracking_uri
        if self._options.address is None:
            return
        if uri and uri.startswith("sqlite:") and not cluster.is_local:
            raise InputError(
                "--tracking-uri: the cluster has several machines, which cannot share a sqlite file: leave the option "
                "out, and the launch itself runs an MLflow server for them"
            )
        variables = variables_needed(os.environ) if uri or not self.is_in_output else []
        check_nodes(self._output.folder if self.is_in_output else None, self._output.output_id, variables)
