"""Ray Tune's trials: those of the plan, in its order, at a cost that does not grow with their number."""

from __future__ import annotations

import copy
import pickle
import time
from functools import partial

from ray.tune.search import Searcher

from survey.plan import make_plan
from survey.plan_order import PlanOrder
from survey.space import Grid, SearchSpace
from survey.tasks import describe
from survey.trial_messages import trial_config


def trials(count: int):
    rates = [(number + 1) / 1e6 for number in range(count)]
    grid = Grid(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=100, learning_rate=rates)
    space = SearchSpace(name="many", repetitions=5, grids=[grid])
    return make_plan([space], contents={}, describe=partial(describe, user_tasks={}), done={}).groups


def test_every_trial_is_suggested_once_and_in_order():
    planned = trials(50)
    order = PlanOrder(planned)
    suggested = [order.suggest(f"trial {number}") for number in range(50)]
    assert suggested == [trial_config(group) for group in planned]
    assert order.suggest("one more") == order.suggest("and another") == Searcher.FINISHED


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
