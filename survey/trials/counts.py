"""What trials have trained, counted from their reports. It knows neither Ray nor the terminal."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from survey.output.progress import ClassFigures, Figures, RunningTrial
from survey.plan.bundles import resource_name
from survey.trials.messages import ExperimentConfig, TrialReport, configs_of, label_of

_RATE_OVER_S = 60.0
_RUNNING_TOLD = 20
_INTERVALS_KEPT = 10_000


class CoveredTime:
    """The time that intervals cover, each second once. They come in the order of their ends.

    The last 10,000 separate intervals are kept. Time before them that a later interval covers too counts twice.

    Attributes:
        seconds: Seconds that are covered.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._apart: deque[tuple[float, float]] = deque(maxlen=_INTERVALS_KEPT)

    def add(self, began: float, ended: float) -> None:
        """Add an interval."""
        while self._apart and self._apart[-1][1] >= began:
            first, last = self._apart.pop()
            self.seconds -= last - first
            began = min(began, first)
        self._apart.append((began, ended))
        self.seconds += ended - began


class _ClassCount:
    """What trials of one resource class have done."""

    def __init__(self) -> None:
        self.runs_done = self.epochs = 0
        self._recent: deque[tuple[float, int]] = deque()  # second, epochs in it

    def add(self, epochs: int, now: float) -> None:
        self.epochs += epochs
        second = float(int(now))
        before = self._recent.pop()[1] if self._recent and self._recent[-1][0] == second else 0
        self._recent.append((second, before + epochs))

    def rate(self, now: float, seconds: float) -> float:
        """Epochs per second in the last minute, or in so many seconds if those are fewer."""
        while self._recent and self._recent[0][0] < now - _RATE_OVER_S:
            self._recent.popleft()
        return sum(epochs for _, epochs in self._recent) / min(max(seconds, 1.0), _RATE_OVER_S)


@dataclass
class _Running:
    """A trial that runs: its configuration, when it started, and the last epoch that it has reported."""

    config: Mapping[str, Any]
    began_s: float
    epoch: int = 0


