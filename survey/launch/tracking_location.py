"""The location of a launch's MLflow store and artifacts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from survey.launch.options import Options
from survey.output.folder import Output
from survey.text.uris import folder_uri, sqlite_file, sqlite_uri
from survey.tracking.credentials import check_no_password
from survey.tracking.database import holds_experiments
from survey.tracking.local_store import OwnStore

if TYPE_CHECKING:
    from survey.tracking.store import TrackingStore


class TrackingLocation:
    """The MLflow store of a launch: the output's own, or one elsewhere; and its artifacts.

    Args:
        options: How the survey is launched.
        output: Its output.
        say: Prints a message.

    Raises:
        InputError: A URI holds a password.

    Attributes:
        given_artifacts: URI of the artifact folder in the options, which outputs may share; None if not given.
        is_own_store: Whether the MLflow store is the output's own.
    """

    def __init__(self, options: Options, output: Output, say: Callable[[str], None]) -> None:
        for option, uri in (("--tracking-uri", options.tracking_uri), ("--artifacts", options.artifacts)):
            if uri:
                check_no_password(option, uri)
        self._options, self._output, self._say = options, output, say
        self.is_own_store = options.tracking_uri is None
        self.given_artifacts = folder_uri(options.artifacts) if options.artifacts else None
        # Machines that join the cluster later could not write to a sqlite file here.
        self._own = OwnStore(output, on_node=options.address is not None, artifacts=self.given_artifacts, say=say)

    def held(self) -> AbstractContextManager[object]:
        """Keep the output's own store in place, if it is used; enter it under the output's lock."""
        return self._own if self.is_own_store else nullcontext()

    @property
    def own_file(self) -> Path:
        """The sqlite file of the output's own store."""
        return self._own.file

    @property
    def uri(self) -> str:
        """The tracking URI for processes of this machine."""
        uri = self._options.tracking_uri or self._own.uri
        file = sqlite_file(uri)
        return sqlite_uri(file) if file and "?" not in uri else uri  # workers have other working directories

    @property
    def exists(self) -> bool:
        """Whether the store may already have MLflow runs of this output."""
        return self._output.exists and (not self.is_own_store or holds_experiments(self._own.file))

    @property
    def artifacts(self) -> str | None:
        """URI of the artifact folder; None if the MLflow server chooses it."""
        if self.given_artifacts is None and (self._options.tracking_uri or "").startswith("http"):
            return None
        return self._output.artifacts_at(self.given_artifacts)

    @property
    def is_in_output(self) -> bool:
        """Whether artifacts go to the output folder, which every machine must then share."""
        return self.artifacts == self._output.artifacts.as_uri()

    def check_artifacts(self) -> None:
        """Check, before anything is trained, that artifacts can be stored in the folder given for them.

        Raises:
            InputError: They cannot; the message says why.
        """
        if self.given_artifacts:
            from survey.tracking.artifact_location import claim

            claim(self._output.artifacts_at(self.given_artifacts), self.uri, self._output.marker)

    def open(self) -> TrackingStore:
        """Open the store; a sqlite file is created if missing.

        Raises:
            TrackingError: The store cannot be reached.
        """
        from survey.tracking.store import TrackingStore

        return TrackingStore(self.uri, output_id=self._output.output_id, is_own=self.is_own_store)

    def open_at_start(self) -> TrackingStore | None:
        """Open the store if it holds something, and restore what was lost of it with the disk of a node.

        A store elsewhere is always opened, to fail at once if it is out of reach.
        """
        lost_node = self._own.lost_node
        store = self.open() if self.exists or not self.is_own_store or lost_node else None
        if store and lost_node:
            from survey.tracking.recovery import recover

            recovered = recover(self._output, store, self.given_artifacts, hint=self._own.lost_artifacts)
            self._own.recovered()
            self._say(
                f"the MLflow store was on {lost_node} and is not found; {recovered:,} finished trials that its backup "
                "lacks were restored from their artifacts"
            )
        return store

    def back_up(self) -> None:
        """Update the backup of the output's own store, if it has one."""
        self._own.back_up()
