"""From the runs of an experiment to its summary: statistics over repetitions, by epoch and at the best epochs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from survey.dataset.schema import BEST_STATISTICS, best_name, choice_name
from survey.workloads.metrics import NOT_RECORDED, Metric, Metrics, at_epochs, best_epochs, is_recorded, quantiles

_QUARTILES = {"q1": 0.25, "median": 0.5, "q3": 0.75}


def summarise(runs: pa.Table, schema: pa.Schema, metrics: Metrics) -> pa.Table:
    """Summarise the runs of experiments with equal numbers of epochs.

    Args:
        runs: Rows of `all_repetitions`, those of an experiment together.
        schema: `survey.dataset.schema.summary_schema`; columns that `runs` lacks (partition columns) are left out, and
            so are the statistics of curves that it lacks. Those of curves that an experiment has not recorded are null.
        metrics: What the runs record.

    Returns:
        A row for each experiment, in the order of `runs`.
    """
    ids = runs["experiment_id"].to_numpy()
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.array([], dtype=int)
    bounds = np.r_[starts, len(ids)]
    lengths = _longest(runs, metrics)
    computed = [
        {**_one(runs.slice(start, end - start), metrics), "num": _num(lengths[start:end])}
        for start, end in pairwise(bounds)
    ]
    recorded = set(runs.column_names)  # asked for once, as there may be thousands
    described = runs.select([name for name in schema.names if name in recorded]).take(pa.array(starts))
    known = {"num", "num_runs", *_computed(runs.column_names, metrics)}
    fields = [field for field in schema if field.name in recorded or field.name in known]
    arrays = [described[field.name] if field.name in recorded else _column(computed, field) for field in fields]
    return pa.table(arrays, schema=pa.schema(fields, schema.metadata))


def _column(computed: list[dict[str, np.ndarray]], field: pa.Field) -> pa.Array:
    values = [row.get(field.name) for row in computed]
    return pa.array([_plain(value) for value in values], field.type)


def _plain(value: np.ndarray | None) -> Any:
    """A number, or a list; what is not recorded is null."""
    if value is None or not value.ndim:
        return None if value is None else value.item()
    if value.dtype == np.float32 and not (recorded := is_recorded(value)).all():
        return pa.array(value, mask=~recorded)
    return value


def _computed(columns: Collection[str], metrics: Metrics) -> Iterator[str]:
    """Names of the statistics of the curves that are among some columns, whether or not any experiment records them."""
    chooser = metrics.chooser
    for metric in (metric for metric in metrics.all if metric.curve in columns):
        yield from (f"{metric.name}_{statistic}" for statistic in metric.statistics)
        beginnings = [f"{best_name(metric)}_{what}" for what in ("epoch", "value")] if metric.best else []
        if metric.at_choice and chooser and chooser.curve in columns:
            beginnings.append(choice_name(metric, chooser))
        yield from (f"{beginning}_{statistic}" for beginning in beginnings for statistic in BEST_STATISTICS)


def _one(runs: pa.Table, metrics: Metrics) -> dict[str, np.ndarray]:
    """All computed columns of one experiment."""
    row: dict[str, np.ndarray] = {"num_runs": np.asarray(len(runs))}
    of_runs: dict[str, np.ndarray] = {}  # a value of each run
    chosen = _chosen(runs, metrics.chooser)
    for metric in metrics.all:
        if not _is_recorded(runs, metric) or not (metric.statistics or metric.best or metric.at_choice):
            continue
        curves = curves_of_runs(runs, metric.curve)
        for statistic, values in over_repetitions(curves, metric.statistics).items():
            row[f"{metric.name}_{statistic}"] = values
        of_runs |= _best(curves, metric)
        if metric.at_choice and metrics.chooser and chosen is not None:
            of_runs[choice_name(metric, metrics.chooser)] = at_epochs(curves, chosen)
    if of_runs:
        for statistic, values in over_repetitions(np.stack([*of_runs.values()], 1), BEST_STATISTICS).items():
            row |= {f"{name}_{statistic}": value for name, value in zip(of_runs, values, strict=True)}
    return row


def _is_recorded(runs: pa.Table, metric: Metric) -> bool:
    return _has(runs, metric.curve) and runs[metric.curve].null_count < len(runs)


def _has(runs: pa.Table, name: str) -> bool:
    """Whether there is such a column; `column_names` would list all of them each time."""
    return runs.schema.get_field_index(name) >= 0


def curves_of_runs(runs: pa.Table, name: str) -> np.ndarray:
    """float32 [repetitions, epochs]; what a run has not recorded, or is beyond its end, is `NOT_RECORDED`."""
    column = runs[name].combine_chunks()
    lengths, flat = _lengths(column), column.flatten()
    values = flat.to_numpy(zero_copy_only=False)
    if flat.null_count:
        values = np.where(flat.is_null().to_numpy(zero_copy_only=False), NOT_RECORDED, values)
    if (lengths == lengths.max(initial=0)).all():
        return values.reshape(len(runs), -1)
    curves = np.full((len(runs), lengths.max()), NOT_RECORDED)
    curves[np.arange(lengths.max()) < lengths[:, None]] = values
    return curves


def _lengths(column: pa.ListArray) -> np.ndarray:
    """Epochs of each run, 0 where the curve is null."""
    lengths = column.value_lengths()
    return (lengths.fill_null(0) if lengths.null_count else lengths).to_numpy(zero_copy_only=False)


def _longest(runs: pa.Table, metrics: Metrics) -> np.ndarray:
    """Epochs of each run, by its longest curve."""
    known = [name for name in metrics.curves if _has(runs, name)]
    return np.max([_lengths(runs[name].combine_chunks()) for name in known], axis=0) if known else np.zeros(0, int)


def _num(lengths: np.ndarray) -> np.ndarray:
    """How many runs have reached each epoch."""
    return (np.arange(lengths.max(initial=0)) < lengths[:, None]).sum(0)


def over_repetitions(values: np.ndarray, statistics: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Statistics over the first axis: quartiles with non-finite values last, the others over the finite values.

    Args:
        values: float [repetitions, ...].
        statistics: Some of num_finite, min, q1, median, q3, max, avg, stddev (of a sample).

    Returns:
        float32 [...] by statistic; NaN where there are too few finite values, `NOT_RECORDED` where none is
            recorded.
    """
    finite = np.isfinite(values)
    count = finite.sum(0)
    known = np.where(finite, values, 0.0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        avg = known.sum(0) / count
        results = {"num_finite": count, "avg": avg}
        if "min" in statistics:
            results["min"] = _or_nan(np.where(finite, values, np.inf).min(0), count)
        if "max" in statistics:
            results["max"] = _or_nan(np.where(finite, values, -np.inf).max(0), count)
        if "stddev" in statistics:
            squares = (np.where(finite, values - avg, 0.0) ** 2).sum(0)
            results["stddev"] = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
        quartiles = [name for name in _QUARTILES if name in statistics]
        probabilities = [_QUARTILES[name] for name in quartiles]
        results |= dict(zip(quartiles, quantiles(values, probabilities), strict=True)) if quartiles else {}
        found = {name: np.asarray(results[name], dtype=np.float32) for name in statistics}
    if values.dtype == np.float32 and values.ndim > 1:
        nowhere = ~is_recorded(values).any(0)
        if nowhere.any():
            return {name: np.where(nowhere, NOT_RECORDED, number) for name, number in found.items()}
    return found


def _or_nan(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.where(count > 0, values, np.nan)


def _best(curves: np.ndarray, metric: Metric) -> dict[str, np.ndarray]:
    """The (first) best epoch of each run, from 1, and the value there, if there is a best."""
    if not metric.best:
        return {}
    epoch, name = best_epochs(curves, metric), best_name(metric)
    return {f"{name}_epoch": epoch, f"{name}_value": at_epochs(curves, epoch)}


def _chosen(runs: pa.Table, chooser: Metric | None) -> np.ndarray | None:
    """The epoch of each run, as of `best_epochs`, at which others are told; None if these runs have none."""
    if not chooser or not _is_recorded(runs, chooser):
        return None
    return best_epochs(curves_of_runs(runs, chooser.curve), chooser)
