"""Some of the experiments of a search space, chosen by chance and yet the same ones on every machine."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

from survey.workloads.experiment import Experiment


def sampled(experiments: Iterable[Experiment], count: int | None, seed: int) -> list[Experiment]:
    """Choose the experiments whose hashes of seed and id are the lowest: of equal ones the first, in their order.

    Whether an experiment is chosen depends on how many of the others have a lower hash: so each has the same chance,
    more of them contain fewer of them, and those that a larger grid adds take the places of as few as possible.

    Args:
        experiments: What to choose from; equal ones count once.
        count: How many; None for all.
        seed: Another number chooses others.
    """
    distinct = list(dict.fromkeys(experiments))
    if count is None:
        return distinct
    chosen = set(heapq.nsmallest(count, distinct, key=lambda each: _place(each, seed)))
    return [each for each in distinct if each in chosen]


def _place(experiment: Experiment, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{experiment.experiment_id}".encode()).digest()
