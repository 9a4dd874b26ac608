"""Checkpoints of trials: files in the output folder from which a trial that was stopped goes on.

A checkpoint holds the state of the training and the histories so far. It belongs to certain repetitions of an
experiment on certain data, and only a trial of the same repetitions can use it. The trial removes it once its results
are stored.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import time
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survey.system.files import remove_leftovers, replacing
from survey.workloads.experiment import Experiment

_FORMAT = 3
"""Number of the layout of the state; checkpoints of another one are not read."""

_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]+\.pt")
_LEFT_OVER = re.compile(rf"\.{_NAME.pattern}\.[0-9]+\.tmp")
"""Names of checkpoints, and of unfinished ones. Other files in their folder are left alone."""

_FILES = ".files"
"""Ends the name of the folder beside a checkpoint that holds files of its runs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckpointPace:
    """How often checkpoints are written.

    Attributes:
        every_s: Seconds of training between two checkpoints, at least.
        share: The largest share of the time that writing them may take: large ones are written less often.
    """

    every_s: float = 120.0
    share: float = 0.01


class StateFile:
    """A file with the state of a training.

    Args:
        file: The file; its folder is made when it is written.
        identity: What it is the state of: that of something else is not read.
    """

    def __init__(self, file: Path, identity: Mapping[str, Any]) -> None:
        self.file, self._identity = file, {**identity, "format": _FORMAT}

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the state that was saved before, atomically.

        A failure to write is logged and raises nothing: it saves time, and no result depends on it.
        """
        import torch

        try:
            self.file.parent.mkdir(exist_ok=True)
            with replacing(self.file) as temporary, temporary.open("wb") as stream:
                torch.save({"identity": self._identity, **state}, stream)
        except (OSError, RuntimeError) as error:
            _log.warning("%s: cannot be written: %s", self.file, error)

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, or None if there is none that can be read."""
        import torch

        if not self.file.is_file():
            return None
        try:
            with zipfile.ZipFile(self.file) as archive:
                # torch compresses nothing, and a compressed file may unpack to any size.
                if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
                    raise ValueError("it is compressed, so torch has not written it")
                if damaged := archive.testzip():  # torch itself does not check the checksums
                    raise ValueError(f"{damaged} in it is damaged")
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            return state if state.pop("identity") == self._identity else None
        except Exception as error:  # a damaged file can raise almost any of them
            _log.warning("%s: cannot be read, and its trial starts over: %s", self.file, error)
            return None

    def remove(self) -> None:
        """Remove the file, and unfinished ones that killed processes have left."""
        try:
            self.file.unlink(missing_ok=True)
            remove_leftovers(self.file)
        except OSError as error:
            _log.warning("%s: cannot be removed: %s", self.file, error)


class Checkpoint(StateFile):
    """The checkpoint file of a trial.

    Args:
        folder: Folder of the checkpoints, made when the first is written. If its parent does not exist, as on a worker
            that does not share the driver's file system, there are no checkpoints.
        experiment: What the trial trains.
        repetitions: Numbers of its repetitions.
        data_digest: Digest of the prepared data.
        pace: How often it is written.
    """

    def __init__(
        self,
        folder: Path,
        experiment: Experiment,
        repetitions: Sequence[int],
        *,
        data_digest: str,
        pace: CheckpointPace = CheckpointPace(),
    ) -> None:
        identity = {**experiment.to_dict(), "repetitions": list(repetitions), "data_digest": data_digest}
        text = json.dumps({**identity, "format": _FORMAT}, sort_keys=True)
        name = f"{experiment.experiment_id:016x}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.pt"
        super().__init__(folder / name, identity)
        self._possible = folder.parent.is_dir()
        self._written = time.monotonic()
        self._pace, self._interval_s = pace, pace.every_s

    @property
    def files(self) -> Path | None:
        """Where files of its runs lie, to be found by whoever goes on from it; None if there can be no checkpoint."""
        return self.file.with_suffix(_FILES) if self._possible else None

    @property
    def is_due(self) -> bool:
        """Whether it is time to write a checkpoint."""
        return self._possible and time.monotonic() - self._written >= self._interval_s

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the state that was saved before, as `StateFile.save`; slow writing makes checkpoints rarer."""
        if not self._possible:
            return
        began = time.monotonic()
        super().save(state)
        self._written = time.monotonic()
        self._interval_s = max(self._pace.every_s, (self._written - began) / self._pace.share)


def times_written(folder: Path | None) -> dict[str, int]:
    """Return when each checkpoint in a folder was written last, in ns, by its name; none if there is no folder."""
    times = {}
    with suppress(OSError):
        for file in folder.glob("*-*.pt") if folder else ():
            with suppress(FileNotFoundError):  # its trial has finished
                times[file.name] = file.stat().st_mtime_ns
    return times


def remove_checkpoints(folder: Path, experiment_ids: Iterable[int]) -> None:
    """Remove all checkpoints of experiments that are done, or that are to be trained from their beginning."""
    prefixes = {f"{experiment_id:016x}" for experiment_id in experiment_ids}
    for file in folder.glob("*-*.pt"):
        if _NAME.fullmatch(file.name) and file.name.partition("-")[0] in prefixes:
            file.unlink(missing_ok=True)
            shutil.rmtree(file.with_suffix(_FILES), ignore_errors=True)


def drop_useless(folder: Path, done: Mapping[int, Collection[int]]) -> None:
    """Remove checkpoints that no trial can use, because another trial has trained some of their repetitions.

    Call it only while no trial trains: it removes unfinished files, which only killed processes may have left.

    Args:
        folder: Folder of the checkpoints.
        done: Repetitions that are done, by experiment_id.

    Raises:
        OSError: A file cannot be removed.
    """
    for left in folder.glob(".*.tmp"):
        if _LEFT_OVER.fullmatch(left.name):
            left.unlink()
    for file in folder.glob("*-*.pt"):
        if not _NAME.fullmatch(file.name):
            continue
        experiment_id, repetitions = _runs_of(file)
        if not repetitions.isdisjoint(done.get(experiment_id, ())):
            file.unlink()
    for files in folder.glob(f"*-*{_FILES}"):
        if _NAME.fullmatch(f"{files.stem}.pt") and not files.with_suffix(".pt").exists():
            shutil.rmtree(files)


def begun(folder: Path) -> dict[int, list[tuple[int, ...]]]:
    """Return the repetitions of trials that have a checkpoint in a folder, by experiment_id."""
    found: dict[int, list[tuple[int, ...]]] = {}
    for file in sorted(folder.glob("*-*.pt")):
        experiment_id, repetitions = _runs_of(file) if _NAME.fullmatch(file.name) else (0, set())
        if repetitions:
            found.setdefault(experiment_id, []).append(tuple(sorted(repetitions)))
    return found


def _runs_of(file: Path) -> tuple[int, set[int]]:
    """Return the experiment_id and the repetitions of a checkpoint; no repetitions if it cannot be read."""
    import torch

    try:
        # Mapped into memory, so that the state itself is not read.
        identity = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["identity"]
        return int(file.name.partition("-")[0], 16), set(identity["repetitions"])
    except Exception:  # as in `load`, where the trial itself logs it
        return 0, set()
