"""The histories of finished trials: artifacts on this file system, or fetched from where the store keeps them."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from survey.errors import ExportError
from survey.tracking.errors import tracking_errors
from survey.tracking.finished import FinishedTrial
from survey.tracking.tags import HISTORY_FILE


@dataclass(frozen=True)
class Artifacts:
    """Where the artifacts of an output are to be found.

    Attributes:
        folder: The output's own folder for them, in which they are found too if the output has been moved.
        tracking_uri: MLflow tracking URI, for those that lie elsewhere.
    """

    folder: Path
    tracking_uri: str

    def read(self, trial: FinishedTrial) -> pa.Table:
        """Read the history of a trial.

        Raises:
            ExportError: It is not there, damaged, or of other runs; the message names the trial.
            TrackingError: The object store that has it does not answer, or refuses.
        """
        where = f"artifact of MLflow run {trial.mlflow_run_id} ({trial.experiment.label})"
        try:
            file = self.local(trial)
            table = _table(file) if file else self._fetched(trial)
        except (pa.ArrowException, OSError) as error:
            raise ExportError(f"{where}: {error}") from None
        wanted = (trial.experiment.experiment_id, list(trial.repetitions))
        if not len(table) or (table["experiment_id"][0].as_py(), table["repetition"].to_pylist()) != wanted:
            raise ExportError(f"{where}: holds other runs than it should")
        return table

    def local(self, trial: FinishedTrial) -> Path | None:
        """The file on this file system, whether or not it is there; None for an artifact that lies elsewhere."""
        parts = urlparse(trial.history_uri)
        if parts.scheme not in ("", "file"):
            return None
        path = Path(unquote(parts.path) if parts.scheme else trial.history_uri)
        moved = self.folder / trial.mlflow_run_id / "artifacts" / path.name
        return path if path.exists() or not moved.exists() else moved

    def those_there(self, trials: Iterable[FinishedTrial]) -> Iterator[FinishedTrial]:
        """Leave out the trials whose artifacts are gone; elsewhere, each place is asked once for the runs that it has.

        Raises:
            TrackingError: An object store does not answer, or refuses.
        """
        listed: dict[str, Collection[str] | None] = {}
        for trial in trials:
            file = self.local(trial)
            place, layout, _ = trial.history_uri.rpartition(f"/{trial.mlflow_run_id}/artifacts/{HISTORY_FILE}")
            if file is None and layout and place not in listed:
                listed[place] = self._runs_in(place)
            runs = listed.get(place)
            if file.exists() if file else runs is None or trial.mlflow_run_id in runs:
                yield trial

    def remove(self, trial: FinishedTrial) -> int:
        """Remove the artifact of a trial; return its size in bytes, or 0 where it lies elsewhere.

        Raises:
            ExportError: It cannot be removed.
            TrackingError: The object store that has it does not answer, or refuses.
        """
        file = self.local(trial)
        try:
            if file is None:
                return self._remove_elsewhere(trial)
            size = file.stat().st_size
            file.unlink()
        except OSError as error:
            raise ExportError(f"artifact {trial.history_uri} cannot be removed: {error}") from None
        for folder in (file.parent, file.parent.parent):
            with suppress(OSError):  # something else is in it
                folder.rmdir()
        return size

    def _remove_elsewhere(self, trial: FinishedTrial) -> int:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        folder, _, name = trial.history_uri.rpartition("/")
        with _elsewhere(trial.history_uri, "be removed"):
            get_artifact_repository(folder, tracking_uri=self.tracking_uri).delete_artifacts(name)
        return 0

    def _fetched(self, trial: FinishedTrial) -> pa.Table:
        from mlflow.artifacts import download_artifacts

        # MLflow leaves a folder that it makes itself.
        with tempfile.TemporaryDirectory() as folder:
            with _elsewhere(trial.history_uri, "be fetched"):
                file = download_artifacts(
                    artifact_uri=trial.history_uri, dst_path=folder, tracking_uri=self.tracking_uri
                )
            return _table(Path(file))

    def _runs_in(self, place: str) -> Collection[str] | None:
        """The MLflow runs that have artifacts in a place; None where it does not say."""
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with tracking_errors(place, "be listed", what="the place of artifacts"):
            try:
                found = get_artifact_repository(place, tracking_uri=self.tracking_uri).list_artifacts()
            except MlflowException:
                return None
        return {Path(each.path).name for each in found}


def _table(file: Path) -> pa.Table:
    with pq.ParquetFile(file) as opened:
        return opened.read()


@contextmanager
def _elsewhere(uri: str, purpose: str) -> Iterator[None]:
    """Tell an artifact that MLflow says cannot be had from an object store that is away or refuses."""
    from mlflow.exceptions import MlflowException

    with tracking_errors(uri, purpose, what="the artifact"):
        try:
            yield
        except MlflowException as error:
            raise ExportError(f"the artifact {uri} cannot {purpose}: {error}") from None
