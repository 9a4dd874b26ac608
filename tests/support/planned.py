"""The plan of a few small experiments."""

from __future__ import annotations

from survey.plan.make_plan import make_plan
from survey.plan.plan import Plan
from survey.spaces.search_space import SearchSpace
from survey.tasks.loading import describe

EPOCHS = 6


def planned(sizes=(64, 128, 256), shapes=("rectangle",)) -> Plan:
    grid = {"dataset": "sklearn:iris", "shape": list(shapes), "size": list(sizes), "depth": 3, "epochs": EPOCHS}
    space = SearchSpace.model_validate({"name": "x", "repetitions": 3, "grids": [grid]})
    return make_plan([space], contents={}, describe=describe, done={})
