"""What trials have trained, counted from their reports. It knows neither Ray nor the terminal."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


class _Cost:
    """The cost of what is trained, from which the time left is estimated.

    Args:
        total: Sum of the `cost_s` of all that is to be trained.
    """

    def __init__(self, total: float) -> None:
        self._total, self._spent = total, 0.0

    def spend(self, experiment: ExperimentConfig, epoch: int, run_epochs: int, *, is_first: bool) -> None:
        """Count epochs that are trained; at the first report, leave out those that a checkpoint has spared."""
        epoch_cost = experiment["cost_s"] / experiment["epochs"]
        trained = run_epochs / len(experiment["repetitions"])
        if is_first:
            self._total -= epoch_cost * (epoch - trained)
        self._spent += epoch_cost * trained

    def seconds_left(self, elapsed: float) -> float | None:
        """Estimate the time left from the time so far; None before anything is trained."""
        if self._spent <= 0 or self._total <= 0:
            return None
        return elapsed * max(0.0, self._total / self._spent - 1.0)


@dataclass
class _Trial:
    """A trial that has not ended.

    Attributes:
        config: Its configuration.
        began_s: When its latest try started.
        trained_s: When that has last reported an epoch, or started.
        epoch: The last epoch that this try has reported.
        is_running: Whether it runs, and does not wait for its next try.
        has_reported: Whether one of its tries has reported.
        done: Numbers of its experiments that are done.
    """

    config: Mapping[str, Any]
    began_s: float = 0.0
    trained_s: float = 0.0
    epoch: int = 0
    is_running: bool = False
    has_reported: bool = False
    done: set[int] = field(default_factory=set)

    @property
    def resource_class(self) -> str:
        """What it trains on, such as `1 CPU core`."""
        return resource_name(configs_of(self.config)[0]["num_gpus"])

    @property
    def experiments_left(self) -> list[ExperimentConfig]:
        """Experiments that are not done."""
        return [each for number, each in enumerate(configs_of(self.config)) if number not in self.done]

    @property
    def runs_left(self) -> int:
        """Runs of these experiments."""
        return sum(len(each["repetitions"]) for each in self.experiments_left)

    def describe(self, now: float) -> RunningTrial:
        """Return what is shown of it; its epochs are the most of its experiments."""
        experiments = configs_of(self.config)
        return RunningTrial(
            name=label_of(self.config),
            num_runs=sum(len(each["repetitions"]) for each in experiments),
            epoch=self.epoch,
            epochs=max(each["epochs"] for each in experiments),
            seconds=now - self.began_s,
            idle_s=now - self.trained_s,
        )


class Counts:
    """Counts the runs and epochs of trials, each known by its id and its configuration; safe in any thread.

    Args:
        num_runs: Runs that are to be trained.
        num_before: Runs that were done before.
        total_cost: Sum of the `cost_s` of all that is to be trained, from which the time left is estimated.
        clock: Returns seconds that never jump.
    """

    def __init__(
        self, *, num_runs: int, total_cost: float, num_before: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._num_runs, self._num_before = num_runs, num_before
        self._cost, self._clock = _Cost(total_cost), clock
        self._first_report_s: float | None = None
        self._trials: dict[str, _Trial] = {}  # in the order of their starts
        self._failed: Counter[str] = Counter()  # runs, by reason
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
            trial = self._trials[trial_id] = self._take(trial_id, config)
            trial.began_s = trial.trained_s = self._clock()
            trial.epoch, trial.is_running = 0, True
            self._classes[trial.resource_class]  # it is shown from here on

    def _take(self, trial_id: str, config: Mapping[str, Any]) -> _Trial:
        """Remove a trial from those that have not ended; one that fails early may not have started."""
        return self._trials.pop(trial_id, None) or _Trial(config)

    def report(self, trial_id: str, config: Mapping[str, Any], report: TrialReport) -> None:
        """Count what a trial reports."""
        with self._changing:
            now, trial = self._clock(), self._trials.setdefault(trial_id, _Trial(config))
            began = now - report["loop_s"]
            self._first_report_s = began if self._first_report_s is None else self._first_report_s
            self._loops.add(began, now)
            count = self._classes[trial.resource_class]
            count.add(report["run_epochs"], now)
            for number, (epoch, run_epochs, is_done) in report["by_experiment"].items():
                experiment = configs_of(config)[number]
                if is_done and number not in trial.done:
                    trial.done.add(number)
                    count.runs_done += len(experiment["repetitions"])
                self._cost.spend(experiment, epoch, run_epochs, is_first=not trial.has_reported)
            trial.epoch, trial.has_reported = report["epoch"], True
            if report["run_epochs"]:
                trial.trained_s = now

    def wait(self, trial_id: str) -> None:
        """Count a trial that has failed, and waits for its next try, as not running."""
        with self._changing:
            if trial_id in self._trials:
                self._trials[trial_id].is_running = False

    def end(self, trial_id: str, config: Mapping[str, Any], failed: Mapping[int, str]) -> None:
        """Count a trial that has ended well, or is stopped; `failed` has the errors of packed experiments by number."""
        with self._changing:
            self._trials.pop(trial_id, None)
            for number, reason in failed.items():
                self._failed[reason] += len(configs_of(config)[number]["repetitions"])

    def fail(self, trial_id: str, config: Mapping[str, Any], reason: str) -> None:
        """Count the runs of a trial that has failed for good, except those that are done."""
        with self._changing:
            self._failed[reason] += self._take(trial_id, config).runs_left

    def running(self) -> tuple[int, int]:
        """Return how many trials run, and how many of their experiments are not done."""
        with self._changing:
            left = [len(trial.experiments_left) for trial in self._running()]
            return len(left), sum(left)

    def _running(self) -> list[_Trial]:
        return [trial for trial in self._trials.values() if trial.is_running]

    def figures(self) -> Figures:
        """Return what has been trained so far."""
        with self._changing:
            now, running = self._clock(), self._running()
            seconds = 0.0 if self._first_report_s is None else now - self._first_report_s
            at_work = Counter(trial.resource_class for trial in running)
            classes = {
                name: ClassFigures(at_work[name], count.runs_done, count.epochs, count.rate(now, seconds))
                for name, count in sorted(self._classes.items())
            }
            return Figures(
                runs_planned=self._num_runs,
                runs_before=self._num_before,
                runs_done=sum(each.runs_done for each in classes.values()),
                runs_running=sum(trial.runs_left for trial in running),
                runs_failed=self._failed.total(),
                epochs=sum(each.epochs for each in classes.values()),
                epochs_per_s=sum(each.epochs_per_s for each in classes.values()),
                seconds=seconds,
                seconds_left=self._cost.seconds_left(seconds),
                failures=dict(self._failed),
                classes=classes,
                running=tuple(trial.describe(now) for trial in running[:_RUNNING_TOLD]),
            )
