"""Experiments whose runs train one after the other, spread by their repetitions over trials that train at once.

No run's numbers depend on it, and each trial has its own MLflow run and its own checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from survey.plan.bundles import PlannedBundle, in_order
from survey.plan.plan import Plan
from survey.workloads.cost import CostModel

_PARTS_PER_PLACE = 4
"""How many trials each core gets, at least, so that none is idle for long at the end."""

_SHORTEST_S = 2.0
"""Seconds of training below which a part is not worth a trial of its own."""

Begun = Mapping[int, Sequence[tuple[int, ...]]]
"""Repetitions of trials that were begun and have a checkpoint, by experiment_id."""


def spread(plan: Plan, model: CostModel, *, places: int, is_measured: bool, begun: Begun) -> Plan:
    """Split experiments by their repetitions where the cores are used better so.

    If a pilot has measured the costs, by these: an experiment that takes more than its share of all. Otherwise if there
    are fewer trials than cores. What was begun stays together, so that it finds its checkpoint.

    Args:
        plan: Experiments whose runs train one after the other.
        model: What the costs of the plan are estimated by.
        places: Trials that train at once.
        is_measured: Whether a pilot has measured the costs.
        begun: Trials to go on with.
    """
    share_s = math.inf
    if is_measured:
        share_s = sum(bundle.training_s for bundle in plan.bundles) / (_PARTS_PER_PLACE * places)
    elif len(plan.bundles) < places:
        share_s = sum(bundle.training_s for bundle in plan.bundles) / places
    least_s = _SHORTEST_S if is_measured else 0.0
    parts = [
        _of_repetitions(bundle, numbers, model)
        for bundle in plan.bundles
        for numbers in _parts(bundle, max(share_s, least_s), begun.get(bundle.experiment.experiment_id, ()))
    ]
    return plan if len(parts) == len(plan.bundles) else replace(plan, bundles=in_order(parts), packed=())


def _parts(bundle: PlannedBundle, share_s: float, begun: Collection[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Yield the repetitions of each part of a bundle: those that were begun, and the others in equal parts."""
    left = set(bundle.repetitions)
    for numbers in sorted(begun):
        if left.issuperset(numbers):
            left.difference_update(numbers)
            yield numbers
    others = sorted(left)
    if not others:
        return
    training_s = bundle.training_s * len(others) / len(bundle.repetitions)
    count = min(len(others), max(1, math.ceil(training_s / share_s - 1e-9)))
    for part in range(count):
        yield tuple(others[len(others) * part // count : len(others) * (part + 1) // count])


def _of_repetitions(bundle: PlannedBundle, numbers: tuple[int, ...], model: CostModel) -> PlannedBundle:
    """A part of a bundle, which takes the same memory, as its runs train one after the other."""
    if numbers == bundle.repetitions:
        return bundle
    work = bundle.needs.work(len(numbers))
    cost_s, training_s = model.bundle_s(work, epochs=bundle.num_epochs, runs=len(numbers))
    return bundle._replace(repetitions=numbers, work=work, cost_s=cost_s, training_s=training_s)
