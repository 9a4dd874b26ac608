"""Scores of runs: what each counts by, as a matrix of experiments and repetitions that can be computed with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.axes import words
from analysis.reading.best import Best, best_of, run_values
from analysis.reading.frames import column, where
from analysis.reading.tables import schema_of
from survey.dataset.layout import REPETITIONS
from survey.errors import InputError, nearest
from survey.text.counting import counted
from survey.workloads.columns import Columns
from survey.workloads.metrics import Metric

_SHARED = 0.9
"""A repetition counts if at least this share of the experiments has it."""

_AT_ONCE = 200
"""Experiments whose curves are in memory at once."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of experiments that have the same repetitions, all finite.

    Attributes:
        experiments: A row for each of N experiments.
        values: float64 (N, R).
        paired: Whether the runs of a repetition share their random draws.
        incomplete: Number of experiments left out because they lack a repetition that most have.
        diverged: Number of experiments left out because a run of theirs has no finite score.
        unused: Number of runs left out because most experiments have no such repetition.
    """

    experiments: pd.DataFrame
    values: npt.NDArray[np.float64]
    paired: bool
    incomplete: int = 0
    diverged: int = 0
    unused: int = 0

    @property
    def repetitions(self) -> int:
        """Number of runs of each experiment."""
        return self.values.shape[1]

    def of(self, experiments: pd.DataFrame) -> Scores:
        """Return those of some of the experiments, in the order of the given rows."""
        places = pd.Index(self.experiments["experiment_id"]).get_indexer(pd.Index(experiments["experiment_id"]))
        return replace(self, experiments=experiments, values=self.values[places])


def read_scores(dataset: str | Path, experiments: pd.DataFrame, best: Best) -> Scores:
    """Read the scores of some experiments.

    Compared are the repetitions that nine in ten of the experiments have: so a few unfinished experiments cost the
    others none of theirs.

    Args:
        dataset: Folder of the data set.
        experiments: Rows of its summary, with `experiment_id`.
        best: What a run counts by.

    Raises:
        InputError: The data set has no table of runs, or lacks a curve.
        ExportError: A file is damaged.
    """
    if experiments.empty:
        return Scores(experiments, np.empty((0, 0)), paired=False)
    check_recorded(dataset, best)
    filed = experiments.sort_index()  # as in the files, so that few of them are read for each part
    parts = [filed[start : start + _AT_ONCE] for start in range(0, len(filed), _AT_ONCE)]
    runs = pd.concat([run_values(dataset, part, best) for part in parts], ignore_index=True)
    return scores_of(experiments, runs, paired=are_paired(experiments, runs))


def scores_of(experiments: pd.DataFrame, runs: pd.DataFrame, *, paired: bool) -> Scores:
    """Return the scores of some experiments as a matrix, see `read_scores`.

    Args:
        experiments: Rows of a summary, with `experiment_id`.
        runs: Their runs: experiment_id, repetition, and what each counts by, `value`.
        paired: Whether the runs of a repetition share their random draws.
    """
    by_run = runs.pivot(index="experiment_id", columns="repetition", values="value")
    there = runs.assign(there=True).pivot(index="experiment_id", columns="repetition", values="there").notna()
    ids = column(experiments, "experiment_id").to_numpy()
    matrix, has = by_run.reindex(ids).to_numpy(np.float64), there.reindex(ids, fill_value=False).to_numpy(np.bool_)
    kept = has.mean(0) >= _SHARED
    complete = has[:, kept].all(1)
    finite = complete & np.isfinite(matrix[:, kept]).all(1)
    return Scores(
        where(experiments, finite),
        matrix[finite][:, kept],
        paired,
        incomplete=int((~complete).sum()),
        diverged=int((complete & ~finite).sum()),
        unused=int(has[:, ~kept].sum()),
    )


def as_compared(values: npt.NDArray[np.float64], best: Best) -> tuple[npt.NDArray[np.float64], bool]:
    """Return scores on the scale on which many settings are compared, and whether that is a logarithmic one.

    These are logarithms where less is better and all scores are positive, as for losses: the spread between the runs of
    a setting grows with its loss, while that of the logarithms is about the same for good and bad settings.

    Args:
        values: Finite scores, of any shape.
        best: What they are.
    """
    in_log = best.metric.best == "min" and bool((values > 0).all())
    return (np.log(values) if in_log else values), in_log


def check_recorded(dataset: str | Path, best: Best) -> None:
    """Check that the runs of a data set have what they are compared by.

    Raises:
        InputError: There is no table of runs, or it lacks a curve.
    """
    known = schema_of(dataset, REPETITIONS).names
    missing = [curve for curve in {best.metric.curve, best.chosen_by.curve} if curve not in known]
    if missing:
        raise InputError(f"{dataset}: the runs have no {', '.join(sorted(missing))}, by which they would be compared")


def are_paired(experiments: pd.DataFrame, runs: pd.DataFrame) -> bool:
    """Whether the draws of experiments are paired: each repetition has the same seed in all of them.

    Args:
        experiments: Rows of a summary.
        runs: Their runs, as `analysis.reading.best.run_values` returns them.
    """
    if "draws" not in experiments or "seed" not in runs:
        return False  # as the published data, and those of version 1
    if set(experiments["draws"]) != {"paired"}:
        return False
    return not bool(runs[["repetition", "seed"]].drop_duplicates()["repetition"].duplicated().any())


def left_out(incomplete: int, diverged: int, unused: int) -> Iterator[str]:
    """Say what of some scores is not compared, in sentences."""
    if incomplete:
        yield f"Left out: {counted(incomplete, 'setting')} without the runs that most have."
    if diverged:
        yield f"Left out: {counted(diverged, 'setting')} with runs that have no finite score."
    if unused:
        yield f"Left out: {counted(unused, 'run')} of repetitions that most settings do not have."


def judged_by(columns: Columns, experiments: pd.DataFrame, metric: str | None) -> Best:
    """Say how experiments are compared: by the objective, or by another metric at the epoch that the same set chooses.

    Args:
        columns: Columns of their workload.
        experiments: Rows of a summary table.
        metric: Name of a metric that has a best, or of its curve; the objective by default.

    Raises:
        InputError: There is no such metric.
    """
    best = best_of(columns.metrics, experiments)
    if metric is None:
        return best
    known = {name: each for each in columns.metrics.all if each.best for name in (each.name, each.curve)}
    if metric not in known:
        names = ", ".join(each.name for each in columns.metrics.all if each.best)
        raise InputError(
            f"metric {metric!r} is none of which less or more is better{nearest(metric, known)}; "
            f"those of {columns.workload} are {names}"
        )
    return _other(best, known[metric])


def _other(best: Best, metric: Metric) -> Best:
    return Best(metric, metric if best.is_optimistic else best.chosen_by)


def counts_by(best: Best) -> str:
    """Say what a run counts by, in a sentence."""
    optimistic = ", chosen by the numbers that are compared, which therefore look better than they are"
    return f"A run counts by its {words(best.metric.name)} at {best.epoch_words}{optimistic * best.is_optimistic}."
