"""What trials report, counted without Ray."""

from __future__ import annotations

import random
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from survey.networks.experiment import NetworkExperiment
from survey.output.progress import block, line
from survey.trials.counts import Counts, CoveredTime
from survey.trials.messages import ExperimentProgress, TrialReport

EXPERIMENT = NetworkExperiment(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=10)


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(clock) -> Counts:
    """Of a launch that is to train 9 runs, three of each experiment, 10 s for each experiment."""
    return Counts(num_runs=9, total_cost=30.0, clock=clock)


def config(*, experiments: int = 1) -> dict:
    """What Tune knows of a trial of three repetitions of an experiment, or of several of them."""
    each = {**EXPERIMENT.to_dict(), "repetitions": [0, 1, 2], "cost_s": 10.0, "num_gpus": 0.0}
    return {"experiments": [each] * experiments} if experiments > 1 else {"trial": each}


def report(*by_experiment: tuple[int, int, bool], loop_s: float = 1.0) -> TrialReport:
    """A report of a trial, from the epoch, the epochs trained, and whether it is done, of each of its experiments."""
    experiments = {number: ExperimentProgress(*each) for number, each in enumerate(by_experiment)}
    return {
        "done": all(each.is_done for each in experiments.values()),
        "epoch": max(each.epoch for each in experiments.values()),
        "run_epochs": sum(each.run_epochs for each in experiments.values()),
        "by_experiment": experiments,
        "loop_s": loop_s,
    }


def test_the_time_left_is_that_of_what_a_checkpoint_has_not_spared(counts, clock):
    counts.start("a", config())
    counts.report("a", config(), report((6, 3, False)))
    clock.now += 1
    figures = counts.figures()
    assert (figures.seconds, figures.epochs) == (2.0, 3)
    assert figures.seconds_left == pytest.approx(2.0 * (25.0 / 1.0 - 1.0)), "5 s of 30 are spared, and one is spent"


def test_a_trial_that_is_tried_again_is_neither_running_nor_failed_in_between(counts):
    counts.start("a", config())
    counts.wait("a")
    assert (counts.figures().runs_running, counts.figures().runs_failed) == (0, 0)
    counts.start("a", config())
    assert counts.figures().runs_running == 3
    counts.fail("a", config(), "no memory")
    assert counts.figures().failures == {"no memory": 3}


def test_what_was_done_before_counts_as_done(clock):
    counts = Counts(num_runs=9, num_before=6, total_cost=30.0, clock=clock)
    counts.start("a", config())
    counts.report("a", config(), report((10, 30, True)))
    assert str(line(counts.figures())).startswith("9 of 15 runs done, 3 of them now  ")


def test_of_a_packed_trial_each_experiment_is_counted_once(counts):
    packed = config(experiments=3)
    counts.start("a", packed)
    for _ in range(2):  # the second is of the trial that was tried again
        counts.report("a", packed, report((10, 30, True), (5, 15, False), (5, 15, False)))
    assert (counts.figures().runs_done, counts.figures().runs_running) == (3, 6)
    assert counts.running() == (1, 2)
    counts.report("a", packed, report((10, 0, True), (10, 15, True), (5, 0, False)))
    counts.end("a", packed, {2: "no memory"})
    figures = counts.figures()
    assert (figures.runs_done, figures.runs_running, figures.failures) == (6, 0, {"no memory": 3})
    assert counts.running() == (0, 0)


def test_the_rate_is_that_of_the_last_minute(counts, clock):
    counts.start("a", config())
    counts.report("a", config(), report((1, 600, False)))
    assert counts.figures().epochs_per_s == 600.0
    clock.now += 30
    assert counts.figures().epochs_per_s == pytest.approx(600 / 31)
    clock.now += 31
    assert counts.figures().epochs_per_s == 0.0


def test_trials_that_train_at_once_take_their_time_once(counts, clock):
    for name in ("a", "b"):
        counts.start(name, config())
        counts.report(name, config(), report((1, 3, False), loop_s=10.0))
    clock.now += 100
    counts.report("b", config(), report((2, 3, False), loop_s=7.0))
    assert counts.loop_seconds == 17.0


def test_time_that_is_covered_counts_once_however_many_intervals_there_are():
    draw, covered, seen = random.Random(0), CoveredTime(), np.zeros(2000, bool)
    for ended in sorted(draw.randrange(1, 2000) for _ in range(300)):
        began = max(0, ended - draw.choice([0, 1, 5, 50]))
        covered.add(began, ended)
        seen[began:ended] = True
    assert covered.seconds == seen.sum()

    long = CoveredTime()
    for number in range(50_000):  # as of trials one after the other, with a gap between any two
        long.add(number, number + 0.5)
    assert long.seconds == 25_000
    assert len(long._apart) <= 10_000, "a report costs the same, however many there were before"


def test_a_trial_without_an_epoch_for_a_minute_is_told(counts, clock):
    def told() -> str:
        (trial,) = counts.figures().running
        console = Console(width=200, file=StringIO())
        console.print(block(counts.figures()))
        assert trial.idle_s <= trial.seconds
        return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]

    counts.start("a", config())
    for seconds, run_epochs, is_told in [(59, 0, False), (2, 0, True), (1, 3, False), (58, 0, False), (5, 0, True)]:
        clock.now += seconds
        counts.report("a", config(), report((run_epochs, run_epochs, False)))
        assert ("no epoch for" in told()) == is_told
