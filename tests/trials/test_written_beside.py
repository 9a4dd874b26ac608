"""Trials train while MLflow's rows are written; what a trial leaves does not depend on how slow the store is."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from survey.errors import TrackingError
from survey.tracking import trial_run
from survey.tracking.trial_run import Waits
from survey.trials.messages import trial_config
from tests.support.awaiting import HANGS_S, await_that
from tests.support.planned import EPOCHS, planned
from tests.support.trial_outside_ray import Trial, TrialFolder


class SlowStore:
    """What writers are asked for, in its order; they write no points before they may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_write = threading.Event()
        self.error: Exception | None = None

    def made(self, make_writer):
        """Return a `make_writer` whose writers are slow."""

        def made(*arguments, **options):
            writer = make_writer(*arguments, **options)
            log_metrics, log_artifact, end_runs = writer.log_metrics, writer.log_artifact, writer.end_runs

            def slowly(rows):
                self.asked.append("points")
                assert self.may_write.wait(HANGS_S)
                if self.error:
                    raise self.error
                log_metrics(rows)

            def noted(what, call):
                return lambda *arguments: (self.asked.append(what), call(*arguments))

            writer.log_metrics = slowly
            writer.log_artifact, writer.end_runs = noted("artifact", log_artifact), noted("end", end_runs)
            return writer

        return made


@pytest.fixture
def around(tmp_path, database) -> TrialFolder:
    return TrialFolder(tmp_path, database, repetition_runs=True)


@pytest.fixture
def store(monkeypatch) -> SlowStore:
    store = SlowStore()
    monkeypatch.setattr(trial_run, "make_writer", store.made(trial_run.make_writer))
    return store


@pytest.fixture(params=[1, 3], ids=["one", "packed"])
def trial(around, store, request) -> Trial:
    """A trial of one or three experiments, an epoch of each for each step, which writes each epoch at once."""
    tracking = replace(around.settings.tracking, waits=Waits(flush_s=0.0))
    return Trial(trial_config(planned().bundles[: request.param]), replace(around.settings, tracking=tracking))


def test_a_trial_trains_while_the_store_writes_and_ends_after_that(trial, around, store):
    told = [trial.step() for _ in range(EPOCHS - 1)]
    assert told[-1]["epoch"] == EPOCHS - 1, "though the store has nothing yet"
    run_ids = told[-1]["mlflow_run_id"].split()
    assert not any(around.epochs(run_id) for run_id in run_ids)
    assert store.asked == ["points"]
    store.may_write.set()
    trial.train()
    for run_id in run_ids:
        assert around.epochs(run_id) == list(range(1, EPOCHS + 1))
    assert around.statuses() == ["FINISHED"] * len(run_ids)
    assert store.asked[-2:] == ["artifact", "end"]
    if len(run_ids) == 1:
        assert store.asked.count("points") == len(store.asked) - 2, "all points come before"


def test_a_trial_that_is_stopped_while_the_store_writes_keeps_its_epochs(trial, around, store):
    run_ids = [trial.step() for _ in range(3)][-1]["mlflow_run_id"].split()
    stopping = threading.Thread(target=trial.cleanup)
    stopping.start()
    await_that(lambda: len(list(around.checkpoints.glob("*.pt"))))
    assert around.statuses() == ["RUNNING"] * len(run_ids), "what is noted is not written"
    store.may_write.set()
    stopping.join(HANGS_S)
    assert around.statuses() == ["KILLED"] * len(run_ids)
    assert all(around.epochs(run_id) == [1, 2, 3] for run_id in run_ids)
    assert len(list(around.checkpoints.glob("*.pt"))) == len(run_ids)


def test_a_trial_whose_store_refuses_fails_and_is_not_finished(around, store):
    tracking = replace(around.settings.tracking, waits=Waits(flush_s=0.0))
    trial = Trial(trial_config(planned().bundles[:1]), replace(around.settings, tracking=tracking))
    trial.step()
    store.error = TrackingError("no such table: metrics")
    store.may_write.set()
    with pytest.raises(TrackingError, match="no such table: metrics"):
        trial.train()
    assert "artifact" not in store.asked
