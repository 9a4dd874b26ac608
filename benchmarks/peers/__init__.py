"""Ways to train the same runs: our cores, and what else could be used.

Each module has a class `Peer`, made with a cell, a number of runs, a number of epochs to have draws for and a device,
and for our own the name of a core. Its `train(num_epochs)` goes on for so many epochs and returns the seconds of each
epoch and its statistics. Drawing the orders of epochs is counted for ours, and not for the others. Where the way to
train cannot be fed the drawn orders without losing speed, `check(num_epochs)` stands in for it in the first epochs,
whose statistics are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Epochs:
    """Epochs that have been trained.

    Attributes:
        seconds: Duration of each epoch, all runs together, by `clock`.
        statistics: [epochs, 20, runs], in the order of `survey.networks.metrics.HISTORY_COLUMNS`.
    """

    seconds: list[float]
    statistics: np.ndarray


def clock(device: str) -> Callable[[], float]:
    """Return what tells seconds: of the processor on a CPU, where all peers have one thread, and of the wall else."""
    return time.process_time if device == "cpu" else time.perf_counter
