"""What the pilot measures of a function: the seconds of an epoch, and the memory of a run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from survey.errors import InputError
from survey.functions.description import Description, taken_names
from survey.functions.experiment import FunctionExperiment
from survey.functions.search_space import FunctionSpace
from survey.functions.server import FunctionError, FunctionServer
from survey.functions.source import Source
from survey.functions.trainer import Calls, FunctionTrainer
from survey.networks.data import TaskData
from survey.workloads.experiment import Run
from survey.workloads.workload import EndOfTrainingError, EpochUnderWayError

_LARGE_TASK = 1e6
"""Numbers in the inputs of a task that count like the largest value of an axis, before anything is measured."""


def measure(calls: Calls, *, seconds: float) -> tuple[float, int]:
    """Train a run for about so many seconds.

    Returns:
        The seconds of an epoch, with its part of what comes before the first one; and the most memory that the run has
        taken so far, in bytes: of the GPU if it trains there, and 0 if that is not known.

    Raises:
        InputError: The function fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        trainer = FunctionTrainer(calls, seeds=[Run(calls.experiment, 0).seed], folders=[Path(folder)])
        try:
            epoch_s = _epoch_s(trainer, calls.experiment.epochs, seconds)
            trainer.close()
        except FunctionError as error:
            raise InputError(f"--pilot: {calls.experiment.label}: {error}") from None
        return epoch_s, trainer.peak_bytes


def _epoch_s(trainer: FunctionTrainer, epochs: int, seconds: float) -> float:
    trainer.begin()  # which every run pays once, as `CostModel.run_s` says
    took: list[float] = []
    began = time.perf_counter()
    ends = began + seconds
    try:
        while trainer.epoch < epochs and (not took or time.perf_counter() < ends):
            began = time.perf_counter()
            trainer.start_epoch()
            trainer.end_epoch()
            took.append(time.perf_counter() - began)
    except EpochUnderWayError:
        took.append(time.perf_counter() - began)
    except EndOfTrainingError:
        pass
    first, later = took[0], sum(took[1:]) / max(1, len(took) - 1) or took[0]
    return later + max(0.0, first - later) / epochs


class MemoryModel:
    """What a run takes of memory, as it depends on its axes: linear, and no less than was measured."""

    def __init__(self) -> None:
        self._terms: list[Sequence[float]] = []
        self._bytes: list[int] = []
        self._fitted: np.ndarray | None = None

    def note(self, terms: Sequence[float], num_bytes: int) -> None:
        """Take a measurement.

        Args:
            terms: What the memory may depend on: 1, and each axis relative to its largest value.
            num_bytes: The memory; 0 if it could not be measured.
        """
        self._terms.append(terms)
        self._bytes.append(num_bytes)
        self._fitted = None

    def estimate(self, terms: Sequence[float]) -> int:
        """Return the bytes of a run, or 0 if they are not known."""
        if not self._bytes or not all(self._bytes):
            return 0
        if self._fitted is None:
            self._fitted = _fit(np.array(self._terms), np.array(self._bytes, dtype=float))
        return int(np.ceil(self._fitted @ np.array(terms)))


def _fit(terms: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Bytes for each term: non-negative least squares in relative terms, raised to what was measured.

    Args:
        terms: float64 [samples, terms].
        measured: float64 [samples], in bytes.
    """
    from scipy.optimize import nnls

    found, _ = nnls(terms / measured[:, None], np.ones(len(measured)))
    return found * max(1.0, float((measured / np.maximum(1.0, terms @ found)).max()))


class Measurements:
    """Measures a function for the pilot, and remembers the memory, see `survey.functions.needs.Measuring`.

    Args:
        source: The function; None if it is not to be called.
        description: What is known of it.
        spaces: The search spaces, which say how large axes become.
        tasks: What it learns, if it asks for data.
    """

    def __init__(
        self, source: Source | None, description: Description, spaces: Sequence[FunctionSpace], tasks: TaskData
    ) -> None:
        self._source, self._description, self._spaces, self._tasks = source, description, spaces, tasks
        self._memory = MemoryModel()
        self.are_there = False

    @cached_property
    def _largest(self) -> dict[str, float]:
        """The largest absolute value of each numeric axis."""
        found = dict.fromkeys(self._description.numeric, 0.0)
        for grid in (grid for space in self._spaces for grid in space.grids):
            for name in found.keys() & set(grid.keys()):
                found[name] = max(found[name], *(abs(value or 0) for value in grid.values(name)))
        return {name: most or 1.0 for name, most in found.items()}

    def terms(self, experiment: FunctionExperiment, *, may_guess: bool = False) -> tuple[float, ...]:
        """Return what time and memory may depend on: 1, numeric axes by their largest values, the size of the task."""
        axes = tuple(abs(getattr(experiment, name) or 0) / most for name, most in self._largest.items())
        if not experiment.is_on_task:
            return (1.0, *axes)
        task = self._tasks.describe(experiment.dataset, may_guess=may_guess)
        return (1.0, *axes, task.rows * task.num_inputs / _LARGE_TASK)

    @cached_property
    def _server(self) -> FunctionServer:
        assert self._source
        return FunctionServer(self._source)

    def epoch_s(self, experiment: FunctionExperiment, *, device: str, seconds: float) -> float:
        """Train a run for about so many seconds, see `measure`; return the seconds of an epoch."""
        self.are_there = True
        taken, objective = taken_names(self._description.columns), self._description.objective
        task = self._tasks.task(experiment.dataset) if experiment.is_on_task else None
        calls = Calls(self._server, experiment, objective, taken, device, str(Path.cwd()), task)
        found_s, num_bytes = measure(calls, seconds=seconds)
        self._memory.note(self.terms(experiment), num_bytes)
        return found_s

    def run_bytes(self, experiment: FunctionExperiment) -> int:
        """Return the memory of a run by what has been measured; 0 if nothing has."""
        return self._memory.estimate(self.terms(experiment, may_guess=True)) if self.are_there else 0

    def forget(self) -> None:
        """Forget what has been measured."""
        self.are_there, self._memory = False, MemoryModel()
