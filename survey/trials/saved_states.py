"""The states on disk from which the training of an experiment goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from survey.output.states import States
from survey.trials.checkpoint import Checkpoint, StateFile
from survey.trials.messages import ExperimentConfig, TrialSettings
from survey.workloads.experiment import Experiment


class SavedStates:
    """The checkpoint of an experiment in a trial, and the kept states in which its runs begin and end.

    Args:
        experiment: What is trained.
        config: Its configuration.
        settings: What all trials share.
        trial_id: Ray Tune's id of the trial.
        data_digest: Digest of the data: a state that was reached with other data is not loaded.
    """

    def __init__(
        self,
        experiment: Experiment,
        config: ExperimentConfig,
        settings: TrialSettings,
        *,
        trial_id: str,
        data_digest: str,
    ) -> None:
        self._experiment, self._trial_id, self._data_digest = experiment, trial_id, data_digest
        self._repetitions, self._start_epoch = config["repetitions"], config["start_epoch"]
        self._checkpoint = Checkpoint(
            settings.checkpoints, experiment, self._repetitions, data_digest=data_digest, pace=settings.checkpoint_pace
        )
        self._kept = States(settings.states)

    def load(self) -> dict[str, Any] | None:
        """Return the state to go on from, or None to begin; `finished_by` alone, if `note_finished` was called."""
        saved = self._checkpoint.load()
        if saved and saved.get("finished_by") not in (None, self._trial_id):
            saved = None  # the note of another trial
        start = self._start_file() if saved is None else None
        return start.load() if start else saved

    @property
    def files(self) -> Path | None:
        """Where files of the runs lie beside the checkpoint, see `Checkpoint.files`."""
        return self._checkpoint.files

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether it is time to write a checkpoint."""
        return self._checkpoint.is_due

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, from which a trial of the same repetitions goes on."""
        self._checkpoint.save(state)

    def note_finished(self) -> None:
        """Replace the checkpoint by a note that this trial has finished the experiment, for its next try."""
        self._checkpoint.save({"finished_by": self._trial_id})

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, or the note in its place."""
        self._checkpoint.remove()

    def remove_start(self) -> None:
        """Remove the states that the training could go on from, so that it begins the next time."""
        self._checkpoint.remove()
        if start := self._start_file():
            start.remove()

    def keep(self, runs: slice, state: Mapping[str, Any]) -> None:
        """Keep the state of runs that have trained all their epochs, for an experiment of more epochs."""
        file = self._kept_file(self._repetitions[runs], self._experiment.epochs)
        if file:
            file.save(state)

    def _start_file(self) -> StateFile | None:
        """The kept state that the plan has chosen to go on from."""
        return self._kept_file(self._repetitions, self._start_epoch) if self._start_epoch else None

    def _kept_file(self, repetitions: Sequence[int], epochs: int) -> StateFile | None:
        file = self._kept.file(self._experiment, repetitions, epochs)
        without_epochs = {name: value for name, value in self._experiment.canonical.items() if name != "epochs"}
        identity = {"epochs": epochs, "repetitions": repetitions, "data_digest": self._data_digest}
        return StateFile(file, {"experiment": without_epochs, **identity}) if file else None
