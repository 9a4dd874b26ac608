"""Ray Tune's trials: those of the plan, in its order, at a cost that does not grow with their number."""

from __future__ import annotations

import copy
import pickle
import time
from dataclasses import replace

import pytest
from ray.tune.search import Searcher

from survey.cluster.connection import Cluster
from survey.networks.search_space import Grid, SearchSpace
from survey.trials.messages import trial_config
from survey.trials.searcher import PlanOrder, Room
from survey.trials.tune import most_waiting, report_every_s, resources, room_for
from tests.support.planned import plan_of


def trials(count: int):
    rates = [(number + 1) / 1e6 for number in range(count)]
    grid = Grid(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=100, learning_rate=rates)
    space = SearchSpace(name="many", repetitions=5, grids=[grid])
    return plan_of([space]).trials


def test_every_trial_is_suggested_once_and_in_order():
    planned = trials(50)
    order = PlanOrder(planned)
    suggested = [order.suggest(f"trial {number}") for number in range(50)]
    assert suggested == [trial_config(group) for group in planned]
    assert order.suggest("one more") == order.suggest("and another") == Searcher.FINISHED


@pytest.mark.parametrize(("num_trials", "seconds"), [(1, 1.0), (100, 1.0), (250, 2.5), (1_000, 10.0), (100_000, 10.0)])
def test_the_more_trials_train_at_a_time_the_less_often_each_reports(num_trials, seconds):
    assert report_every_s(num_trials) == seconds


@pytest.mark.parametrize(
    ("num_gpus", "gib", "node_gib", "asked"),
    [
        (0, 0.5, 16, {"CPU": 1}),
        (0, 2.5, 16, {"CPU": 1, "memory": 3 << 30}),
        (0, 20.0, 16, {"CPU": 1, "memory": 16 << 30}),
        (0, 20.0, 0, {"CPU": 1}),
        (0.5, 20.0, 16, {"CPU": 1, "GPU": 0.5}),
    ],
)
def test_a_trial_asks_for_the_memory_of_a_large_network(num_gpus, gib, node_gib, asked):
    config = {"trial": {"num_gpus": num_gpus, "bundle_bytes": int(gib * (1 << 30))}}
    assert resources(config, node_memory=node_gib << 30).bundles == [asked]


def test_as_many_trials_wait_as_there_are_places_where_all_ask_for_the_same():
    machine = Cluster("head", None, num_cpus=20.0, num_gpus=2.0, node_memory=16 << 30, is_local=True)
    planned = trials(500)
    assert most_waiting(planned, machine) == 22
    assert most_waiting(planned, replace(machine, is_local=False)) == 200, "a cluster may grow by what waits"
    assert most_waiting(planned, replace(machine, num_cpus=1000.0, is_local=False)) == 1100
    for unlike in ({"num_gpus": 0.5}, {"bundle_bytes": 3 << 30}):
        mixed = (*planned, tuple(bundle._replace(**unlike) for bundle in planned[0]))
        assert most_waiting(mixed, machine) == 200, "those further back may find another place"


def both_kinds(on_gpus: int, on_cores: int):
    """Trials on halves of a GPU, then trials on cores."""
    planned = trials(on_gpus + on_cores)
    return [
        tuple(bundle._replace(num_gpus=0.5 * (number < on_gpus)) for bundle in trial)
        for number, trial in enumerate(planned)
    ]


def test_no_trial_waits_for_a_place_of_the_other_kind():
    """Six cores and a GPU that two share: four cores are for others until the last on the GPU are done."""
    order = PlanOrder(both_kinds(6, 12), Room(shares=2, waiting=1, num_cpus=lambda: 6.0))
    ids = (str(number) for number in range(100))
    running = {"gpu": [], "core": []}

    def ask() -> str | None:
        trial_id = next(ids)
        config = order.suggest(trial_id)
        if not config or config == Searcher.FINISHED:
            return config
        kind = "gpu" if config["trial"]["num_gpus"] else "core"
        running[kind].append(trial_id)
        return kind

    def finish(kind: str) -> None:
        order.on_trial_complete(running[kind].pop(0))

    assert [ask() for _ in range(8)] == ["gpu"] * 3 + ["core"] * 4 + [None]
    finish("core")
    assert [ask(), ask()] == ["core", None], "whatever happens on the GPU"
    finish("gpu")
    assert [ask(), ask()] == ["gpu", None], "whatever happens on the cores"
    for _ in range(3):
        finish("gpu")
        ask()
    assert not ask(), "two on the GPU are left, and have two cores"
    finish("gpu")
    assert [ask(), ask()] == ["core", None]
    finish("gpu")
    assert [ask(), ask()] == ["core", None]
    for _ in range(5):
        finish("core")
        ask()
    assert ask() == Searcher.FINISHED


def test_there_is_room_for_both_kinds_where_a_plan_has_both():
    machine = Cluster("head", None, num_cpus=20.0, num_gpus=2.0, node_memory=16 << 30, is_local=True)
    assert room_for(trials(4), machine) is room_for(both_kinds(4, 0), machine) is None
    room = room_for(both_kinds(100, 100), machine)
    assert (room.shares, room.on_gpus, room.on_cores(100), room.on_cores(1), room.on_cores(0)) == (4, 26, 16, 19, 20)
    assert room_for(both_kinds(100, 100), replace(machine, num_cpus=2.0)).on_cores(100) == 1, "never none"


def test_tune_may_copy_and_pickle_it():
    planned = trials(3)
    for order in (copy.deepcopy(PlanOrder(planned)), pickle.loads(pickle.dumps(PlanOrder(planned)))):
        assert order.suggest("first") == trial_config(planned[0])


def test_a_trial_of_many_costs_what_one_of_few_does():
    """`tune.grid_search` copies its whole list for each trial: 100 ms each for 1,000 trials."""
    order = PlanOrder(trials(4000))
    began = time.process_time()
    for number in range(4000):
        order.suggest(f"trial {number}")
    assert (time.process_time() - began) / 4000 < 0.001
