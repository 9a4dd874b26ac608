"""The median test losses of a data set, as an array over tasks, settings and epochs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.advice.task import Task, surveyed_task
from analysis.reading.curves import curve_matrix
from analysis.reading.filters import Filter
from analysis.reading.frames import where
from analysis.reading.labels import UNSAID, settings
from analysis.reading.tables import SUMMARY, read, schema_of
from survey.dataset.schema import columns_in
from survey.errors import InputError
from survey.networks.columns import NEW_AXES
from survey.workloads.metrics import log_spaced_epochs
from survey.workloads.registry import NETWORKS

SETTINGS = ("shape", "size", "depth", "learning_rate")
"""What is recommended, besides the number of epochs."""

OTHERS = (
    "batch_size",
    "optimizer",
    "momentum",
    "activation",
    "validation_split",
    *NEW_AXES,
)
"""Hyperparameters that are part of a setting only where they take several values within a task."""

EPOCH_COUNT = 40
"""Number of log-spaced epochs to consider."""

_COLUMNS = ("dataset", "task", *SETTINGS, "kernel_regularizer.type", "label_noise", "epochs", "widths")
_VALIDATION, _FRACTION = "validation_split", "train_fraction"
_IF_THERE = (*OTHERS, "network_structure", _FRACTION)
_TABLE = "complete_executive_summary"


@dataclass(frozen=True)
class Surveyed:
    """Losses of T tasks, S settings and E epochs.

    Attributes:
        tasks: The tasks, T.
        settings: A row for each setting, S: `SETTINGS`, and those of `OTHERS` that vary within a task.
        epochs: The epochs considered, counted from 1, int64 (E,).
        losses: Median test losses, float64 (T, S, E), by which candidates are judged: NaN where there was no such
            experiment, infinite where the median is not finite.
        fixed: Hyperparameters that all settings of a task share, in words, such as `batch size 32`, T.
        validation: Median validation losses in the same form; None unless all experiments have a validation set.
    """

    tasks: tuple[Task, ...]
    settings: pd.DataFrame
    epochs: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]
    fixed: tuple[str, ...]
    validation: npt.NDArray[np.float64] | None = None

    @property
    def choosing(self) -> npt.NDArray[np.float64]:
        """Losses by which candidates are chosen: those of the validation set or, without one, of the test set."""
        return self.losses if self.validation is None else self.validation

    @property
    def least(self) -> npt.NDArray[np.float64]:
        """Loss (T,) of the candidate that is best on each task, chosen by `choosing`; NaN where there is none."""
        choosing = np.where(np.isnan(self.losses) | np.isnan(self.choosing), np.inf, self.choosing)
        chosen = choosing.reshape(len(choosing), -1).argmin(axis=1)
        return self.losses.reshape(len(choosing), -1)[np.arange(len(choosing)), chosen]

    def masked(self, allowed: npt.NDArray[np.bool_]) -> Surveyed:
        """Return the same with NaN for candidates that are not allowed, (S, E)."""
        validation = None if self.validation is None else np.where(allowed, self.validation, np.nan)
        return replace(self, losses=np.where(allowed, self.losses, np.nan), validation=validation)

    def without(self, number: int) -> Surveyed:
        """Return the same without one task."""
        keep = [k for k in range(len(self.tasks)) if k != number]
        tasks, fixed = tuple(self.tasks[k] for k in keep), tuple(self.fixed[k] for k in keep)
        validation = None if self.validation is None else self.validation[keep]
        return Surveyed(tasks, self.settings, self.epochs, self.losses[keep], fixed, validation)

    def only(self, settings: npt.NDArray[np.bool_], epochs: npt.NDArray[np.bool_]) -> Surveyed:
        """Return the same with only the settings and epochs of two masks, (S,) and (E,)."""
        losses = self.losses[:, settings][:, :, epochs]
        validation = None if self.validation is None else self.validation[:, settings][:, :, epochs]
        chosen = self.settings[settings].reset_index(drop=True)
        return Surveyed(self.tasks, chosen, self.epochs[epochs], losses, self.fixed, validation)


def check_networks(dataset: Path | str) -> None:
    """Check that a data set is one of networks.

    Raises:
        InputError: It is not, or the folder is not a data set.
    """
    workload = columns_in(schema_of(dataset, _TABLE).metadata, dataset).workload
    if workload != NETWORKS:
        raise InputError(f"{dataset}: is a survey of {workload}; advice is on networks alone")


def surveyed(dataset: Path | str, sweep: str | None = None, epoch: int | None = None) -> Surveyed:
    """Read the losses of a data set: experiments without penalty and label noise, on all training rows, of sizes.

    Networks whose widths were given are left out: what is recommended is a shape and a size.

    If a setting was trained for several numbers of epochs, the longest training counts.

    Args:
        dataset: Folder of the data set.
        sweep: Name of a search space: use only its experiments.
        epoch: An epoch to consider besides the log-spaced ones, such as the last of a budget.

    Raises:
        InputError: The folder is not a data set, is not one of networks, or has no such experiments.
        ExportError: A file of the data set is damaged.
    """
    check_networks(dataset)
    known = schema_of(dataset, _TABLE).names
    filters = [
        ("kernel_regularizer.type", "=", None),
        ("label_noise", "=", 0.0),
        ("shape", "!=", "widths"),
        *([(sweep, "=", True)] if sweep else []),
    ]
    columns = [*_COLUMNS, *(name for name in _IF_THERE if name in known)]
    frame = _on_all_rows(read(dataset, table=_TABLE, filters=filters, columns=columns))
    if frame.empty:
        raise InputError(
            f"{dataset}: no experiments without penalty and label noise on all training rows, on which advice is based"
        )
    others = [name for name in OTHERS if name in known]
    keys = [*SETTINGS, *(name for name in others if (frame.groupby("dataset")[name].nunique() > 1).any())]
    settings = frame[keys].drop_duplicates().sort_values(keys).reset_index(drop=True)
    last = int(frame["epochs"].max())
    epochs = np.union1d(log_spaced_epochs(last, EPOCH_COUNT), [min(epoch or last, last)])
    names = sorted(frame["dataset"].unique())
    losses = _Losses(dataset, [*keys, *([_FRACTION] if _FRACTION in known else [])], settings, epochs)
    tests = [losses.of("test_loss", [("dataset", "=", name), *filters]) for name in names]
    has_validation = _VALIDATION in frame and bool((frame[_VALIDATION] > 0).all())
    chosen = [losses.of("validation_loss", [("dataset", "=", name), *filters]) for name in names if has_validation]
    tasks = [_task(frame[frame["dataset"] == name]) for name in names]
    fixed = [_fixed(frame[frame["dataset"] == name], keys) for name in names]
    validation = np.stack(chosen) if chosen else None
    return Surveyed(tuple(tasks), settings, epochs, np.stack(tests), tuple(fixed), validation)


def _on_all_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out what was trained on fewer rows. No filter does: where older versions recorded none, it is filled in."""
    return where(frame, frame[_FRACTION] == 1) if _FRACTION in frame else frame


