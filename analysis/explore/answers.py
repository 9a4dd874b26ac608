"""What a choice on the page comes to: curves, runs, effects and differences, read or computed when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from analysis.conclusions.axis_effects import effects_of
from analysis.conclusions.differences import difference_among
from analysis.conclusions.many_differences import differences_from, runs_of
from analysis.conclusions.scores import Scores, scores_of
from analysis.conclusions.surveyed import Surveyed
from analysis.explore.catalogue import codes, experiments_by_task
from analysis.explore.index import Index, epoch_column, value_column
from analysis.reading.axes import varied_axes
from analysis.reading.best import Best, best_of
from analysis.reading.curves import curve_matrix, num_epochs
from analysis.reading.frames import where
from analysis.reading.parts import read_parts
from analysis.reading.tables import SUMMARY
from survey.dataset.layout import REPETITIONS
from survey.dataset.summary import curves_of_runs, over_repetitions
from survey.errors import InputError, nearest
from survey.workloads.metrics import Metric, is_recorded, log_spaced_epochs

pc: Any = pyarrow.compute  # whose functions are made when it is imported, so that no type checker knows them

_QUARTILES = ("q1", "median", "q3")
MOST_CURVES = 60
"""Most experiments whose curves are read at once."""

_LOG_SPACED, _EVENLY_SPACED = 160, 160
"""Epochs that are drawn of a curve, so that it looks the same on a logarithmic axis and on a linear one."""

Kept = Mapping[str, Sequence[int]]
"""For some axes the places of the values that a filter keeps."""


def chosen(index: Index, task: str, kept: Kept) -> pd.DataFrame:
    """Return the rows of the experiments of a task that a filter keeps.

    Raises:
        InputError: There is no such task or axis, or nothing is left.
    """
    by_task = experiments_by_task(index)
    if task not in by_task:
        raise InputError(f"no task is called {task!r}{nearest(task, by_task)}")
    keeps = np.ones(len(index.experiments), np.bool_)
    for name, values in kept.items():
        if name not in index.axes:
            raise InputError(f"{name!r} is no axis{nearest(name, index.axes)}")
        keeps &= np.isin(codes(index, name), values)
    ids = index.experiments["experiment_id"].to_numpy()[keeps]
    found = where(by_task[task], by_task[task]["experiment_id"].isin(ids))
    if found.empty:
        raise InputError("no experiment of this task is left by the filter")
    return found


def drawn_epochs(last: int) -> npt.NDArray[np.int64]:
    """Choose the epochs at which a curve of so many is drawn."""
    if not last:
        return np.empty(0, np.int64)
    even = np.rint(np.linspace(1, last, min(last, _EVENLY_SPACED))).astype(np.int64)
    return np.union1d(log_spaced_epochs(last, _LOG_SPACED), even)


def curves(
    index: Index, ids: Sequence[int], metric_name: str, epochs: npt.NDArray[np.int64] | None = None
) -> list[dict[str, Any]]:
    """Read the quartiles of a metric by epoch.

    Args:
        index: What is kept of the data set.
        ids: Ids of experiments, at most `MOST_CURVES`.
        metric_name: Name of a metric.
        epochs: Epochs to keep; by default those of `drawn_epochs`.

    Returns:
        For each experiment that has it, in the order of the files: `id`, `epochs`, `q1`, `median` and `q3`; None where
        one is not finite.

    Raises:
        InputError: There is no such metric, or too many experiments.
        ExportError: A file is damaged.
    """
    if len(ids) > MOST_CURVES:
        raise InputError(f"curves of {len(ids)} experiments at once; expected {MOST_CURVES} at most")
    metric = _metric(index, metric_name)
    names = [f"{metric.name}_{part}" for part in _QUARTILES]
    if set(names) <= set(index.summary_columns):
        rows = _rows(index, SUMMARY, ids, ["experiment_id", *names])
        parts = {part: rows[name].to_pylist() for part, name in zip(_QUARTILES, names, strict=True)}
    else:
        rows, parts = _of_runs(index, ids, metric)
    found = []
    for place, identity in enumerate(rows["experiment_id"].to_pylist()):
        of_one = [parts[part][place] for part in _QUARTILES]
        known = [None if values is None else np.asarray(values, np.float32) for values in of_one]
        at = drawn_epochs(num_epochs(known)) if epochs is None else epochs[epochs <= num_epochs(known)]
        matrix = curve_matrix(known, at)
        if np.isfinite(matrix).any():
            told = {part: _plain(values) for part, values in zip(_QUARTILES, matrix, strict=True)}
            found.append({"id": str(identity), "epochs": at.tolist(), **told})
    return found


def runs(index: Index, identity: int, metric_name: str) -> dict[str, Any]:
    """Read the runs of an experiment: what each counts by, and its curve of a metric.

    Returns:
        `epochs`, and `runs`, by repetition: `repetition`, `value`, `epoch` (of its best), `curve` at these epochs.

    Raises:
        InputError: There is no such metric or experiment, or the data set has no runs.
        ExportError: A file is damaged.
    """
    metric = _metric(index, metric_name)
    if index.runs is None:
        raise InputError("the data set has no table of runs")
    scores = index.runs[index.runs["experiment_id"] == identity].sort_values("repetition")
    if scores.empty:
        raise InputError(f"no experiment with the id {identity} has a run")
    best = _best(index, identity)
    names = ["experiment_id", *(["repetition"] if "repetition" in index.run_columns else [])]
    recorded = metric.curve in index.run_columns
    rows = _rows(index, REPETITIONS, [identity], [*names, *([metric.curve] if recorded else [])])
    if "repetition" in names:
        rows = rows.sort_by("repetition")
    lists = [None if each is None else np.asarray(each, np.float32) for each in rows[metric.curve].to_pylist()]
    at = drawn_epochs(num_epochs(lists))
    return {
        "epochs": at.tolist(),
        "runs": [
            {
                "repetition": int(score["repetition"]),
                "value": _plain([score[value_column(best)]])[0],
                "epoch": int(score[epoch_column(best)]) or None,
                "curve": _plain(curve),
            }
            for score, curve in zip(scores.to_dict("records"), curve_matrix(lists, at), strict=True)
        ],
    }


def effects(index: Index, task: str, kept: Kept) -> dict[str, Any]:
    """Compute what matters among some experiments, as `analysis.effects` does.

    Returns:
        `effects`: `name`, `axes` and `share` of each, the noise of repetitions last; `computed_on` and `remarks`.

    Raises:
        InputError: Nothing is left by the filter, or the data set has no runs.
    """
    rows = chosen(index, task, kept)
    found = effects_of(index.dataset, rows, index.axes, best_of(index.columns.metrics, rows), read=_scores_from(index))
    return {
        "effects": [
            {"name": each.name, "axes": list(each.axes), "share": _plain([each.share])[0]} for each in found.effects
        ],
        "computed_on": found.computed_on,
        "remarks": list(found.remarks),
        "metric": found.best.metric.name,
    }


def difference(index: Index, a: int, b: int) -> dict[str, Any]:
    """Estimate by how much two settings differ, as `analysis.difference` does; `text` is its paragraph.

    Raises:
        InputError: There is no such experiment, or they learn different tasks.
        ExportError: A file is damaged.
    """
    known = Surveyed(index.dataset, index.columns, index.experiments, tuple(varied_axes(index.experiments, index.axes)))
    found = difference_among(known, a, b)
    numbers = {name: _plain([getattr(found, name)])[0] for name in ("difference", "low", "high", "median_difference")}
    return {
        **numbers,
        "paired": found.paired,
        "level": found.level,
        "text": str(found),
    }


def differences(index: Index, reference: int) -> npt.NDArray[np.float32]:
    """Estimate the differences of all experiments of a task from one of them.

    Returns:
        float32 (3, experiments of the index): the difference of the means and the ends of its interval at 95 %; NaN
        for experiments of other tasks, and where there is none.

    Raises:
        InputError: There is no such experiment, or the data set has no runs.
    """
    task = next((rows for rows in experiments_by_task(index).values() if _place(rows, reference) is not None), None)
    if task is None:
        raise InputError(f"no experiment has the id {reference}")
    found = differences_from(runs_of(task, _values(index, task)), _place(task, reference) or 0)
    places = pd.Index(index.experiments["experiment_id"]).get_indexer(pd.Index(task["experiment_id"]))
    answer = np.full((3, len(index.experiments)), np.nan, np.float32)
    answer[:, places] = found.estimate, found.low, found.high
    return answer


def _place(rows: pd.DataFrame, identity: int) -> int | None:
    found = np.flatnonzero(rows["experiment_id"].to_numpy() == identity)
    return int(found[0]) if len(found) else None


def _values(index: Index, experiments: pd.DataFrame) -> pd.DataFrame:
    """The runs of some experiments with what they count by, `value`."""
    best = best_of(index.columns.metrics, experiments)
    if index.runs is None or value_column(best) not in index.runs:
        raise InputError("the data set has no runs with the scores by which they would be compared")
    runs = where(index.runs, index.runs["experiment_id"].isin(experiments["experiment_id"]))
    return runs.rename(columns={value_column(best): "value"})


def _scores_from(index: Index) -> Any:
    """Scores of experiments from what is kept of the runs, as `analysis.conclusions.scores.read_scores` reads them."""

    def read(_: str | Path, experiments: pd.DataFrame, best: Best) -> Scores:
        runs = _values(index, experiments)
        arranged = runs_of(experiments, runs)
        same = all(
            len(np.unique(seeds[there])) < 2 for seeds, there in zip(arranged.seeds.T, arranged.there.T, strict=True)
        )
        return scores_of(experiments, runs, paired=bool(arranged.paired.all()) and same)

    return read


def _rows(index: Index, table: str, ids: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """The rows of some experiments, from the files that have them."""
    wanted = pa.array(ids, pa.uint64())
    files = index.files_of(table, ids)
    if not files:
        raise InputError(f"no experiment has the id {ids[0] if ids else 'that was asked for'}")
    rows = read_parts(index.dataset, table, files, columns).table
    return rows.filter(pc.is_in(rows["experiment_id"].cast(pa.uint64()), wanted))


def _of_runs(index: Index, ids: Sequence[int], metric: Metric) -> tuple[pa.Table, dict[str, list[Any]]]:
    """The quartiles of a metric that summaries lack, computed from the runs as summaries are."""
    if metric.curve not in index.run_columns:
        raise InputError(f"{metric.name} is not recorded")
    rows = _rows(index, REPETITIONS, ids, ["experiment_id", metric.curve])
    known = rows.filter(pc.is_valid(rows[metric.curve]))
    identities = known["experiment_id"].unique()
    parts: dict[str, list[Any]] = {part: [] for part in _QUARTILES}
    for identity in identities:
        curves = curves_of_runs(known.filter(pc.equal(known["experiment_id"], identity)), metric.curve)
        for part, values in over_repetitions(curves, _QUARTILES).items():
            parts[part].append(np.where(is_recorded(values), values, np.nan))
    return pa.table({"experiment_id": identities}), parts


def _metric(index: Index, name: str) -> Metric:
    known = {metric.name: metric for metric in index.columns.metrics.all}
    if name not in known:
        raise InputError(f"no metric is called {name!r}{nearest(name, known)}")
    return known[name]


def _best(index: Index, identity: int) -> Best:
    """How the experiments of the task of one are compared."""
    task = next(rows for rows in experiments_by_task(index).values() if _place(rows, identity) is not None)
    return best_of(index.columns.metrics, task)


def _plain(values: Any) -> list[float | None]:
    """Numbers as JSON has them, with seven digits; None where one is not finite."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in np.asarray(values, np.float64)]
