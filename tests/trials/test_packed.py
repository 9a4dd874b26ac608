"""Experiments that are packed into one trial on a GPU: which, what that costs, and that no number depends on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from survey.errors import TrackingAwayError
from survey.networks.columns import COLUMNS
from survey.networks.cost import Work
from survey.networks.metrics import METRICS
from survey.plan.estimate import Machine, Rows, price
from survey.plan.gpu_sharing import Packing
from survey.plan.pilot import PACKED, find_packing
from survey.trials import experiment_training
from survey.trials.bundle import Bundle
from survey.trials.messages import TrialReport, trial_config
from tests.support.awaiting import HANGS_S
from tests.support.planned import EPOCHS, planned
from tests.support.trial_outside_ray import Trial, TrialFolder

# ---------------------------------------------------------------- which


def test_what_is_packed_is_alike_in_cost_and_each_experiment_is_planned_once():
    plan = planned(sizes=[2**k for k in range(6, 16)], shapes=["rectangle", "trapezoid"])
    packed = plan.on_gpus(lambda size: 0.125, Packing(4))
    assert [len(group) for group in packed.trials] == [4, 4, 4, 4, 4]
    assert {each.experiment for each in packed.bundles} == {each.experiment for each in plan.bundles}
    costs = [each.cost_s for each in packed.bundles]
    assert costs == sorted(costs, reverse=True)


def test_what_fills_a_gpu_stays_alone():
    plan = planned(sizes=[64, 128, 1 << 16])
    large = max(each.work.flops / each.work.steps for each in plan.bundles)
    packed = plan.on_gpus(lambda size: 0.125, Packing(8, most_flops=large / 2, gain=2.0))
    assert sorted(len(group) for group in packed.trials) == [1, 2]
    alone = {each.experiment: each.cost_s for each in plan.bundles}
    for group in packed.trials:
        for each in group:
            assert each.cost_s == alone[each.experiment] / (2.0 if len(group) == 2 else 1.0)


def test_together_they_have_the_whole_gpu_and_take_half_of_its_memory_at_most():
    plan = planned(sizes=[64, 128, 256, 512])
    smallest = min(each.bundle_bytes for each in plan.bundles)
    packed = plan.on_gpus(lambda size: 0.5 if size <= 4 * smallest else 1.0, Packing(8))
    assert len(packed.trials) > 1
    for group in packed.trials:
        assert {each.num_gpus for each in group} == {1.0 if len(group) > 1 else 0.5}
        assert sum(each.bundle_bytes for each in group) <= 4 * smallest
    assert {each.num_gpus for each in plan.on_gpus(lambda size: 0.25, Packing(8, num_gpus=0.25)).bundles} == {0.25}


def test_nothing_is_packed_unless_it_pays():
    plan = planned()
    assert plan.on_gpus(lambda size: 0.5).trials == tuple((each,) for each in plan.on_gpus(lambda size: 0.5).bundles)
    works = [Work(1, 1, flops, 1, 1, 1) for flops in (1e6, 1e8, 1e7)]
    found = find_packing(works, [3.0, 1.1, 1.5])
    assert found == Packing(PACKED, 1e7, pytest.approx(2.0))
    assert find_packing(works, [1.2, 3.0, 3.0]) is None, "if the smallest do not gain, nothing does"


def test_trials_that_share_a_gpu_take_turns():
    rows = Rows(METRICS, repetition_runs=False, epochs=lambda epochs: 0)

    def found(plan, rows=rows):
        return price(plan, rows, COLUMNS, Machine(16, 1))

    plan = planned(sizes=[2**k for k in range(6, 16)])
    whole, eighths = found(plan.on_gpus(lambda size: 1.0)), found(plan.on_gpus(lambda size: 0.125))
    assert eighths.gpu_hours == whole.gpu_hours
    packed = found(plan.on_gpus(lambda size: 0.125, Packing(5, gain=2.5)))
    assert packed.gpu_hours.estimate == pytest.approx(whole.gpu_hours.estimate / 2.5)
    assert packed.trials == {"1 GPU": 2}
    assert packed.runs_to_train == whole.runs_to_train
    tracked = replace(rows, epochs=lambda epochs: epochs)
    whole_s, eighths_s = (
        found(placed, tracked).gpu_hours.estimate - found(placed).gpu_hours.estimate
        for placed in (plan.on_gpus(lambda size: 1.0), plan.on_gpus(lambda size: 0.125))
    )
    assert whole_s == pytest.approx(8 * eighths_s), "while one writes, the others train"


# ---------------------------------------------------------------- a trial


@pytest.fixture
def around(tmp_path, database) -> TrialFolder:
    return TrialFolder(tmp_path, database)


@pytest.fixture
def start(around):
    """Starts a trial of three experiments or, by their number, of one of them; one epoch of each for each step."""
    trials = planned().bundles

    def started(number: int | None = None) -> Trial:
        return Trial(trial_config(trials if number is None else [trials[number]]), around.settings)

    return started


def finish(running: Trial) -> tuple[list[TrialReport], list[str]]:
    """Train to the end; return what was told, and the ids of the MLflow runs."""
    told = running.train()
    return told, told[-1]["mlflow_run_id"].split()


def test_packed_experiments_have_the_numbers_that_they_have_alone(start, around):
    told, together = finish(start())
    assert len(together) == 3
    assert [each["run_epochs"] for each in told] == [9] * EPOCHS
    assert [each["by_experiment"][0] for each in told] == [(n, 3, n == EPOCHS) for n in range(1, EPOCHS + 1)]
    for number, run_id in enumerate(together):
        _, (alone,) = finish(start(number))
        np.testing.assert_array_equal(around.curves(run_id), around.curves(alone))
        rows = around.history(run_id)
        assert set(rows["experiment_id"].to_pylist()) == {planned().bundles[number].experiment.experiment_id}
        assert rows["train_seconds"][0].as_py() > 0
    assert list((around.checkpoints).glob("*")) == []


def test_packed_experiments_that_are_stopped_go_on_where_they_were(start, around):
    _, straight = finish(start())
    stopped = start()
    for _ in range(4):
        stopped.step()
    stopped.cleanup()
    assert len(list((around.checkpoints).iterdir())) == 3
    resumed = start()
    assert resumed.step()["by_experiment"] == dict.fromkeys(range(3), (5, 3, False))
    _, run_ids = finish(resumed)
    for run_id, expected in zip(run_ids, straight, strict=True):
        np.testing.assert_array_equal(around.curves(run_id), around.curves(expected))


def break_training(monkeypatch, size: int, times: int) -> None:
    """Let experiments of a size fail at their third epoch, so many times."""
    left = [times]

    class Broken(Bundle):
        def start_epoch(self) -> None:
            if self._make_trainer.args[0].size == size and self.epoch == 2 and left[0]:
                left[0] -= 1
                raise RuntimeError("broken")
            super().start_epoch()

    monkeypatch.setattr(experiment_training, "Bundle", Broken)


def test_an_experiment_that_fails_once_is_tried_again_beside_the_others(start, around, monkeypatch):
    break_training(monkeypatch, 128, times=1)
    told, run_ids = finish(start())
    assert told[-1]["failed"] == {}
    assert len(run_ids) == 3
    assert around.statuses() == ["FAILED", "FINISHED", "FINISHED", "FINISHED"]


def test_an_experiment_that_always_fails_is_named_and_the_others_are_done(start, around, monkeypatch):
    break_training(monkeypatch, 128, times=99)
    told, run_ids = finish(start())
    assert told[-1]["failed"] == {1: "RuntimeError: broken"}
    assert len(run_ids) == 2
    assert set(around.statuses()) == {"FAILED", "FINISHED"}


def test_a_trial_of_which_all_fail_tries_each_three_times_and_tells_why(start, monkeypatch):
    tries = []

    def never(bundle):
        tries.append(bundle)
        raise RuntimeError("no memory of that kind")

    monkeypatch.setattr(Bundle, "start_epoch", never)
    told, _ = finish(start())
    assert len(tries) == 9
    assert told[-1]["failed"] == dict.fromkeys(range(3), "RuntimeError: no memory of that kind")


def test_a_trial_that_is_stopped_leaves_no_note_of_what_was_finished(start, around):
    stopped = start()
    stopped.step()
    finished = stopped._experiments[1]
    while finished.is_training:
        finished.start_epoch()
        finished.end_epoch(0.0)
    stopped.step()
    assert finished.is_done
    checkpoints = around.checkpoints
    assert len(list(checkpoints.iterdir())) == 1
    stopped.cleanup()
    assert len(list(checkpoints.iterdir())) == 2, "checkpoints of the two others, and no note"


def test_a_trial_that_cannot_go_on_keeps_what_was_under_way(start, around, monkeypatch):
    """One of the experiments finds the server away while epochs of the others have begun."""
    _, straight = finish(start())
    away = start()
    away.step()
    run = away._experiments[0].run._run
    log_epoch = run.log_epoch

    def is_away(epoch, statistics, metrics, **of_runs):
        if epoch == 3:
            raise TrackingAwayError("no answer")
        log_epoch(epoch, statistics, metrics, **of_runs)

    away._settings = replace(around.settings, report_every_s=60.0)
    run.log_epoch = is_away
    assert "launch again" in away.step()["fatal_error"]
    _, run_ids = finish(start())
    for run_id, expected in zip(run_ids, straight, strict=True):
        np.testing.assert_array_equal(around.curves(run_id), around.curves(expected))
        seconds = np.array(around.history(run_id)["epoch_seconds"].to_pylist())
        assert (seconds > 0).all(), "of the epochs that were under way too"
        assert (seconds < HANGS_S).all()


def test_where_the_gpu_is_lost_the_trial_fails_at_once_and_keeps_its_checkpoints(start, around, monkeypatch):
    stopped = start()
    stopped.step()
    stopped.cleanup()
    before = sorted((around.checkpoints).iterdir())

    def lost(*_arguments):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as patched:
        patched.setattr(Bundle, "start_epoch", lost)
        patched.setattr(Bundle, "load_state_dict", lost)
        with pytest.raises(RuntimeError, match="illegal memory access"):
            start().step()
    assert sorted((around.checkpoints).iterdir()) == before
    assert start().step()["epoch"] == 2


def test_a_trial_whose_process_dies_does_not_do_again_what_it_has_finished(start, around, monkeypatch):
    break_training(monkeypatch, 128, times=1)
    died = start()
    while [each[2] for each in died.step()["by_experiment"].values()] != [True, False, True]:
        pass
    told, _ = finish(start())  # as Tune does, under the same id
    assert [each for number, each in told[0]["by_experiment"].items() if number != 1] == [(EPOCHS, 0, True)] * 2
    assert around.statuses().count("FINISHED") == 3
    assert list((around.checkpoints).iterdir()) == []
