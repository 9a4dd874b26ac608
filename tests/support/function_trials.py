"""Trials of a training function in the process of the test, exported as a launch exports them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from survey.export.update import update_dataset
from survey.launch.request import Request
from survey.tracking.store import TrackingStore
from survey.tracking.trial_run import TrackingSettings
from survey.trials.messages import TrialSettings, trial_config
from tests.support.trial_outside_ray import Trial


@dataclass
class FunctionSurvey:
    """A survey that is held: its trials, one by one."""

    request: Request
    store: TrackingStore
    settings: TrialSettings

    def trials(self) -> list[Trial]:
        """A trial of each experiment."""
        return [Trial(trial_config([bundle]), self.settings) for bundle in self.request.plan({}).bundles]

    def train(self) -> None:
        """Train all, and export."""
        for trial in self.trials():
            finish(trial)
        self.export()

    def export(self) -> None:
        """Export what is finished."""
        assert not update_dataset(self.request.output, self.store).damaged


def finish(trial: Trial) -> dict[str, Any]:
    """Step a trial to its end; return its last report."""
    while not (report := trial.step())["done"]:
        pass
    return report


@contextmanager
def surveying(request: Request) -> Iterator[FunctionSurvey]:
    """Hold the output of a request as a launch does."""
    output, workload = request.output, request.workload
    with output.held(workload.name, workload.about), request.tracking.held():
        output.record(list(request.spaces), request.contents, workload.about)
        store = request.tracking.open()
        experiment = store.open_experiment(request.name, note="", artifact_location=request.tracking.artifacts)
        tracking = TrackingSettings(
            store.uri,
            experiment,
            all_epochs=True,
            repetition_runs=True,
            metrics=workload.columns.metrics,
            sql_artifacts=store.sql_artifacts(experiment),
        )
        settings = TrialSettings(
            workload=workload.name,
            about=workload.about,
            data=request.load_data(request.plan({})),
            tracking=tracking,
            origin={"batch": request.name},
            checkpoints=output.checkpoints,
            states=output.states,
        )
        yield FunctionSurvey(request, store, settings)
