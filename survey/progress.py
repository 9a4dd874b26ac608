"""Progress of a survey: counted from what Tune reports, and shown in one line."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ray import tune
from rich.console import Console
from rich.live import Live
from rich.text import Text

_PLAIN_EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Progress(tune.Callback):
    """Counts runs and epochs, and shows them: a line that renews itself at a terminal, else a line now and then.

    An error in a callback would end the Tune run, so none leaves this class.

    Args:
        console: Where to show it.
        num_runs: Runs to be trained.
        total_cost: Sum of the trials' `cost_s`, by which the time left is estimated.
    """

    def __init__(self, console: Console, *, num_runs: int, total_cost: float) -> None:
        self._console = console
        self.num_runs, self._total_cost = num_runs, total_cost
        self._told = time.monotonic()
        self._first_report = 0.0
        self._run_epochs = self._cost = 0.0
        self._reported: set[str] = set()
        self._running: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self.runs_done = 0
        self.loops: list[tuple[float, float]] = []
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=2, transient=True)

    def __getstate__(self) -> dict[str, Any]:
        """Tune saves its callbacks; of this one nothing is worth saving."""
        return {}

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @property
    def loop_seconds(self) -> float:
        """Seconds in which at least one trial was in its epoch loop."""
        total, reached = 0.0, float("-inf")
        for began, ended in sorted(self.loops):
            total += max(0.0, ended - max(began, reached))
            reached = max(reached, ended)
        return total

    def render(self) -> Text:
        """The line: runs done, running and failed; epochs per second; time left."""
        elapsed = time.monotonic() - (self._first_report or time.monotonic())
        failed = sum(self._failed.values())
        parts = [
            f"{self.runs_done:,} of {self.num_runs:,} runs done",
            f"{sum(self._running.values()):,} running",
            f"{failed:,} failed",
            f"{self._run_epochs / max(elapsed, 1.0):,.0f} epochs/s",
            self._time_left(elapsed),
        ]
        return Text("  ".join(parts), style="red" if failed else "")

    def _time_left(self, elapsed: float) -> str:
        if self._cost <= 0 or self._total_cost <= 0:
            return "time left: not known yet"
        left = elapsed * max(0.0, self._total_cost / self._cost - 1.0)
        return f"time left: {timedelta(seconds=round(left))}"

    def _tell(self) -> None:
        """Off a terminal, print a line every ten seconds."""
        if not self._console.is_terminal and time.monotonic() - self._told >= _PLAIN_EVERY_S:
            self._told = time.monotonic()
            self._console.print(self.render())

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Note that a trial runs."""
        self._running[trial.trial_id] = len(trial.config["trial"]["repetitions"])
        self._failed.pop(trial.trial_id, None)
        self._tell()

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: Mapping[str, Any], **_: Any) -> None:
        """Count the epochs of a report."""
        try:
            self._first_report = self._first_report or time.monotonic() - result["ended_s"] + result["began_s"]
            run_epochs = result["run_epochs"]
            setting = trial.config["trial"]
            num_runs = len(setting["repetitions"])
            epoch_cost = setting["cost_s"] / setting["epochs"]
            if trial.trial_id not in self._reported:
                # What a checkpoint has spared is not to be done.
                self._reported.add(trial.trial_id)
                self._total_cost -= epoch_cost * (result["epoch"] - run_epochs / num_runs)
            self._run_epochs += run_epochs
            self._cost += epoch_cost * run_epochs / num_runs
            self.loops.append((result["began_s"], result["ended_s"]))
            self._tell()
        except Exception:
            _log.exception("a report could not be counted")

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count the runs of a trial that has ended well."""
        if trial.last_result and trial.last_result.get("done_training"):
            self.runs_done += self._running.get(trial.trial_id, 0)
        self._running.pop(trial.trial_id, None)
        self._tell()

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count the runs of a trial that has failed."""
        self._failed[trial.trial_id] = self._running.pop(trial.trial_id, 0)
        self._tell()