class Counts:
    """Counts the runs and epochs of trials, each known by its id and its configuration; safe in any thread.

    Args:
        num_runs: Runs that are to be trained.
        total_cost: Sum of the `cost_s` of all that is to be trained, from which the time left is estimated.
        clock: Returns seconds that never jump.
    """

    def __init__(self, *, num_runs: int, total_cost: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._num_runs, self._total_cost, self._cost, self._clock = num_runs, total_cost, 0.0, clock
        self._first_report_s: float | None = None
        self._reported: set[str] = set()
        self._done: defaultdict[str, set[int]] = defaultdict(set)  # by trial, numbers of its experiments
        self._running: dict[str, _Running] = {}
        self._failed: dict[str, tuple[int, str]] = {}  # runs, reason
        self._classes: defaultdict[str, _ClassCount] = defaultdict(_ClassCount)
        self._loops = CoveredTime()
        self._changing = threading.Lock()

    @property
    def loop_seconds(self) -> float:
        """Seconds in which at least one trial was in its epoch loop."""
        return self._loops.seconds

    def start(self, trial_id: str, config: Mapping[str, Any]) -> None:
        """Count a trial that starts, or starts again, as running."""
        with self._changing:
            self._running[trial_id] = _Running(config, self._clock())
            self._classes[_resource_class(config)]  # it is shown from here on
            self._failed.pop(trial_id, None)

    def report(self, trial_id: str, config: Mapping[str, Any], report: TrialReport) -> None:
        """Count what a trial reports."""
        with self._changing:
            now = self._clock()
            began = now - report["loop_s"]
            self._first_report_s = began if self._first_report_s is None else self._first_report_s
            self._loops.add(began, now)
            count = self._classes[_resource_class(config)]
            count.add(report["run_epochs"], now)
            is_first = trial_id not in self._reported
            self._reported.add(trial_id)
            for number, (epoch, run_epochs, is_done) in report["by_experiment"].items():
                experiment = configs_of(config)[number]
                if is_done and number not in self._done[trial_id]:
                    self._done[trial_id].add(number)
                    count.runs_done += len(experiment["repetitions"])
                self._spend(experiment, epoch, run_epochs, is_first=is_first)
            if trial_id in self._running:
                self._running[trial_id].epoch = report["epoch"]

    def _spend(self, experiment: ExperimentConfig, epoch: int, run_epochs: int, *, is_first: bool) -> None:
        """Count the cost of epochs that are trained."""
        epoch_cost, num_runs = experiment["cost_s"] / experiment["epochs"], len(experiment["repetitions"])
        if is_first:  # what a checkpoint has spared is not to be done
            self._total_cost -= epoch_cost * (epoch - run_epochs / num_runs)
        self._cost += epoch_cost * run_epochs / num_runs

    def end(self, trial_id: str, config: Mapping[str, Any], failed: Mapping[int, str]) -> None:
        """Count a trial that has ended well, or is stopped; `failed` has the errors of packed experiments by number."""
        with self._changing:
            self._running.pop(trial_id, None)
            self._done.pop(trial_id, None)
            for number, reason in failed.items():
                num_runs = len(configs_of(config)[number]["repetitions"])
                self._failed[f"{trial_id} {number}"] = (num_runs, reason)

    def wait(self, trial_id: str) -> None:
        """Count a trial that has failed, and waits to be tried again, as not running."""
        with self._changing:
            self._running.pop(trial_id, None)

    def fail(self, trial_id: str, config: Mapping[str, Any], reason: str) -> None:
        """Count the runs of a trial that has failed for good, except those that are done."""
        with self._changing:
            self._running.pop(trial_id, None)
            self._failed[trial_id] = (self._runs_left(trial_id, config), reason)

    def running(self) -> tuple[int, int]:
        """Return how many trials run, and how many of their experiments are not done."""
        with self._changing:
            left = [self._left(trial_id, trial.config) for trial_id, trial in self._running.items()]
            return len(left), sum(map(len, left))

    def figures(self) -> Figures:
        """Return what has been trained so far."""
        with self._changing:
            now = self._clock()
            seconds = 0.0 if self._first_report_s is None else now - self._first_report_s
            classes = self._class_figures(now, seconds)
            reasons: Counter[str] = Counter()
            for num_runs, reason in self._failed.values():
                reasons[reason] += num_runs
            return Figures(
                runs_planned=self._num_runs,
                runs_done=sum(each.runs_done for each in classes.values()),
                runs_running=sum(self._runs_left(trial_id, trial.config) for trial_id, trial in self._running.items()),
                runs_failed=reasons.total(),
                epochs=sum(each.epochs for each in classes.values()),
                epochs_per_s=sum(each.epochs_per_s for each in classes.values()),
                seconds=seconds,
                seconds_left=self._seconds_left(seconds),
                failures=dict(reasons),
                classes=classes,
                running=tuple(_running_trial(each, now) for each in list(self._running.values())[:_RUNNING_TOLD]),
            )

    def _class_figures(self, now: float, seconds: float) -> dict[str, ClassFigures]:
        running = Counter(_resource_class(trial.config) for trial in self._running.values())
        return {
            name: ClassFigures(running[name], count.runs_done, count.epochs, count.rate(now, seconds))
            for name, count in sorted(self._classes.items())
        }

    def _left(self, trial_id: str, config: Mapping[str, Any]) -> list[ExperimentConfig]:
        """Experiments of a trial that are not done."""
        done = self._done.get(trial_id, ())
        return [each for number, each in enumerate(configs_of(config)) if number not in done]

    def _runs_left(self, trial_id: str, config: Mapping[str, Any]) -> int:
        """Runs of a trial that are not done."""
        return sum(len(each["repetitions"]) for each in self._left(trial_id, config))

    def _seconds_left(self, elapsed: float) -> float | None:
        if self._cost <= 0 or self._total_cost <= 0:
            return None
        return elapsed * max(0.0, self._total_cost / self._cost - 1.0)


def _resource_class(config: Mapping[str, Any]) -> str:
    """Return the name of what a trial trains on, such as `1 CPU core`."""
    return resource_name(configs_of(config)[0]["num_gpus"])


def _running_trial(trial: _Running, now: float) -> RunningTrial:
    """Describe a trial that runs; its epochs are the most of its experiments."""
    experiments = configs_of(trial.config)
    return RunningTrial(
        name=label_of(trial.config),
        num_runs=sum(len(each["repetitions"]) for each in experiments),
        epoch=trial.epoch,
        epochs=max(each["epochs"] for each in experiments),
        seconds=now - trial.began_s,
    )
