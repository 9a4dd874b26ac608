"""The figures of a report: all tasks side by side, then each task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import butter_zone, generalization, learning_curves, slices, zone_grid
from analysis.figures.curve_figures import MAX_SIZES
from analysis.figures.fit_table import FitRow, PanelFits, fit_rows, panel_fits, without_fit
from analysis.figures.grid import MAX_PANELS
from analysis.figures.panels import base_of_tasks, panels, representative, varied
from analysis.figures.pictures import picture
from analysis.figures.slice_figures import ALONG, slice_rows
from analysis.figures.zone import Minimum, least
from analysis.reading.best import Best, best_of
from analysis.reading.chosen import read_chosen
from analysis.reading.frames import distinct, where
from analysis.reading.labels import fixed_text, label
from analysis.reading.tables import tables
from analysis.report.condense import curves_of
from analysis.report.facts import Line, lines
from analysis.report.shown import MEAN_SENTENCE, Shown
from analysis.report.told import Told, told
from survey.dataset.layout import REPETITIONS
from survey.networks.columns import COLUMNS
from survey.networks.metrics import METRICS

TOP = 5
"""Experiments listed for each task."""

MAX_TASKS = 16
"""Most tasks with figures of their own, and rows of the grid."""

_TASK_CURVES = (
    *("test_loss_q1", "test_loss_median", "test_loss_q3", "train_loss_median"),
    *("test_loss_avg", "test_loss_stddev", "test_loss_num_finite"),
)
_RELATIONS = {"minimizing_epoch": "θ", "minimum_loss": "φ", "descent_slope": "α"}
_GRID_CURVES = ("test_loss_median", "test_loss_stddev", "test_loss_avg")


@dataclass(frozen=True, slots=True)
class Section:
    """The part of the page on one task."""

    dataset: str
    task: str
    num_experiments: int
    compared: str
    warning: str
    is_optimistic: bool
    shown: list[Shown]
    fits: list[FitRow]
    unfitted: list[str]
    best: list[Line]
    told: Told


def across(dataset: Path, experiments: pd.DataFrame) -> list[Shown]:
    """Draw all tasks side by side, by depth and by shape where they vary; for a single task, only how its runs vary."""
    names = distinct(experiments, "dataset")[:MAX_TASKS]
    tasks = where(experiments, experiments["dataset"].isin(names))
    ways = [by for by in ("depth", "shape") if len(distinct(tasks, by)) > 1] or ["depth"]
    shown = []
    for by in ways:
        chosen, fixed = base_of_tasks(tasks, [by])
        only = _fixed(fixed)
        frame = curves_of(dataset, chosen, _GRID_CURVES)
        if len(names) > 1:
            shown.append(_zone_grid(frame, by, only))
        if by == ways[0] and {"test_loss_stddev", "test_loss_avg"} <= set(frame) and max(chosen["num_runs"]) > 1:
            shown.append(_variation_grid(frame, by, only))
    return shown


def section(dataset: Path, experiments: pd.DataFrame) -> Section:
    """Describe one task.

    Args:
        dataset: Folder of the data set.
        experiments: Its experiments, as `analysis.report.condense.experiments` returns them.
    """
    name, task = str(experiments["dataset"].iloc[0]), str(experiments["task"].iloc[0])
    best = best_of(METRICS, experiments)
    top = [line for line in lines(experiments, TOP) if not math.isnan(line.loss)]
    drawn = curves_of(dataset, representative(experiments, MAX_PANELS), _TASK_CURVES)
    lowest = least(panels(drawn))
    least_at = f"least, of these medians, at {_place(lowest)}" if lowest else "never finite"
    shown = [
        _shown(
            f"Butter zone of {name}",
            "Where the median test loss over the runs is near its least, over the size of the network and the epoch. "
            "Colours are ratios to the least of these medians. Yellow is best; grey: no experiment, or no finite loss. "
            "White ticks are at the surveyed sizes; between them colours are interpolated."
            + _left_out(experiments, drawn),
            butter_zone(drawn),
            f"Contour map of the median test loss of {name} over trainable parameters and epoch: {least_at}.",
        ),
        _shown(
            f"Learning curves of {name}",
            "Median loss over the repetitions, by epoch: solid for the test set, with the band between its quartiles, "
            f"dashed for the training set. {MEAN_SENTENCE}{_some_sizes(drawn)}",
            learning_curves(drawn),
            f"Median test and training loss of {name} by epoch, a line per network size; the test loss is {least_at}.",
        ),
    ]
    fitted = panel_fits(drawn, _runs(dataset, drawn))
    if len(distinct(drawn, "num_free_parameters")) > 1:
        shown.append(_generalization(name, drawn, fitted))
    names = varied(experiments)
    shown += [_slice(name, experiments, along, best) for along in ALONG if _is_worth_a_slice(experiments, along, names)]
    return Section(
        dataset=name,
        task=task,
        num_experiments=len(experiments),
        compared=best.sentence,
        warning=_warning(experiments),
        is_optimistic=best.is_optimistic,
        shown=shown,
        fits=fit_rows(fitted),
        unfitted=_unfitted(fitted),
        best=top,
        told=told(dataset, experiments, COLUMNS, lambda row: label(row, names)),
    )


def _fixed(values: Mapping[str, Any]) -> str:
    """Say which other axes are fixed, at what, and why."""
    if not values:
        return ""
    return (
        f" Other axes are fixed: shown are the experiments with {fixed_text(values)}, the most frequent of such "
        "settings; of equally frequent ones, those of the best experiment."
    )


def _place(minimum: Minimum) -> str:
    return f"epoch {minimum.epoch:,} with {minimum.num_free_parameters:,} parameters ({minimum.title})"


def _some_sizes(drawn: pd.DataFrame) -> str:
    """Say that learning curves leave some sizes out."""
    most = max(len(panel.frame) for panel in panels(drawn))
    return f" Of {most} sizes, {MAX_SIZES} are drawn, evenly chosen." if most > MAX_SIZES else ""


def _warning(experiments: pd.DataFrame) -> str:
    """Say what is unequal about the losses that are compared."""
    penalties = "kernel_regularizer.type"
    if penalties in experiments and experiments[penalties].notna().any():
        return " The loss of an experiment with a penalty includes the penalty."
    return ""


def _left_out(experiments: pd.DataFrame, drawn: pd.DataFrame) -> str:
    if len(drawn) == len(experiments):
        return ""
    return f" Shown are {len(drawn):,} of {len(experiments):,} experiments, chosen to represent the others."


def _is_worth_a_slice(experiments: pd.DataFrame, along: str, varied: Sequence[str]) -> bool:
    """Whether a slice along a hyperparameter shows something that the panels do not."""
    if along in ("depth", "shape"):
        return len(distinct(experiments, along)) > 2
    return along in varied and along != "epochs"


def _shown(title: str, caption: str, figure: Figure, alt: str) -> Shown:
    return Shown(title, caption, picture(figure, alt))


def _zone_grid(frame: pd.DataFrame, by: str, only: str) -> Shown:
    names = ", ".join(distinct(frame, "dataset"))
    return _shown(
        f"Butter zones of all tasks, by {by}",
        "The median test loss over the runs, as a multiple of the least of these medians of each task, over the size "
        "of the network and the epoch. White ticks are at the surveyed sizes; between them colours are interpolated."
        f"{only}",
        zone_grid(frame, by=by),
        f"Contour maps of the median test loss, a row for each of {names} and a column for each {by}.",
    )


def _variation_grid(frame: pd.DataFrame, by: str, only: str) -> Shown:
    return _shown(
        f"Variation between repetitions, by {by}",
        "Standard deviation of the test loss over the repetitions, divided by its mean: yellow where the runs of an "
        f"experiment differ most.{only}",
        zone_grid(frame, by=by, vary=True),
        f"Contour maps of the coefficient of variation of the test loss, a row for each task and a column per {by}.",
    )


def _runs(dataset: Path, experiments: pd.DataFrame) -> pd.DataFrame | None:
    """The test losses of the runs of some experiments, as far as the data set has them."""
    if REPETITIONS not in tables(dataset):
        return None
    columns = ["experiment_id", "dataset", "size", "num_free_parameters", "epochs", "draws", "repetition", "val_loss"]
    runs = read_chosen(dataset, experiments, columns, REPETITIONS)
    return runs.dropna(subset=["val_loss"]) if "val_loss" in runs else None


def _unfitted(fitted: Sequence[PanelFits]) -> list[str]:
    """Say of which panels there are no fits, and why."""
    return [
        f"No fit of {_RELATIONS[relation]} for {'any' if len(titles) == len(fitted) else '; '.join(titles)}: {reason}."
        for relation, reason, titles in without_fit(fitted)
    ]


def _generalization(name: str, frame: pd.DataFrame, fitted: Sequence[PanelFits]) -> Shown:
    return _shown(
        f"Generalization statistics of {name}",
        "Against the number of parameters: the epoch at which the median test loss over the runs, smoothed, is least, "
        "this least loss, and the slope of the descent to it. Lines are the fits of the table below; the first and the "
        "last are to the sizes along which the minimizing epoch falls, so that they can miss the others.",
        generalization(frame, fitted),
        f"Minimizing epoch, minimum test loss and descent slope of {name} against the number of parameters.",
    )


def _slice(name: str, experiments: pd.DataFrame, along: str, best: Best) -> Shown:
    words = along.replace("kernel_regularizer.", "penalty ").replace("_", " ")
    return _shown(
        f"{name} along {words}",
        f"Each run at {best.epoch_words}: the median over the runs, and what is between the quartiles."
        f"{_fixed(slice_rows(experiments, along)[1])}",
        slices(experiments, along),
        f"Test loss of {name} at the best epoch, and that epoch, against {words}, a line per size.",
    )
