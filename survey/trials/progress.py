"""Progress of a launch: counted from what Tune reports, shown at the terminal, and exported as Ray metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from survey.output.disk_usage import DiskWatch, disk_line
from survey.output.folder import Output
from survey.output.progress import ClassFigures, Figures, RunningTrial, block, line
from survey.plan.bundles import resource_name
from survey.trials.messages import ExperimentConfig, TrialReport, configs_of, label_of
from survey.trials.prometheus import Counters
from survey.trials.stopper import Stopping

_PLAIN_EVERY_S = 10.0
_COUNTERS_EVERY_S = 2.0
_RATE_OVER_S = 60.0
_STOPPING_TOLD_EVERY_S = 1.0
_RUNNING_TOLD = 20
_INTERVALS_KEPT = 10_000
_REASON_LENGTH = 200
_log = logging.getLogger(__name__)


def _counted(handler: Callable[..., None]) -> Callable[..., None]:
    """Keep an error in a callback from ending the Tune run, and readers in other threads from half a change."""

    @wraps(handler)
    def guarded(self: Progress, *arguments: Any, **values: Any) -> None:
        try:
            with self._changing:
                handler(self, *arguments, **values)
            self._tell()
        except Exception:
            _log.exception("what Tune reported could not be counted")

    return guarded


class _ClassCount:
    """What trials of one resource class have done."""

    def __init__(self) -> None:
        self.runs_done = self.epochs = 0
        self.recent: deque[tuple[float, int]] = deque()

    def add(self, epochs: int, now: float) -> None:
        self.epochs += epochs
        second = float(int(now))
        before = self.recent.pop()[1] if self.recent and self.recent[-1][0] == second else 0
        self.recent.append((second, before + epochs))

    def rate(self, now: float, seconds: float) -> float:
        """Epochs per second in the last minute, or in so many seconds if those are fewer."""
        while self.recent and self.recent[0][0] < now - _RATE_OVER_S:
            self.recent.popleft()
        return sum(epochs for _, epochs in self.recent) / min(max(seconds, 1.0), _RATE_OVER_S)


class CoveredTime:
    """The time that intervals cover, each second once. They are given in the order of their ends.

    Only the last 10,000 that are apart from each other are kept: one that reaches back beyond them counts twice there.
    """

    def __init__(self) -> None:
        self._settled_s = 0.0
        self._apart: deque[tuple[float, float]] = deque()

    def add(self, began: float, ended: float) -> None:
        """Take one more."""
        while self._apart and self._apart[-1][1] >= began:
            began = min(began, self._apart.pop()[0])
        self._apart.append((began, ended))
        if len(self._apart) > _INTERVALS_KEPT:
            first, last = self._apart.popleft()
            self._settled_s += last - first

    @property
    def seconds(self) -> float:
        """Length of what is covered."""
        return self._settled_s + sum(ended - began for began, ended in self._apart)


class Progress(tune.Callback):
    """Counts runs and epochs, and shows them: a block that renews itself at a terminal, else a line now and then.

    Args:
        console: Where to show it.
        name: Name of the survey.
        num_runs: Runs to be trained.
        total_cost: Sum of the trials' `cost_s`, by which the time left is estimated.
        output: The output, whose disk use is shown at a terminal, and whose checkpoints while trials are stopped; None
            for none.
    """

    def __init__(
        self, console: Console, *, name: str, num_runs: int, total_cost: float, output: Output | None = None
    ) -> None:
        self._console, self._counters = console, Counters(name)
        self._num_runs, self._total_cost, self._cost = num_runs, total_cost, 0.0
        self._told = self._counters_told = time.monotonic()
        self._first_report = 0.0
        self._reported: set[str] = set()
        self._done: set[tuple[str, int]] = set()  # trials, and numbers of their experiments
        self._running: dict[str, tuple[Mapping[str, Any], float, int]] = {}  # config, start, epoch
        self._failed: dict[str, tuple[int, str]] = {}  # runs, reason
        self._runs_done = 0
        self._classes: defaultdict[str, _ClassCount] = defaultdict(_ClassCount)
        self._changing = threading.Lock()
        self._loops = CoveredTime()
        self._disk = DiskWatch(output) if output and console.is_terminal else None
        self._checkpoints = output.checkpoints if output else None
        self._stopping: Stopping | None = None
        self._ended = threading.Event()
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=2, transient=True)

    def __getstate__(self) -> dict[str, Any]:
        """Tune saves its callbacks; of this one nothing is worth saving."""
        return {}

    def __enter__(self) -> Progress:
        if self._disk:
            self._disk.start()
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._console.is_terminal:
            self._live.stop()
        if self._disk:
            self._disk.stop()
        if self._stopping:
            self._console.print(Text(str(self._stopping)))

    @property
    def loop_seconds(self) -> float:
        """Seconds in which at least one trial was in its epoch loop."""
        return self._loops.seconds

    def stop(self, reason: str) -> None:
        """Say that trials are being stopped, and how far that is, until they have ended; from any thread."""
        with self._changing:
            experiments = sum(len(self._left(name, config)) for name, (config, *_) in self._running.items())
            self._stopping = Stopping(
                reason, num_trials=len(self._running), num_checkpoints=experiments, folder=self._checkpoints
            )
        told = ""
        while not self._ended.is_set():
            now = self.figures()
            if now.stopping != told and not self._console.is_terminal:  # which renews itself
                told = now.stopping
                self._console.print(line(now))
            self._ended.wait(_STOPPING_TOLD_EVERY_S)

    def figures(self) -> Figures:
        """What has been trained so far; from any thread."""
        stopping = str(self._stopping or "")
        with self._changing:
            now = time.monotonic()
            seconds = now - self._first_report if self._first_report else 0.0
            classes = self._class_figures(now, seconds)
            reasons: Counter[str] = Counter()
            for number, reason in self._failed.values():
                reasons[reason] += number
            return Figures(
                runs_planned=self._num_runs,
                runs_done=self._runs_done,
                runs_running=sum(self._runs_left(name, config) for name, (config, *_) in self._running.items()),
                runs_failed=reasons.total(),
                epochs=sum(each.epochs for each in classes.values()),
                epochs_per_s=sum(each.epochs_per_s for each in classes.values()),
                seconds=seconds,
                seconds_left=self._seconds_left(seconds),
                failures=dict(reasons),
                classes=classes,
                running=tuple(
                    RunningTrial(label_of(config), _num_runs(config), epoch, _epochs(config), now - start)
                    for config, start, epoch in list(self._running.values())[:_RUNNING_TOLD]
                ),
                stopping=stopping,
            )

    def _class_figures(self, now: float, seconds: float) -> dict[str, ClassFigures]:
        running = Counter(_resource_class(config) for config, *_ in self._running.values())
        return {
            name: ClassFigures(running[name], count.runs_done, count.epochs, count.rate(now, seconds))
            for name, count in sorted(self._classes.items())
        }

    def _left(self, trial_id: str, config: Mapping[str, Any]) -> list[ExperimentConfig]:
        """Experiments of a trial that are not done."""
        return [each for number, each in enumerate(configs_of(config)) if (trial_id, number) not in self._done]

    def _runs_left(self, trial_id: str, config: Mapping[str, Any]) -> int:
        """Runs of a trial that are not done."""
        return sum(len(each["repetitions"]) for each in self._left(trial_id, config))

    def _seconds_left(self, elapsed: float) -> float | None:
        if self._cost <= 0 or self._total_cost <= 0:
            return None
        return elapsed * max(0.0, self._total_cost / self._cost - 1.0)

    def render(self) -> RenderableType:
        """All figures, for a terminal."""
        use = self._disk.use if self._disk else None
        return Group(block(self.figures()), *([disk_line(use)] if use else []))

    def _tell(self) -> None:
        """Bring Ray's metrics up to date and, off a terminal, print a line; each now and then."""
        now = time.monotonic()
        if now - self._counters_told >= _COUNTERS_EVERY_S:
            self._counters_told = now
            self._counters.tell(self.figures())
        if not self._console.is_terminal and now - self._told >= _PLAIN_EVERY_S:
            self._told = now
            self._console.print(line(self.figures()))

    @_counted
    def on_trial_start(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Note that a trial runs."""
        self._running[trial.trial_id] = (trial.config, time.monotonic(), 0)
        self._classes[_resource_class(trial.config)]  # it is shown from here on
        self._failed.pop(trial.trial_id, None)

    @_counted
    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: TrialReport, **_: Any) -> None:
        """Count the epochs of a report."""
        now = time.monotonic()
        began = now - result["loop_s"]
        self._first_report = self._first_report or began
        is_first = trial.trial_id not in self._reported
        self._reported.add(trial.trial_id)
        for number, (epoch, run_epochs, is_done) in result["by_experiment"].items():
            config = configs_of(trial.config)[number]
            num_runs = len(config["repetitions"])
            if is_done and (trial.trial_id, number) not in self._done:
                self._done.add((trial.trial_id, number))
                self._runs_done += num_runs
                self._classes[_resource_class(trial.config)].runs_done += num_runs
            epoch_cost = config["cost_s"] / config["epochs"]
            if is_first:
                # What a checkpoint has spared is not to be done.
                self._total_cost -= epoch_cost * (epoch - run_epochs / num_runs)
            self._cost += epoch_cost * run_epochs / num_runs
        self._classes[_resource_class(trial.config)].add(result["run_epochs"], now)
        self._loops.add(began, now)
        if trial.trial_id in self._running:
            self._running[trial.trial_id] = (*self._running[trial.trial_id][:2], result["epoch"])

    @_counted
    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count the runs of packed experiments that have failed; those that are done have been counted."""
        self._running.pop(trial.trial_id, None)
        if trial.last_result and trial.last_result.get("done_training"):
            for number, reason in (trial.last_result.get("failed") or {}).items():
                failed = len(configs_of(trial.config)[number]["repetitions"])
                self._failed[f"{trial.trial_id} {number}"] = (failed, reason[:_REASON_LENGTH])
        self._done = {each for each in self._done if each[0] != trial.trial_id}

    @_counted
    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Note that a trial has failed and waits to be tried again."""
        self._running.pop(trial.trial_id, None)

    @_counted
    def on_trial_error(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Count the runs of a trial that has failed for good."""
        self._running.pop(trial.trial_id, None)
        self._failed[trial.trial_id] = (self._runs_left(trial.trial_id, trial.config), _reason(trial.error_file))

    def on_experiment_end(self, trials: list, **_: Any) -> None:
        """Leave Ray's metrics with the last figures."""
        self._counters.tell(self.figures())


def _resource_class(config: Mapping[str, Any]) -> str:
    """The name of what a trial is given."""
    return resource_name(configs_of(config)[0]["num_gpus"])


def _num_runs(config: Mapping[str, Any]) -> int:
    """Runs of a trial."""
    return sum(len(each["repetitions"]) for each in configs_of(config))


def _epochs(config: Mapping[str, Any]) -> int:
    """Epochs of a trial; of packed experiments, the most."""
    return max(each["epochs"] for each in configs_of(config))


def _reason(error_file: str | None) -> str:
    """Why a trial failed last, in a line that is the same for trials that failed for the same reason."""
    text = Path(error_file).read_text(encoding="utf-8") if error_file else ""
    lines = [each.strip() for each in text.rpartition("Failure # ")[2].splitlines()[1:] if each.strip()]
    if not lines:
        return "no error was reported"
    # Where a worker died there is no traceback; what follows names the process.
    return (lines[0] if lines[0].startswith("The actor died") else lines[-1])[:_REASON_LENGTH]
