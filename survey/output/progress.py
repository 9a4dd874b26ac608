"""The figures of a launch that trains: what `survey.launch` shows while it runs and `survey.status` from any shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pydantic import FiniteFloat
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from survey.text.counting import counted
from survey.text.escaping import printable
from survey.text.json_files import Count, Seconds

_SHOWN = 8
"""Lines for trials that run, and for reasons of failures."""

_BAR_WIDTH = 40

_IDLE_TOLD_S = 60.0
"""Time without an epoch from which on it is told: the training may hang."""


@dataclass(frozen=True)
class ClassFigures:
    """What trials of one resource class have done, such as those on an eighth of a GPU.

    Attributes:
        trials_running: Trials at present.
        runs_done: Runs of trials that have ended well.
        epochs: Epochs trained, summed over runs.
        epochs_per_s: The same by second, in the last minute.
    """

    trials_running: Count = 0
    runs_done: Count = 0
    epochs: Count = 0
    epochs_per_s: FiniteFloat = 0.0


@dataclass(frozen=True)
class RunningTrial:
    """A trial that runs.

    Attributes:
        name: Its experiment, for people.
        num_runs: Its repetitions.
        epoch: The last epoch that it has reported.
        epochs: The epoch at which it ends.
        seconds: Since it started.
        idle_s: Seconds since the end of its last epoch, or since it started.
    """

    name: str
    num_runs: Count
    epoch: Count
    epochs: Count
    seconds: Seconds
    idle_s: Seconds = 0.0


@dataclass(frozen=True)
class Figures:
    """What a launch has trained.

    Attributes:
        runs_planned: Runs that it is to train.
        runs_done: Those that are trained.
        runs_running: Those in trials that run.
        runs_failed: Those in trials that have failed and are not tried again.
        epochs: Epochs trained, summed over runs.
        epochs_per_s: The same by second, in the last minute.
        seconds: Since the first epoch began.
        seconds_left: Estimated, by the cost of the trials; None while nothing is known.
        failures: Runs that failed, by the reason.
        classes: By resource class, such as `1 CPU core` or `1/8 GPU`.
        running: Trials that run, those that started first in front; 20 at most.
        stopping: Why trials are being stopped, and how far that is; an empty string while they are not.
        is_over: Whether the launch trains no more; nothing runs then, and rates are those of the whole time.
        runs_before: Runs that were done before; they count as done in what is shown.
    """

    runs_planned: Count
    runs_done: Count = 0
    runs_running: Count = 0
    runs_failed: Count = 0
    epochs: Count = 0
    epochs_per_s: FiniteFloat = 0.0
    seconds: Seconds = 0.0
    seconds_left: Seconds | None = None
    failures: Mapping[str, Count] = field(default_factory=dict)
    classes: Mapping[str, ClassFigures] = field(default_factory=dict)
    running: tuple[RunningTrial, ...] = ()
    stopping: str = ""
    is_over: bool = False
    runs_before: Count = 0

    def over(self) -> Figures:
        """The same when the launch trains no more."""
        seconds = max(self.seconds, 1.0)
        classes = {
            name: replace(each, trials_running=0, epochs_per_s=each.epochs / seconds)
            for name, each in self.classes.items()
        }
        rate = self.epochs / seconds
        ended = replace(self, runs_running=0, running=(), seconds_left=None, stopping="", is_over=True)
        return replace(ended, classes=classes, epochs_per_s=rate)

    @property
    def share(self) -> float | None:
        """The part of the work that is trained, by the estimate of the time left; None while that is not known."""
        if self.seconds_left is None:
            return None
        whole = self.seconds + self.seconds_left
        return self.seconds / whole if whole > 0 else None


def line(figures: Figures) -> Text:
    """The figures in one line."""
    left, before = figures.seconds_left, figures.runs_before
    now = f", {figures.runs_done:,} of them now" if before else ""
    parts = [
        f"{before + figures.runs_done:,} of {counted(before + figures.runs_planned, 'run')} done{now}",
        f"{figures.runs_running:,} running",
        f"{figures.runs_failed:,} failed",
        f"{figures.epochs_per_s:,.0f} epochs/s",
        figures.stopping or ("time left: not known yet" if left is None else f"time left: {duration(left)}"),
    ]
    if figures.is_over:
        del parts[4], parts[1]
    return Text("  ".join(parts), style="red" if figures.runs_failed else "")


def block(figures: Figures) -> RenderableType:
    """All figures: a bar, the line, throughput by resource class, the trials that run, and why others failed."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for name, each in figures.classes.items():
        rate = f"{each.epochs_per_s:,.0f} epochs/s"
        running = [] if figures.is_over else [f"{counted(each.trials_running, 'trial')} running"]
        table.add_row(name, *running, rate, f"{counted(each.runs_done, 'run')} done")
    trials = [_trial_line(each) for each in figures.running[:_SHOWN]]
    hidden = sum(each.trials_running for each in figures.classes.values()) - len(trials)
    if hidden > 0:
        trials.append(Text(f"and {hidden:,} more"))
    return Group(*_bar(figures), line(figures), table, *trials, *_failures(figures.failures))


def _bar(figures: Figures) -> list[RenderableType]:
    """How much of the work is trained, while trials train and that is known."""
    share = None if figures.is_over else figures.share
    if share is None:
        return []
    grid = Table.grid(padding=(0, 1))
    grid.add_row(ProgressBar(total=1.0, completed=share, width=_BAR_WIDTH), f"{share:.0%}")
    return [grid]


def _trial_line(trial: RunningTrial) -> Text:
    reached = f"epoch {trial.epoch:,} of {trial.epochs:,}" if trial.epoch else "starting"
    idle = f", no epoch for {duration(trial.idle_s)}" if trial.idle_s >= _IDLE_TOLD_S else ""
    return Text(
        printable(f"{trial.name}: {reached}, {counted(trial.num_runs, 'run')}, for {duration(trial.seconds)}{idle}")
    )


def _failures(failures: Mapping[str, int]) -> list[Text]:
    """The most frequent reasons."""
    reasons = sorted(failures.items(), key=lambda each: -each[1])
    lines = [
        Text(printable(f"failed, {counted(number, 'run')}: {reason}"), style="red")
        for reason, number in reasons[:_SHOWN]
    ]
    if len(reasons) > _SHOWN:
        lines.append(Text(f"failed for {len(reasons) - _SHOWN:,} more reasons", style="red"))
    return lines


def duration(seconds: float) -> str:
    """Whole seconds, as `1:02:03` or `2 days, 1:02:03`."""
    return str(timedelta(seconds=round(seconds)))
