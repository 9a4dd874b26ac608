"""Which epochs of which repetitions go to MLflow, and when."""

from __future__ import annotations

from typing import Any

import torch

from survey.trials.curves import Curves
from survey.trials.tracked_run import TrackedRun
from survey.workloads.metrics import Metric, Metrics

METRICS = Metrics((Metric("loss", "how bad", best="min"),))
WANTED = (1, 2, 4, 6)


class NotedRun:
    """A run that notes the epochs that it wants: their numbers, the repetitions, whether they are the trial's."""

    run_id = "a run"

    def __init__(self) -> None:
        self.noted: list[tuple[int, list[int], bool]] = []

    def wants(self, epoch: int) -> bool:
        return epoch in WANTED

    def log_epoch(self, epoch: int, values: Any, metrics: Metrics, *, runs: Any, is_of_trial: bool) -> None:
        if self.wants(epoch):
            self.noted.append((epoch, list(runs), is_of_trial))


def tracked() -> tuple[TrackedRun, NotedRun, Curves]:
    run, noted = TrackedRun(), NotedRun()
    run.open(noted)  # pyright: ignore[reportArgumentType]
    return run, noted, Curves(METRICS, num_runs=2, epochs=6)


def train(curves: Curves, runs: slice, epoch: int) -> None:
    curves.record(runs, epoch, torch.full((1, runs.stop - runs.start), float(epoch)), 0.0)


def test_repetitions_that_train_together_get_each_epoch_that_is_wanted():
    run, noted, curves = tracked()
    for epoch in range(1, 7):
        train(curves, slice(0, 2), epoch)
        run.log_epochs(curves, epoch)
    assert noted.noted == [(epoch, [0, 1], True) for epoch in WANTED]


def test_epochs_that_come_at_once_are_all_looked_at():
    run, noted, curves = tracked()
    for epoch in range(1, 6):
        train(curves, slice(0, 2), epoch)
    run.log_epochs(curves, 5)
    assert noted.noted == [(epoch, [0, 1], True) for epoch in WANTED if epoch <= 5]


def test_a_repetition_that_stops_early_gets_no_more_epochs():
    run, noted, curves = tracked()
    for epoch in range(1, 7):
        train(curves, slice(0, 2 if epoch < 4 else 1), epoch)
        run.log_epochs(curves, epoch)
    assert [(epoch, runs) for epoch, runs, _ in noted.noted] == [(1, [0, 1]), (2, [0, 1]), (4, [0]), (6, [0])]


def test_repetitions_that_train_one_after_the_other_get_theirs_before_the_trial_does():
    run, noted, curves = tracked()
    for number in range(2):
        for epoch in range(1, 7):
            train(curves, slice(number, number + 1), epoch)
            run.log_epochs(curves, epoch if number else 0)
    assert noted.noted == [*((epoch, [0], False) for epoch in WANTED), *((epoch, [1], True) for epoch in WANTED)]
