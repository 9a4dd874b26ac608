"""The histories of finished trials: artifacts on this file system, or fetched from where the store keeps them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from survey.errors import ExportError
from survey.tracking.finished import FinishedTrial


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
        """
        where = f"artifact of MLflow run {trial.mlflow_run_id} ({trial.experiment.label})"
        try:
            with pq.ParquetFile(self.local(trial) or self._fetched(trial)) as file:
                table = file.read()
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

    def may_be_there(self, trial: FinishedTrial) -> bool:
        """Whether the artifact is there, or lies elsewhere, where it would have to be asked for."""
        file = self.local(trial)
        return file is None or file.exists()

    def remove(self, trial: FinishedTrial) -> int:
        """Remove the artifact of a trial; return its size in bytes, or 0 where it lies elsewhere.

        Raises:
            ExportError: It cannot be removed.
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
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        folder, _, name = trial.history_uri.rpartition("/")
        try:
            get_artifact_repository(folder, tracking_uri=self.tracking_uri).delete_artifacts(name)
        except MlflowException as error:
            raise ExportError(f"artifact {trial.history_uri} cannot be removed: {error}") from None
        return 0

    def _fetched(self, trial: FinishedTrial) -> Path:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            return Path(download_artifacts(artifact_uri=trial.history_uri, tracking_uri=self.tracking_uri))
        except MlflowException as error:
            raise ExportError(f"artifact {trial.history_uri} cannot be fetched: {error}") from None
