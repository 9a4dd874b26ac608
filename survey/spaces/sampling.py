"""Some of the experiments of a search space, chosen by chance and yet the same ones on every machine."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence

from survey.workloads.experiment import Experiment


def sampled(experiments: Sequence[Experiment], count: int, seed: int) -> list[Experiment]:
    """Choose the experiments whose hashes of seed and id are the lowest, in the order in which they are given.

    Whether an experiment is chosen depends on how many of the others have a lower hash: so each has the same chance,
    more of them contain fewer of them, and those that a larger grid adds take the places of as few as possible.
    """
    chosen = set(heapq.nsmallest(count, experiments, key=lambda each: _place(each, seed)))
    return [each for each in experiments if each in chosen]


def _place(experiment: Experiment, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{experiment.experiment_id}".encode()).digest()
