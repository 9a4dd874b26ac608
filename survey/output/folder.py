"""The output folder of a survey."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from survey.errors import OutputError, nearest_path
from survey.output.identity import Identity
from survey.output.lock import OutputLock
from survey.output.ownership import marker_of
from survey.output.paths import OutputPaths
from survey.spaces.search_space import BaseSpace
from survey.text.names import is_of_system
from survey.workloads.experiment import TRAINING_VERSION
from survey.workloads.registry import NETWORKS, workload_named
from survey.workloads.workload import Workload

SURVEYS = Path("surveys")
"""Where launches put their outputs by default, each in a folder of its name."""


@dataclass(frozen=True)
class Output(OutputPaths):
    """An output folder: what lies where, whose it is, and who is working on it."""

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
            if not self.exists:
                Identity(uuid.uuid4().hex, {}, TRAINING_VERSION, workload, about).write(self.identity_file)
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written to: {error.strerror or error}") from None

    @contextmanager
    def held(self, workload: str = NETWORKS, about: str = "") -> Iterator[None]:
        """Hold the output, which one launch at a time can, and make it for this workload where there is none.

        Raises:
            OutputError: Another launch holds it, or it cannot be made.
        """
        with self.lock():
            # Under the lock: of two launches that begin at once, one gives it its identity.
            self.prepare(workload, about)
            yield

    def lock(self) -> OutputLock:
        """The lock of the folder, which is made where there is none: a context manager, see there."""
        return OutputLock(self.folder)

    @property
    def exists(self) -> bool:
        """Whether there is an output."""
        return self.identity_file.exists()

    @property
    def identity(self) -> Identity:
        """What it says of itself.

        Raises:
            OutputError: It cannot be read.
        """
        return Identity.read(self.identity_file)

    @cached_property
    def output_id(self) -> str:
        """Identity of the output, by which MLflow experiments in a shared store are its own: 32 hexadecimal digits."""
        return self.identity.output_id

    @property
    def marker(self) -> str:
        """What folders outside of the output, which it has made, say of whose they are (`survey.output.ownership`)."""
        return marker_of(self.output_id, self.folder)

    @property
    def workload(self) -> Workload:
        """What is surveyed in it.

        Raises:
            InputError: It is a workload that is not installed.
        """
        identity = self.identity
        return workload_named(identity.workload, identity.about)

    def check(self, workload: str) -> None:
        """Check that a launch may add to the output, if there is one.

        Raises:
            OutputError: Its runs are of another workload or training version.
        """
        if not self.exists:
            return
        here = self.identity
        if here.workload != workload:
            raise OutputError(
                f"{self.folder}: is the output of a survey of {here.workload}, and this one is of {workload}: an "
                "output holds one workload; choose another --out"
            )
        if here.training_version != TRAINING_VERSION:
            raise OutputError(
                f"{self.folder}: holds runs of training version {here.training_version}, and this program trains by "
                f"version {TRAINING_VERSION} (docs/identity.md): their numbers differ, so they cannot be added; choose "
                "another --out. What is here can still be exported, reported, read, combined and published"
            )

    def artifacts_at(self, location: str | None) -> str:
        """URI of the folder in which MLflow's artifacts lie: in a `location` that outputs may share, or in the output.

        What is in it is this output's alone.
        """
        return f"{location}/{self.output_id}" if location else self.artifacts.as_uri()

    def record(self, spaces: list[BaseSpace], contents: Mapping[str, str], about: str = "") -> None:
        """Keep the search spaces that have been surveyed here: the exporter flags experiments by them."""
        self.search_spaces.write(spaces)
        identity = self.identity
        identity = replace(identity, contents={**identity.contents, **contents}, about=about or identity.about)
        identity.write(self.identity_file)


_ENTRIES = frozenset(
    (
        *("survey.json", "launch.json", "forecasts.json", "redo.json", "mlflow-node.json", "mlflow.db"),
        *(
            "mlflow.db-wal",
            "mlflow.db-shm",
            "mlflow.db-journal",
            "mlflow-server.log",
            "mlflow-ui.log",
            ".lock",
            ".lock-holder",
        ),
        *("artifacts", "checkpoints", "dataset", "explorer", "report", "search_spaces", "states"),
    )
)
"""What an output makes in its folder."""


def _is_survey(folder: Path) -> bool:
    return (folder / "survey.json").is_file()


def _what_is_wrong(folder: Path, *, must_exist: bool) -> str:
    """Say why a folder cannot be that of an output; an empty string if it can."""
    is_survey = _is_survey(folder)
    if must_exist and not is_survey:
        meant = nearest_path(folder, SURVEYS, fits=_is_survey)
        return f"there is no survey here{meant}: no survey.json; expected the folder of a launch, such as surveys/NAME"
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
        return Identity.read(folder / "survey.json").output_id == output_id
    except OutputError:
        return False


def dataset_in(folder: Path) -> Path:
    """Return the data set of the survey whose output folder this is, or else the folder: commands take either."""
    output = Output(folder)
    return output.dataset if output.exists else folder
