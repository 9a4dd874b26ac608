"""The histories of finished trials: artifacts on this file system, or fetched from another location.

The locations in a store are not trusted: a store from a stranger could have files of this machine read and removed, and
credentials sent to any server. Histories are read only from the output's own folder for artifacts, from a folder with
the marker of this output, and from locations that the user named: with `--artifacts`, or by naming another store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from survey.errors import ExportError, InputError
from survey.export import remote_artifacts
from survey.output.folder import Output
from survey.output.ownership import has_marker
from survey.system.files import remove_with_folders
from survey.text.uris import local_path
from survey.tracking.artifact_location import marker_in
from survey.tracking.finished import FinishedTrial
from survey.tracking.store import TrackingStore
from survey.tracking.tags import HISTORY_FILE

_BUCKETS = ("s3", "gs")
"""Schemes of URIs that name a bucket rather than a host."""


@dataclass(frozen=True)
class Artifacts:
    """Where the artifacts of an output are.

    Attributes:
        folder: The output's own folder for them.
        tracking_uri: MLflow tracking URI, for those elsewhere.
        marker: Content of the marker in folders of this output.
        locations: URIs of further folders whose artifacts may be read.
        own_locations: Those of them whose artifacts may also be removed.
    """

    folder: Path
    tracking_uri: str
    marker: str
    locations: frozenset[str] = frozenset()
    own_locations: frozenset[str] = frozenset()

    @classmethod
    def of(cls, output: Output, store: TrackingStore, given: str | None) -> Artifacts:
        """Find out where artifacts of an output may be read and removed.

        Args:
            output: The output.
            store: Its tracking store.
            given: URI of the location given by `--artifacts`, if any.

        Raises:
            TrackingError: The store cannot be read, or the location does not answer.
        """
        named = frozenset() if store.is_own else frozenset(_credible(store.artifact_locations(), store.uri))
        own = named
        if given:
            location = output.artifacts_at(given)
            named |= {location}
            is_own = local_path(location) is None and marker_in(location, store.uri) == output.marker
            own |= {location} if is_own else frozenset()
        return cls(output.artifacts, store.uri, output.marker, named, own)

    def check(self, trials: Iterable[FinishedTrial]) -> None:
        """Check that the histories of trials are in locations that may be read.

        Raises:
            InputError: They are not; the message names the location, and what to do.
        """
        foreign = [trial for trial in trials if self._location(trial) is None and not self._own_file(trial).exists()]
        # A missing file, as after an output was moved, is reported as damage.
        foreign = [trial for trial in foreign if not _is_gone(trial.history_uri)]
        if foreign:
            trial = foreign[0]
            location, layout, _ = trial.history_uri.rpartition(_layout(trial))
            where = location if layout else trial.history_uri
            raise InputError(
                f"the tracking store says that {len(foreign):,} finished trials have their histories in {where!r}, "
                "which is neither the output's own folder nor a location that you named, so nothing is read there; if "
                f"you trust it, set --artifacts {where.rpartition('/')[0]!r}"
            )

    def read(self, trial: FinishedTrial) -> pa.Table:
        """Read the history of a trial.

        Raises:
            ExportError: It is missing, damaged, or of other runs; the message names the trial.
            TrackingError: Its object store does not answer, or refuses access.
        """
        where = f"artifact of MLflow run {trial.mlflow_run_id} ({trial.experiment.label})"
        try:
            if file := self.local(trial):
                table = _table(file)
            else:
                with remote_artifacts.fetched(trial.history_uri, self.tracking_uri) as copy:
                    table = _table(copy)
        except (pa.ArrowException, OSError) as error:
            raise ExportError(f"{where}: {error}") from None
        wanted = (trial.experiment.experiment_id, list(trial.repetitions))
        if not len(table) or (table["experiment_id"][0].as_py(), table["repetition"].to_pylist()) != wanted:
            raise ExportError(f"{where}: holds other runs than it should")
        return table

    def schema(self, trial: FinishedTrial) -> pa.Schema:
        """Read the schema of the history of a trial; raises what `read` raises."""
        file = self.local(trial)
        try:
            return pq.read_schema(file) if file else self.read(trial).schema
        except (pa.ArrowException, OSError) as error:
            raise ExportError(f"artifact of MLflow run {trial.mlflow_run_id}: {error}") from None

    def local(self, trial: FinishedTrial) -> Path | None:
        """Return the path on this file system, whether or not it exists; None for an artifact elsewhere."""
        own, location = self._own_file(trial), self._location(trial)
        if location is None or own.exists():
            return own
        folder = local_path(location)
        return folder / trial.mlflow_run_id / "artifacts" / HISTORY_FILE if folder else None

    def _own_file(self, trial: FinishedTrial) -> Path:
        """Where the history is in the output, which may have been moved."""
        file = self.folder / trial.mlflow_run_id / "artifacts" / HISTORY_FILE
        if not file.resolve().is_relative_to(_resolved(self.folder)):
            raise ExportError(f"artifact {file}: is a link that leads out of the output, and is ignored")
        return file

    def _location(self, trial: FinishedTrial) -> str | None:
        """The location elsewhere that has the history; None if it is in the output, or may not be read."""
        location, layout, rest = trial.history_uri.rpartition(_layout(trial))
        return location if layout and not rest and (location in self.locations or self._is_marked(location)) else None

    def _is_marked(self, location: str) -> bool:
        folder = local_path(location)
        return folder is not None and has_marker(folder, self.marker)

    def existing(self, trials: Iterable[FinishedTrial]) -> Iterator[FinishedTrial]:
        """Yield the trials whose artifacts exist; list each location elsewhere once.

        Raises:
            TrackingError: An object store does not answer, or refuses access.
        """
        listed: dict[str, Collection[str] | None] = {}
        for trial in trials:
            file, location = self.local(trial), self._location(trial)
            if file is None and location and location not in listed:
                listed[location] = remote_artifacts.runs_in(location, self.tracking_uri)
            runs = listed.get(location or "")
            if file.exists() if file else runs is None or trial.mlflow_run_id in runs:
                yield trial

    def may_be_removed(self, trial: FinishedTrial) -> bool:
        """Whether the history is in the output, or in a location with the output's marker."""
        location = self._location(trial)
        is_own = location is None or location in self.own_locations or self._is_marked(location)
        return is_own or self._own_file(trial).exists()

    def remove(self, trial: FinishedTrial) -> int:
        """Remove the artifact of a trial that `may_be_removed`; return its size in bytes, or 0 if it is elsewhere.

        Raises:
            ExportError: It cannot be removed.
            TrackingError: Its object store does not answer, or refuses access.
        """
        file = self.local(trial)
        if file is None:
            remote_artifacts.remove(trial.history_uri, self.tracking_uri)
            return 0
        try:
            return remove_with_folders(file, num_folders=2)
        except OSError as error:
            raise ExportError(f"artifact {file} cannot be removed: {error}") from None


@lru_cache(maxsize=1)
def _resolved(folder: Path) -> Path:
    return folder.resolve()


def _layout(trial: FinishedTrial) -> str:
    """How MLflow lays out the artifacts of a run in its location."""
    return f"/{trial.mlflow_run_id}/artifacts/{HISTORY_FILE}"


def _is_gone(uri: str) -> bool:
    path = local_path(uri)
    return path is not None and not path.exists()


def _credible(locations: Iterable[str], tracking_uri: str) -> Iterator[str]:
    """Leave out locations on other hosts, to which MLflow would send the credentials of the store."""
    server = urlsplit(tracking_uri)
    for location in locations:
        parts = urlsplit(location)
        on_server = server.scheme.startswith("http") and parts.netloc in ("", server.netloc)
        is_served = on_server and parts.scheme in ("mlflow-artifacts", "http", "https")
        if is_served or parts.scheme in _BUCKETS or local_path(location) is not None:
            yield location


def _table(file: Path) -> pa.Table:
    with pq.ParquetFile(file) as opened:
        return opened.read(use_threads=False)  # for so small a file, threads take longer
