"""Plans of networks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from survey.networks.cost import default_model
from survey.networks.needs import NetworkNeeds
from survey.networks.search_space import SearchSpace
from survey.plan.bundles import KeptState
from survey.plan.make_plan import Bound, Device, Existing, make_plan
from survey.plan.plan import Plan
from survey.tasks.loading import TaskDescription, describe

EPOCHS = 6


def plan_of(
    spaces: Sequence[SearchSpace],
    describe: Callable[[str], TaskDescription] = describe,
    *,
    on_gpu: bool = False,
    bound: Bound | None = None,
    done: Mapping[int, Collection[int]] = {},
    states: Mapping[int, Sequence[KeptState]] = {},
    **options: Any,
) -> Plan:
    """The plan of search spaces; further options as of `make_plan`."""

    records_initial = any(space.record_initial for space in spaces)

    def needs(experiment) -> NetworkNeeds | None:
        return NetworkNeeds.of(experiment, describe(experiment.dataset), records_initial=records_initial)

    device = Device(default_model(on_gpu=on_gpu), on_gpu, bound or Bound())
    chosen = {"contents": {}, **options}
    return make_plan(spaces, needs=needs, device=device, existing=Existing(done, states), **chosen)


def planned(sizes=(64, 128, 256), shapes=("rectangle",), **axes: Any) -> Plan:
    """The plan of a few small experiments, perhaps with other axes."""
    grid = {"dataset": "sklearn:iris", "shape": list(shapes), "size": list(sizes), "depth": 3, "epochs": EPOCHS, **axes}
    return plan_of([SearchSpace.model_validate({"name": "x", "repetitions": 3, "grids": [grid]})])