@dataclass(frozen=True)
class _Losses:
    """Reads the losses of a task, (S, E): one task at a time, because curves are large."""

    dataset: Path | str
    described: list[str]
    settings: pd.DataFrame
    epochs: npt.NDArray[np.int64]

    def of(self, metric: str, filters: list[Filter]) -> npt.NDArray[np.float64]:
        # Of the validation loss, only the complete table has curves.
        table = _TABLE if metric == "test_loss" else SUMMARY
        columns = [*self.described, "epochs", f"{metric}_median"]
        frame = _on_all_rows(read(self.dataset, table=table, filters=filters, columns=columns))
        keys = list(self.settings.columns)
        frame = frame.sort_values("epochs").drop_duplicates(keys, keep="last")
        rows = frame[keys].merge(self.settings.reset_index(), on=keys, how="left")["index"].to_numpy()
        curves = curve_matrix(frame[f"{metric}_median"], self.epochs)
        reached = frame["epochs"].to_numpy()[:, None] >= self.epochs
        losses = np.full((len(self.settings), len(self.epochs)), np.nan)
        losses[rows] = np.where(reached & np.isnan(curves), np.inf, curves)
        return losses


def _task(frame: pd.DataFrame) -> Task:
    row = frame.iloc[0]
    return surveyed_task(str(row["dataset"]), str(row["task"]), int(row["widths"][-1]), row.get("network_structure"))


def _fixed(frame: pd.DataFrame, keys: list[str]) -> str:
    row = frame.iloc[0]
    fixed = {name: row[name] for name in OTHERS if name not in keys and row.get(name)}
    return ", ".join(settings(fixed, [name for name, value in fixed.items() if value != UNSAID.get(name)]))
