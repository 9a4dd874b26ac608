"""Progress of a launch: what Tune reports is counted, shown at the terminal, and exported as Ray metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from survey.output.disk_usage import DiskWatch, disk_line
from survey.output.folder import Output
from survey.output.progress import Figures, block, line
from survey.text.counting import counted
from survey.text.notebook import live_output
from survey.trials.checkpoint import times_written
from survey.trials.counts import Counts
from survey.trials.messages import TrialReport
from survey.trials.prometheus import Counters

_PLAIN_EVERY_S = 10.0
_COUNTERS_EVERY_S = 2.0
_STOPPING_TOLD_EVERY_S = 1.0
_REASON_LENGTH = 200
_log = logging.getLogger(__name__)


class Stopping:
    """How far trials that are being stopped have come, in words.

    Args:
        reason: Why they are stopped.
        num_trials: How many.
        num_checkpoints: How many checkpoints they have to write: one for each of their experiments.
        folder: Folder of the checkpoints; None if it is not known.
    """

    def __init__(self, reason: str, *, num_trials: int, num_checkpoints: int, folder: Path | None) -> None:
        doing = (
            f"stopping {counted(num_trials, 'trial')} and writing checkpoints" if num_trials else "no trial is training"
        )
        self._text = f"{reason}: {doing}"
        self._total, self._folder, self._before = num_checkpoints, folder, times_written(folder)

    def __str__(self) -> str:
        now = times_written(self._folder)
        written = sum(self._before.get(name) != written for name, written in now.items())
        # Workers that do not share this machine's folder write none here.
        return f"{self._text}; {min(written, self._total):,} of {self._total:,} written" if written else self._text


class Progress:
    """Shows what trials have trained: a block that renews itself in a terminal or notebook, else a line now and then.

    Args:
        console: Where to show it.
        name: Name of the survey.
        num_runs: Runs that are to be trained.
        num_before: Runs that were done before.
        total_cost: Sum of the trials' `cost_s`, from which the time left is estimated.
        output: The output folder. The block has its disk use, and a stop counts its checkpoints. None for none.
        begun: Called each time that a trial has started.

    Attributes:
        counts: What is shown.
        begun: As given.
    """

    def __init__(
        self,
        console: Console,
        *,
        name: str,
        num_runs: int,
        total_cost: float,
        num_before: int = 0,
        output: Output | None = None,
        begun: Callable[[], object] = lambda: None,
    ) -> None:
        self.counts = Counts(num_runs=num_runs, total_cost=total_cost, num_before=num_before)
        self.begun = begun
        self._console, self._metrics = console, Counters(name)
        self._shown_s = self._exported_s = time.monotonic()
        self._cell = live_output(console)
        self._has_block = console.is_terminal or self._cell is not None
        self._disk = DiskWatch(output) if output and self._has_block else None
        self._checkpoints = output.checkpoints if output else None
        self._stopping: Stopping | None = None
        self._ended = threading.Event()
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=2, transient=True)

    def __enter__(self) -> Progress:
        if self._disk:
            self._disk.start()
        if self._cell:
            self._cell.show(self.render)
        elif self._has_block:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._cell:
            self._cell.hide()
        elif self._has_block:
            self._live.stop()
        if self._disk:
            self._disk.stop()
        if self._stopping:
            self._console.print(Text(str(self._stopping)))
        self._console.print(line(self.figures().over()))  # what was shown before is of seconds ago

    def stop(self, reason: str) -> None:
        """Say that trials are being stopped, and how far that is, until they have ended; from any thread."""
        num_trials, num_experiments = self.counts.running()
        self._stopping = Stopping(
            reason, num_trials=num_trials, num_checkpoints=num_experiments, folder=self._checkpoints
        )
        shown = ""
        while not self._ended.is_set():
            now = self.figures()
            if now.stopping != shown and not self._has_block:  # which renews itself
                shown = now.stopping
                self._console.print(line(now))
            self._ended.wait(_STOPPING_TOLD_EVERY_S)

    def figures(self) -> Figures:
        """What has been trained so far, and how far a stop is; from any thread."""
        return replace(self.counts.figures(), stopping=str(self._stopping or ""))

    def render(self) -> RenderableType:
        """All figures, for a terminal or a notebook."""
        use = self._disk.use if self._disk else None
        return Group(block(self.figures()), *([disk_line(use)] if use else []))

    def renew(self) -> None:
        """Export the figures and, if no block shows them, print a line; each now and then."""
        now = time.monotonic()
        if now - self._exported_s >= _COUNTERS_EVERY_S:
            self._exported_s = now
            self.export()
        if not self._has_block and now - self._shown_s >= _PLAIN_EVERY_S:
            self._shown_s = now
            self._console.print(line(self.figures()))

    def export(self) -> None:
        """Bring Ray's metrics up to date."""
        self._metrics.tell(self.figures())


def _counted(handler: Callable[..., None]) -> Callable[..., None]:
    """Show what has been counted, and keep an error in it from ending the Tune run."""

    @wraps(handler)
    def guarded(self: ReportCounter, *arguments: Any, **values: Any) -> None:
        try:
            handler(self, *arguments, **values)
            self.progress.renew()
        except Exception:
            _log.exception("what Tune reported could not be counted")

    return guarded


class ReportCounter(tune.Callback):
    """Passes what Tune reports of its trials to the counts of a launch.

    Args:
        progress: Holds the counts, and shows them.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __getstate__(self) -> dict[str, Any]:
        """Tune saves its callbacks; of this one nothing is worth saving."""
        return {}

    @_counted
    def on_trial_start(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count a trial as running."""
        self.progress.counts.start(trial.trial_id, trial.config)
        self.progress.begun()

    @_counted
    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: TrialReport, **_: Any) -> None:
        """Count the epochs of a report."""
        self.progress.counts.report(trial.trial_id, trial.config, result)

    @_counted
    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count the runs of packed experiments that have failed; those that are done have been counted."""
        last = trial.last_result or {}
        failed = (last.get("failed") or {}) if last.get("done_training") else {}
        failed = {number: reason[:_REASON_LENGTH] for number, reason in failed.items()}
        self.progress.counts.end(trial.trial_id, trial.config, failed)

    @_counted
    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count a trial as waiting, until it is tried again."""
        self.progress.counts.wait(trial.trial_id)

    @_counted
    def on_trial_error(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count the runs of a trial that has failed for good."""
        self.progress.counts.fail(trial.trial_id, trial.config, _reason(trial.error_file))

    def on_experiment_end(self, trials: list, **_: Any) -> None:
        """Leave Ray's metrics with the last figures."""
        self.progress.export()


def _reason(error_file: str | None) -> str:
    """Why a trial failed last, in a line that is the same for trials that failed for the same reason."""
    text = Path(error_file).read_text(encoding="utf-8") if error_file else ""
    lines = [each.strip() for each in text.rpartition("Failure # ")[2].splitlines()[1:] if each.strip()]
    if not lines:
        return "no error was reported"
    # Where a worker died there is no traceback; what follows names the process.
    return (lines[0] if lines[0].startswith("The actor died") else lines[-1])[:_REASON_LENGTH]
