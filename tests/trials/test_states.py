"""Kept states: an experiment of more epochs goes on from one of fewer, and its row is that of an undisturbed one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from survey.networks.columns import COLUMNS
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import METRICS
from survey.networks.search_space import Grid, SearchSpace
from survey.output.states import States
from survey.plan.bundles import PlannedBundle
from survey.plan.estimate import Machine, Rows, price
from survey.plan.plan import Plan
from survey.trials.messages import trial_config
from tests.support.planned import plan_of
from tests.support.trial_outside_ray import Trial, TrialFolder

SETTING = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 64, "depth": 3, "learning_rate": 0.01}


def space(epochs: int, **changes) -> SearchSpace:
    return SearchSpace(name="x", repetitions=4, grids=[Grid(**{**SETTING, "epochs": epochs, **changes})])


def planned(folder: Path, epochs: int, done: Iterable[int] = (), **changes) -> Plan:
    one = space(epochs, **changes)
    done_here = {experiment.experiment_id: set(done) for experiment in one.experiments()}
    return plan_of([one], done=done_here, states=States(folder / "states").kept())


@pytest.fixture
def train(tmp_path, database) -> Callable[..., dict[int, np.ndarray]]:
    """Trains bundles; returns the curves of each repetition."""
    around = TrialFolder(tmp_path, database)

    def trained(bundles: Iterable[PlannedBundle], *, keep: bool = False, first: int = 1) -> dict[int, np.ndarray]:
        found = {}
        for bundle in bundles:
            told = Trial(trial_config([bundle]), replace(around.settings, keep_states=keep)).train()
            run_id = told[-1]["mlflow_run_id"]
            assert told[0]["epoch"] == first
            assert around.epochs(run_id) == list(range(1, bundle.experiment.epochs + 1))
            history = around.history(run_id)
            seconds = np.array(history["epoch_seconds"].to_pylist())
            assert seconds.shape == (len(bundle.repetitions), bundle.experiment.epochs)
            assert (seconds > 0).all()
            found |= zip(history["repetition"].to_pylist(), around.curves(run_id).swapaxes(0, 1), strict=True)
        return found

    return trained


def same(one: dict[int, np.ndarray], other: dict[int, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "RMSprop", "momentum": 0.9}], ids=str)
def test_more_epochs_go_on_and_give_what_they_give_undisturbed(tmp_path, train, changes):
    undisturbed = train(planned(tmp_path, 7, **changes).bundles)
    train(planned(tmp_path, 3, **changes).bundles, keep=True)
    longer = planned(tmp_path, 7, **changes)
    (bundle,) = longer.bundles
    assert (bundle.start_epoch, bundle.num_epochs, longer.run_epochs_planned) == (3, 4, 16)
    assert same(train(longer.bundles, first=4), undisturbed)


def test_a_schedule_that_ends_with_the_training_starts_over(tmp_path, train):
    train(planned(tmp_path, 3, schedule="cosine").bundles, keep=True)
    (bundle,) = planned(tmp_path, 7, schedule="cosine").bundles
    assert bundle.start_epoch == 0


def test_what_a_trial_leaves_says_how_its_network_was_made(tmp_path, database):
    around = TrialFolder(tmp_path, database)
    axes = {"optimizer": "AdamW", "weight_decay": 0.1, "schedule": "linear", "dropout": 0.1, "normalization": "layer"}
    grid = Grid(dataset="sklearn:iris", widths=[[8, 4]], epochs=3, **axes)
    plan = plan_of([SearchSpace(name="x", repetitions=2, grids=[grid], record_initial=True)])
    run_id = Trial(trial_config(plan.bundles), around.settings).train()[-1]["mlflow_run_id"]
    first, second = around.history(run_id).to_pylist()
    count = 5 * 8 + 9 * 4 + 5 * 3
    told = {"shape": "widths", "depth": 3, "size": count, "num_free_parameters": count + 2 * 12, "widths": [8, 4, 3]}
    told |= {"optimizer": "adamw", "schedule": "linear", "normalization": "layer", "initialization": "glorot_uniform"}
    assert {name: first[name] for name in told} == told
    assert len(first["val_loss"]) == 3
    assert first["initial_val_loss"] != second["initial_val_loss"]
    assert first["initial_validation_loss"] is None
    params = around.store.client.get_run(run_id).data.params
    assert (params["size"], params["hidden_widths"], params["record_initial"]) == (str(count), "(8, 4)", "True")


def test_repetitions_that_were_trained_apart_go_on_apart(tmp_path, train):
    undisturbed = train(planned(tmp_path, 6).bundles)
    train(planned(tmp_path, 3, done=(2, 3)).bundles, keep=True)
    train(planned(tmp_path, 4, done=(0, 1, 3)).bundles, keep=True)
    longer = planned(tmp_path, 6)
    assert {(each.start_epoch, each.repetitions) for each in longer.bundles} == {(3, (0, 1)), (4, (2,)), (0, (3,))}
    found = {}
    for bundle in longer.bundles:
        found |= train([bundle], first=bundle.start_epoch + 1)
    assert same(found, undisturbed)


def test_only_what_differs_in_more_epochs_alone_goes_on(tmp_path, train):
    train(planned(tmp_path, 3).bundles, keep=True)
    others = [{"learning_rate": 0.02}, {"size": 128}, {"optimizer": "SGD"}, {"draws": "independent"}]
    assert [each.start_epoch for changes in others for each in planned(tmp_path, 7, **changes).bundles] == [0] * 4
    assert [each.start_epoch for each in planned(tmp_path, 2).bundles] == [0]
    assert [each.start_epoch for each in planned(tmp_path, 7, done=(1,)).bundles] == [0], "they were trained together"


def test_independent_draws_keep_nothing(tmp_path, train):
    train(planned(tmp_path, 2, draws="independent").bundles, keep=True)
    assert States(tmp_path / "states").kept() == {}


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"", None])
def test_a_state_that_cannot_be_read_is_done_without(tmp_path, train, damage):
    undisturbed = train(planned(tmp_path, 5).bundles)
    train(planned(tmp_path, 3).bundles, keep=True)
    longer = planned(tmp_path, 5)
    (file,) = (tmp_path / "states").iterdir()
    if damage:
        file.write_bytes(damage(file.read_bytes()))
    else:
        file.unlink()
    assert same(train(longer.bundles), undisturbed)


def test_states_are_priced_and_dropped(tmp_path, train):
    plan = planned(tmp_path, 5)
    rows = Rows(METRICS, repetition_runs=False, epochs=lambda epochs: epochs)
    prices = [price(plan, rows, COLUMNS, Machine(1), keep_states=keep) for keep in (False, True)]
    train(plan.bundles, keep=True)
    (file,) = (tmp_path / "states").iterdir()
    (bundle,) = plan.bundles
    assert prices[0].state_bytes == 0
    assert prices[1].state_bytes == 4 * (3 * 4 * bundle.needs.details["num_free_parameters"] + 21 * 4 * 5)
    assert prices[1].state_bytes < file.stat().st_size < 20_000 + 2 * prices[1].state_bytes
    num_bytes = file.stat().st_size
    assert States(tmp_path / "states").remove([12345]) == (0, 0)
    assert States(tmp_path / "states").remove() == (1, num_bytes)
    assert not (tmp_path / "states").exists()


def test_names_say_which_repetitions(tmp_path):
    experiment, states = NetworkExperiment(**SETTING), States(tmp_path)
    for repetitions in ((0,), (0, 1, 2, 5), (3, 4, 9, 10, 11)):
        file = states.file(experiment, repetitions, 7)
        assert file is not None
        file.touch()
    for strange in ("notes.txt", f"{experiment.prefix_id:016x}-e7-r0-99999999999.pt"):
        (tmp_path / strange).touch()
    (kept,) = states.kept().values()
    assert sorted(each.repetitions for each in kept) == [(0,), (0, 1, 2, 5), (3, 4, 9, 10, 11)]
    assert {each.epochs for each in kept} == {7}
    assert states.file(experiment, range(0, 300, 2), 7) is None
