"""The output folder of a survey: what lies where, whose it is, and who is working on it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from survey.errors import OutputError
from survey.output.lock import OutputLock
from survey.output.ownership import marker_of
from survey.output.redo_log import RedoLog
from survey.spaces.search_space import BaseSpace
from survey.spaces.yaml_file import dump_space, spaces_in
from survey.system.files import write_text
from survey.text.json_files import read_json
from survey.text.names import is_of_system, yaml_names
from survey.text.uris import sqlite_uri
from survey.workloads.experiment import TRAINING_VERSION
from survey.workloads.registry import NETWORKS, workload_named
from survey.workloads.workload import Workload


@dataclass(frozen=True)
class _Identity:
    """What `survey.json` says, see the properties of `Output`."""

    output_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    contents: dict[str, str]
    training_version: Annotated[int, Field(ge=1)] = 1  # which did not say it
    workload: str = NETWORKS
    about: str = ""


@dataclass(frozen=True)
class Output:
    """An output folder.

    Layout: `survey.json` (identity), `search_spaces/` (what has been surveyed), `mlflow.db` and `artifacts/`
    (MLflow's), `mlflow-node.json` (where the store lies on a disk of a node), `dataset/` (Parquet), `report/`,
    `checkpoints/` of trials that are not finished, `states/` of runs that have ended (`--keep-states`), `redo.json`
    (the MLflow runs that `--redo` has replaced), `launch.json` (the last launch), `forecasts.json` (what launches were
    expected to cost), and `.lock` with `.lock-holder` (who works on it).
    """

    folder: Path

    @classmethod
    def at(cls, folder: Path | str, *, must_exist: bool = False) -> Output:
        """Return the output at a folder.

        Raises:
            OutputError: It cannot be looked at, or is something else than an output folder; or, where it
                `must_exist`, it is not there.
        """
        folder = Path(folder).absolute()
        try:
            problem = _what_is_wrong(folder, must_exist=must_exist)
        except OSError as error:
            problem = f"cannot be looked at: {error.strerror or error}"
        if problem:
            raise OutputError(f"{folder}: {problem}")
        return cls(folder)

    def prepare(self, workload: str = NETWORKS, about: str = "") -> None:
        """Make the folder and its identity, for this workload, where there are none.

        Raises:
            OutputError: They cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._identity_file.exists():
                write_text(
                    self._identity_file,
                    json.dumps(asdict(_Identity(uuid.uuid4().hex, {}, TRAINING_VERSION, workload, about))),
                )
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written to: {error.strerror or error}") from None

    @contextmanager
    def held(self, workload: str = NETWORKS, about: str = "") -> Iterator[None]:
        """Hold the output, which one launch at a time can, and make it for this workload where there is none.

        Raises:
            OutputError: Another launch holds it, or it cannot be made.
        """
        with self.lock():
            self.prepare(
                workload, about
            )  # under the lock: of two launches that begin at once, one gives it its identity
            yield

    def lock(self) -> OutputLock:
        """The lock of the folder, which is made where there is none: a context manager, see there."""
        return OutputLock(self.folder)

    @property
    def _identity_file(self) -> Path:
        return self.folder / "survey.json"

    @property
    def _identity(self) -> _Identity:
        try:
            return read_json(self._identity_file, _Identity)
        except (OSError, ValueError) as error:
            raise OutputError(f"{self._identity_file}: cannot be read: {error}") from None

    @property
    def exists(self) -> bool:
        """Whether there is an output."""
        return self._identity_file.exists()

    @cached_property
    def output_id(self) -> str:
        """Identity of the output, by which MLflow experiments in a shared store are its own: 32 hexadecimal digits."""
        return self._identity.output_id

    @property
    def marker(self) -> str:
        """What folders outside of the output, which it has made, say of whose they are (`survey.output.ownership`)."""
        return marker_of(self.output_id, self.folder)

    @property
    def contents(self) -> dict[str, str]:
        """Digest of the prepared data of each task that is a user's own, by name."""
        return self._identity.contents

    @property
    def training_version(self) -> int:
        """Version of the definitions by which its runs are trained."""
        return self._identity.training_version

    @property
    def workload(self) -> Workload:
        """What is surveyed in it.

        Raises:
            InputError: It is a workload that is not installed.
        """
        identity = self._identity
        return workload_named(identity.workload, identity.about)

    def check(self, workload: str) -> None:
        """Check that a launch may add to the output, if there is one.

        Raises:
            OutputError: Its runs are of another workload or training version.
        """
        if self.exists and (here := self._identity.workload) != workload:
            raise OutputError(
                f"{self.folder}: is the output of a survey of {here}, and this one is of {workload}: an output holds "
                "one workload; choose another --out"
            )
        if self.exists and self.training_version != TRAINING_VERSION:
            raise OutputError(
                f"{self.folder}: holds runs of training version {self.training_version}, and this program trains by "
                f"version {TRAINING_VERSION} (docs/identity.md): their numbers differ, so they cannot be added; choose "
                "another --out. What is here can still be exported, reported, read, combined and published"
            )

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

    def artifacts_at(self, location: str | None) -> str:
        """URI of the folder in which MLflow's artifacts lie: in a `location` that outputs may share, or in the output.

        What is in it is this output's alone.
        """
        return f"{location}/{self.output_id}" if location else self.artifacts.as_uri()

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

    def record(self, spaces: list[BaseSpace], contents: Mapping[str, str], about: str = "") -> None:
        """Keep the search spaces that have been surveyed here: the exporter flags experiments by them."""
        self._spaces.mkdir(exist_ok=True)
        for space in spaces:
            write_text(self._spaces / f"{space.name}.yaml", dump_space(space))
        identity = self._identity
        identity = replace(identity, contents={**identity.contents, **contents}, about=about or identity.about)
        write_text(self._identity_file, json.dumps(asdict(identity)))

    @property
    def _spaces(self) -> Path:
        return self.folder / "search_spaces"

    @property
    def sweeps(self) -> tuple[str, ...]:
        """Names of the search spaces that have been surveyed here."""
        return yaml_names(self._spaces)

    def spaces(self) -> list[BaseSpace]:
        """The search spaces that have been surveyed here, by name."""
        return spaces_in(self._spaces)


_ENTRIES = frozenset(
    (
        *("survey.json", "launch.json", "forecasts.json", "redo.json", "mlflow-node.json", "mlflow.db"),
        *("mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal", "mlflow-server.log", ".lock", ".lock-holder"),
        *("artifacts", "checkpoints", "dataset", "report", "search_spaces", "states"),
    )
)
"""What an output makes in its folder."""


def _what_is_wrong(folder: Path, *, must_exist: bool) -> str:
    """Say why a folder cannot be that of an output; an empty string if it can."""
    is_survey = (folder / "survey.json").is_file()
    if must_exist and not is_survey:
        return "there is no survey here (no survey.json); give the --out of a launch"
    if folder.exists() and not folder.is_dir():
        return "expected a folder for the output, found a file"
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in _ENTRIES and path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            return (
                f"{path.name} is a link to {path.resolve()}, outside of the output, where nothing is written or "
                "removed: put the file or folder itself in its place"
            )
    of_one_begun = (".lock", ".survey.json.")
    names = [each.name for each in folder.iterdir()] if folder.is_dir() and not is_survey else []
    if not all(name.startswith(of_one_begun) or is_of_system(name) for name in names):
        return "this folder holds other things and no survey (no survey.json); choose an empty or new one"
    return ""


def is_output(folder: Path, output_id: str) -> bool:
    """Whether the output of this identity lies at a folder of this machine, which other machines may lack."""
    try:
        return read_json(folder / "survey.json", _Identity).output_id == output_id
    except (OSError, ValueError):
        return False
