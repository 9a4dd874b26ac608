"""What lies where in an output folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from survey.output.kept_spaces import KeptSpaces
from survey.output.redo_log import RedoLog
from survey.text.uris import sqlite_uri


@dataclass(frozen=True)
class OutputPaths:
    """Where the parts of an output lie, whether they exist or not.

    Layout: `survey.json` (identity), `search_spaces/` (what has been surveyed), `mlflow.db` and `artifacts/`
    (MLflow's), `mlflow-node.json` (where the store lies on a disk of a node), `dataset/` (Parquet), `report/`,
    `checkpoints/` of trials that are not finished, `states/` of runs that have ended (`--keep-states`), `redo.json`
    (the MLflow runs that `--redo` has replaced), `launch.json` (the last launch), `forecasts.json` (what launches were
    expected to cost), and `.lock` with `.lock-holder` (who works on it).
    """

    folder: Path

    @property
    def identity_file(self) -> Path:
        """Whose the output is (`survey.output.identity`)."""
        return self.folder / "survey.json"

    @property
    def search_spaces(self) -> KeptSpaces:
        """The search spaces that have been surveyed here."""
        return KeptSpaces(self.folder / "search_spaces")

    @property
    def dataset(self) -> Path:
        """The Parquet data set."""
        return self.folder / "dataset"

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder / "report"

    @property
    def artifacts(self) -> Path:
        """Where MLflow's artifacts lie."""
        return self.folder / "artifacts"

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints of trials lie."""
        return self.folder / "checkpoints"

    @property
    def states(self) -> Path:
        """Where the states of runs that have ended lie, if they are kept."""
        return self.folder / "states"

    @property
    def database(self) -> Path:
        """The sqlite file of the output's own MLflow store."""
        return self.folder / "mlflow.db"

    @property
    def store_note(self) -> Path:
        """Where the MLflow store lies while it is on a disk of a node (`survey.tracking.local_store`)."""
        return self.folder / "mlflow-node.json"

    @property
    def launch_record(self) -> Path:
        """What the last launch says of itself."""
        return self.folder / "launch.json"

    @property
    def redo_log(self) -> RedoLog:
        """Which MLflow runs `--redo` has superseded."""
        return RedoLog(self.folder / "redo.json")

    @property
    def default_tracking_uri(self) -> str:
        """The sqlite file in the output folder."""
        return sqlite_uri(self.database)
