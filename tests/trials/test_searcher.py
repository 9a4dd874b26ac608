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
from survey.trials.searcher import PlanOrder
from survey.trials.tune import most_waiting, report_every_s, resources
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
