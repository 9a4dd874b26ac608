"""What is best: the one definition by which report, figures and advice compare experiments.

A run counts by its objective at its best epoch. The best epoch is the first at which the metric to choose by is best:
the validation loss, where a set to choose by was held out; else the objective itself, which is then chosen by the very
rows that it is judged on, and so is optimistic. An experiment counts by the median over its runs; one whose median is
not finite comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.axes import words
from analysis.reading.chosen import read_chosen
from survey.dataset.layout import REPETITIONS
from survey.dataset.schema import best_name, choice_name
from survey.workloads.metrics import Metric, Metrics, at_epochs, best_epochs

_SUPERLATIVE = {"min": "least", "max": "greatest"}


@dataclass(frozen=True, slots=True)
class Best:
    """How some experiments are compared.

    Attributes:
        metric: What counts: the objective.
        chosen_by: The metric by which the best epoch of each run is chosen; perhaps the objective itself.
    """

    metric: Metric
    chosen_by: Metric

    def value(self, part: str = "median") -> str:
        """Name the column of a summary with a statistic over the runs of their values at the best epoch."""
        if self.is_optimistic:
            return f"{best_name(self.metric)}_value_{part}"
        return f"{choice_name(self.metric, self.chosen_by)}_{part}"

    def epoch(self, part: str = "median") -> str:
        """Name the column of a summary with a statistic over the runs of the best epoch, which is counted from 1."""
        return f"{best_name(self.chosen_by)}_epoch_{part}"

    @property
    def is_optimistic(self) -> bool:
        """Whether the best epoch is chosen by the very numbers that are compared."""
        return self.chosen_by == self.metric

    @property
    def epoch_words(self) -> str:
        """Say which epoch counts: `the epoch of its least validation loss`."""
        return f"the epoch of its {_SUPERLATIVE[str(self.chosen_by.best)]} {words(self.chosen_by.name)}"

    @property
    def sentence(self) -> str:
        """Say what is compared, to stand beside the numbers."""
        name = words(self.metric.name)
        compared = f"Compared is the median over the runs of each run's {name} at {self.epoch_words}"
        if not self.is_optimistic:
            return f"{compared}: the {words(self.chosen_by.name)} chooses, the {name} judges."
        return f"{compared}: it chooses the epoch itself, which makes it optimistic."

    def order(self, frame: pd.DataFrame) -> npt.NDArray[np.intp]:
        """Return the places of experiments, the best first; those with no finite median come last."""
        values = frame[self.value()].to_numpy(np.float64)
        signed = values if self.metric.best == "min" else -values
        return np.argsort(np.where(np.isfinite(signed), signed, np.inf), kind="stable")


def best_of(metrics: Metrics, experiments: pd.DataFrame) -> Best:
    """Say how experiments are compared with each other.

    Args:
        metrics: Metrics of their workload.
        experiments: Rows of a summary table, all that are compared. Only if each of them was trained with a set to
            choose by, that set chooses.
    """
    own, *others = choices(metrics)
    for other in others:
        if not {other.value(), other.epoch()} <= set(experiments.columns):
            continue
        known = experiments[other.value()].notna()
        if own.value() in experiments:
            known |= experiments[own.value()].isna()  # of its runs, none has a finite value at all
        if known.any() and known.all():
            return other
    return own


def columns_of_best(metrics: Metrics, parts: Sequence[str]) -> list[str]:
    """Name the columns of summaries by which `best_of` decides, and compares: those that a data set lacks, too."""
    return [name(part) for each in choices(metrics) for name in (each.value, each.epoch) for part in parts]


def run_values(dataset: str | Path, experiments: pd.DataFrame, best: Best) -> pd.DataFrame:
    """Read what each run of some experiments counts by.

    Args:
        dataset: Folder of the data set.
        experiments: Rows of its summary, with `experiment_id`; columns in the paths let fewer files be read.
        best: How they are compared.

    Returns:
        A row for each run, by experiment_id and repetition: experiment_id, repetition, `value` float64 (NaN where there
        is no finite one), `epoch` int64 (0 there), and `seed`, if the data set has it.

    Raises:
        InputError: The data set has no table of runs, or lacks a curve.
        ExportError: A file is damaged.
    """
    curves = list(dict.fromkeys([best.chosen_by.curve, best.metric.curve]))
    runs = read_chosen(dataset, experiments, ["experiment_id", "repetition", "seed", *curves], REPETITIONS)
    found = [_at_best(*(row[name] for name in curves), best=best) for row in runs[curves].to_dict("records")]
    values = runs.drop(columns=curves).assign(
        value=np.array([value for value, _ in found], np.float64), epoch=np.array([at for _, at in found], np.int64)
    )
    if "repetition" not in values:  # as in the published data, which do not number them
        values["repetition"] = values.groupby("experiment_id").cumcount()
    return values.sort_values(["experiment_id", "repetition"], ignore_index=True)


def choices(metrics: Metrics) -> tuple[Best, ...]:
    """Return the ways to choose the best epoch: the objective for itself; another metric, if the workload has one."""
    objective, chooser = metrics.objective, metrics.chooser
    own = Best(objective, objective)
    return (own, Best(objective, chooser)) if chooser and objective.at_choice else (own,)


def _at_best(chooser: object, judge: object = None, *, best: Best) -> tuple[float, int]:
    """A run's value at its best epoch, and that epoch, from 1; NaN and 0 where the one to choose by is never finite."""
    curve = np.asarray([] if chooser is None else chooser, np.float64)[None]
    if not curve.size:
        return np.nan, 0
    epochs = best_epochs(curve, best.chosen_by)
    (value,) = at_epochs(curve if judge is None else np.asarray(judge, np.float64)[None], epochs)
    return (float(value), int(epochs[0])) if np.isfinite(value) else (np.nan, 0)
