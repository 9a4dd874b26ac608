"""The MLflow run of an experiment in a trial, from its first epoch to its end, good or bad."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from survey.errors import FATAL_ERRORS
from survey.tracking.trial_run import TrialRun
from survey.trials.curves import Curves

_log = logging.getLogger(__name__)


class TrackedRun:
    """An MLflow run that gets each epoch once, and is marked as failed if the training fails.

    Attributes:
        run_id: Its id; an empty string until it is opened.
    """

    def __init__(self) -> None:
        self.run_id = ""
        self._run: TrialRun | None = None
        self._logged = 0
        self._of_runs: list[int] = []  # epochs of each repetition that are tracked

    @property
    def is_open(self) -> bool:
        """Whether the experiment is still tracked."""
        return self._run is not None

    def open(self, run: TrialRun) -> None:
        """Track the experiment in this run."""
        self._run, self.run_id = run, run.run_id

    def log_epochs(self, curves: Curves, epoch: int) -> None:
        """Track what is not tracked yet: all epochs of each repetition, and of the trial those up to this one.

        Repetitions that train one after the other are so seen while they train; where all train together, they and
        the trial get the same epochs.
        """
        if not self._run:
            return
        lengths = curves.lengths.tolist()
        if max(lengths) == epoch == self._logged + 1 and not self._run.wants(epoch):  # most epochs
            self._of_runs, self._logged = lengths, epoch
            return
        before = self._of_runs or [0] * len(lengths)
        spans = [(first, last) for first, last in zip(before, lengths, strict=True) if last > first]
        if epoch > self._logged:
            spans.append((self._logged, epoch))
        if not spans:
            return
        for number in range(min(first for first, _ in spans) + 1, max(last for _, last in spans) + 1):
            self._run.log_epoch(
                number,
                curves.values[:, :, number - 1],
                curves.metrics,
                runs=(run for run, first in enumerate(before) if first < number <= lengths[run]),
                is_of_trial=self._logged < number <= epoch,
            )
        self._of_runs, self._logged = list(map(max, before, lengths)), max(self._logged, epoch)

    def finish(self, history: pa.Table, folders: Sequence[Path], keep: Callable[[], None]) -> None:
        """Store the history and mark the run as finished; arguments as of `TrialRun.finish`."""
        if self._run:
            self._run.finish(history, folders, keep=keep)
        self._run = None

    def abandon(self) -> None:
        """Leave the run as it is: the next launch closes it."""
        self._run = None

    def kill(self) -> None:
        """Mark the run as killed. A failure to do so is logged and no more: the next launch closes abandoned runs."""
        run, self._run = self._run, None
        try:
            if run:
                run.kill()
        except Exception:
            _log.warning("the MLflow run %s could not be closed", self.run_id, exc_info=True)

    @contextmanager
    def failure_marked(self) -> Iterator[None]:
        """Mark the run as failed before an error goes on, and let nothing hide that error."""
        try:
            yield
        except FATAL_ERRORS:
            raise  # a store that is away, or a disk that is full, takes no mark
        except Exception:
            run, self._run = self._run, None
            try:
                if run:
                    run.fail(traceback.format_exc())
            except Exception:
                _log.warning("MLflow does not have all of the failure of run %s", self.run_id, exc_info=True)
            raise
