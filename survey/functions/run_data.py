"""The data of a run: drawn as those of a network are, and handed to the process of its call in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from survey.functions.experiment import FunctionExperiment
from survey.networks.rows import count_rows
from survey.tasks.prepared import PreparedTask


@dataclass(frozen=True)
class RunData:
    """The rows of a run, in a file that only this process and those that it is handed to can see.

    Attributes:
        about: What is in the file: see `survey.functions.given_data.mapped`.
        descriptor: The file.
    """

    about: dict[str, Any]
    descriptor: int


@contextmanager
def run_data(task: PreparedTask, experiment: FunctionExperiment, *, seed: int) -> Iterator[RunData]:
    """Yield the data of a run: those that a network with this seed has on the same task, without label noise.

    Args:
        task: The prepared task.
        experiment: What is trained, with `validation_split` and `train_fraction`.
        seed: Seed of the run.
    """
    # Not above: a plan needs neither.
    import torch

    from survey.networks.training.streams import draw_rows

    counts = count_rows(task.num_rows, experiment.validation_split, experiment.train_fraction, task.part_sizes)
    parts = None if task.parts is None else torch.tensor(task.parts)
    drawn = draw_rows(task.num_rows, counts, seed=seed, parts=parts)
    about = {
        "name": task.name,
        "kind": task.kind,
        "num_inputs": task.num_inputs,
        "num_outputs": task.num_outputs,
        "rows": {part: len(rows) for part, rows in drawn._asdict().items()},
    }
    descriptor = os.memfd_create("data")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            for rows in drawn:
                for array in (task.inputs, task.targets):
                    file.write(array[rows.numpy()].data)
        yield RunData(about, descriptor)
    finally:
        os.close(descriptor)
