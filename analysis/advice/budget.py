"""Budgets of a training, and the candidates within one on a task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.advice.surveyed import Surveyed
from analysis.advice.task import Task
from analysis.reading.tables import read
from survey.errors import InputError
from survey.networks.topology import layer_widths, within_tolerance


@dataclass(frozen=True, slots=True)
class Budget:
    """What one training of a network may take; None means no bound.

    Attributes:
        epochs: Most epochs.
        parameters: Most trainable parameters.
        seconds: Most seconds in the epoch loop, on a machine like that of the survey.

    Raises:
        InputError: A bound is not positive.
    """

    epochs: int | None = None
    parameters: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "parameters", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"a budget of {value} {name}: expected more than 0")


@dataclass(frozen=True)
class Costs:
    """Seconds per row and epoch of each setting, (S,), as measured in the survey's runs; NaN where unknown."""

    row_epoch_s: npt.NDArray[np.float64]

    def seconds(self, task: Task, epochs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the seconds of a run of each candidate on a task, (S, E)."""
        return self.row_epoch_s[:, None] * (task.rows or np.nan) * epochs

    def of(self, settings: npt.NDArray[np.bool_]) -> Costs:
        """Return the costs of the settings in a mask (S,)."""
        return Costs(self.row_epoch_s[settings])


def costs(dataset: Path | str, data: Surveyed) -> Costs:
    """Read how long the runs of a data set took: the median over tasks of the seconds per row and epoch."""
    keys = list(data.settings.columns)
    runs = read(dataset, table="all_repetitions", columns=["dataset", *keys, "epochs", "train_seconds"])
    rows = runs["dataset"].map({task.name: task.rows or np.nan for task in data.tasks})
    runs["row_epoch_s"] = runs["train_seconds"].astype(float) / runs["epochs"].astype(float) / rows
    by_task = runs.groupby([*keys, "dataset"])["row_epoch_s"].median().reset_index()
    medians = by_task.groupby(keys)["row_epoch_s"].median().reset_index()
    return Costs(data.settings.merge(medians, on=keys, how="left")["row_epoch_s"].to_numpy(float))


def networks(data: Surveyed, task: Task) -> list[tuple[tuple[int, ...], int]]:
    """Return layer widths and number of parameters of each of the S settings on a task."""
    return [
        layer_widths(shape, size, depth, task.inputs, task.outputs)
        for shape, size, depth in zip(
            *(data.settings[name].tolist() for name in ("shape", "size", "depth")), strict=True
        )
    ]


def within(data: Surveyed, task: Task, budget: Budget, cost: Costs | None) -> npt.NDArray[np.bool_]:
    """Return which candidates a task and a budget allow, (S, E): as in a survey, a network must come near its size."""
    allowed = np.ones(data.losses.shape[1:], bool)
    if task.inputs:
        sizes = data.settings["size"].tolist()
        counts = [count for _, count in networks(data, task)]
        near = np.array([within_tolerance(count, size) for count, size in zip(counts, sizes, strict=True)])
        allowed &= near[:, None]
    else:
        counts = data.settings["size"].tolist()
    if budget.epochs is not None:
        allowed &= data.epochs <= budget.epochs
    if budget.parameters is not None:
        allowed &= (np.array(counts) <= budget.parameters)[:, None]
    if budget.seconds is not None and cost is not None:
        # Comparisons with NaN are false: an unknown time exceeds the budget.
        allowed &= cost.seconds(task, data.epochs) <= budget.seconds
    return allowed
