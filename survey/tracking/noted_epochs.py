"""Epochs that a trial has noted, as rows of MLflow: medians over the repetitions, and the values of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from survey.tracking.rows import MetricRow
from survey.workloads.metrics import NOT_RECORDED, Metrics, is_recorded, quantiles


class NotedEpoch(NamedTuple):
    """What is noted of an epoch.

    Attributes:
        number: Its number, from 1.
        timestamp_ms: When it was noted, in milliseconds since 1970.
        statistics: float32 [metrics, repetitions].
        metrics: Which ones these are: those of the epochs before, and after them any others that training has found.
        runs: Places of the repetitions that have just trained it.
        is_of_trial: Whether all repetitions have trained it now.
    """

    number: int
    timestamp_ms: int
    statistics: np.ndarray
    metrics: Metrics
    runs: frozenset[int]
    is_of_trial: bool


def trial_rows(run_id: str, epochs: Sequence[NotedEpoch]) -> list[MetricRow]:
    """Return what the run of a trial gets of epochs: medians over the repetitions, and quartiles of some metrics."""
    if not epochs:
        return []
    metrics, values = epochs[-1].metrics, _stacked(epochs)
    q1, median, q3 = quantiles(values.transpose(1, 0, 2), (0.25, 0.5, 0.75))  # [metrics, epochs] each
    anywhere: npt.NDArray[np.bool_] = np.any(is_recorded(values), axis=1)  # [metrics, epochs]
    rows: list[MetricRow] = []
    for k, name in enumerate(metrics.names):
        rows += _points(run_id, name, epochs, median[k], anywhere[k])
    for k, name in _places(metrics, [metric.name for metric in metrics.with_quartiles]):
        rows += _points(run_id, f"{name}_q1", epochs, q1[k], anywhere[k])
        rows += _points(run_id, f"{name}_q3", epochs, q3[k], anywhere[k])
    return rows


def run_rows(run_ids: Sequence[str], epochs: Sequence[NotedEpoch]) -> list[MetricRow]:
    """Return what the runs of repetitions get of epochs: each its own values, of those that it has just trained."""
    if not run_ids:
        return []
    metrics, values = epochs[-1].metrics, _stacked(epochs)
    recorded = is_recorded(values)
    places = list(_places(metrics, [metric.name for metric in metrics.of_runs]))
    rows: list[MetricRow] = []
    for number, run_id in enumerate(run_ids):
        own = np.array([number in epoch.runs for epoch in epochs])
        for k, name in places if own.any() else ():
            rows += _points(run_id, name, epochs, values[k, number], recorded[k, number] & own)
    return rows


def _places(metrics: Metrics, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    return ((metrics.names.index(name), name) for name in names)


def _points(
    run_id: str, key: str, epochs: Sequence[NotedEpoch], values: np.ndarray, is_there: np.ndarray
) -> Iterator[MetricRow]:
    """Yield the points of a curve, float [epochs], where there are any, bool [epochs]."""
    for epoch, value, there in zip(epochs, values.tolist(), is_there.tolist(), strict=True):
        if there:
            yield MetricRow(run_id, key, value, epoch.number, epoch.timestamp_ms)


def _stacked(epochs: Sequence[NotedEpoch]) -> npt.NDArray[np.float32]:
    """float32 [metrics, repetitions, epochs], of epochs of which the earlier ones may have fewer metrics."""
    values = np.full((len(epochs[-1].metrics.all), epochs[0].statistics.shape[1], len(epochs)), NOT_RECORDED)
    for number, epoch in enumerate(epochs):
        values[: len(epoch.statistics), :, number] = epoch.statistics
    return values
