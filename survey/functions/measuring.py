"""Measures calls of a function for the pilot: the seconds of an epoch, and the memory of a run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from survey.errors import InputError
from survey.functions.server import FunctionError
from survey.functions.trainer import Calls, FunctionTrainer
from survey.workloads.experiment import Run
from survey.workloads.workload import EndOfTrainingError, EpochUnderWayError


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
