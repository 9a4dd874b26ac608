"""The figures of a report: all tasks side by side, then each task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import butter_zone, generalization, learning_curves, slices, zone_grid
from analysis.figures.fit_table import FitRow, fit_rows
from analysis.figures.grid import MAX_PANELS
from analysis.figures.panels import base_of_tasks, representative, varied
from analysis.figures.pictures import Picture, picture
from analysis.figures.slice_figures import ALONG
from analysis.reading.best import Best, best_of
from analysis.reading.frames import distinct, where
from analysis.report.condense import curves_of
from analysis.report.facts import Line, lines
from survey.networks.metrics import METRICS

TOP = 5
"""Experiments listed for each task."""

MAX_TASKS = 16
"""Most tasks with figures of their own, and rows of the grid."""

_TASK_CURVES = ("test_loss_q1", "test_loss_median", "test_loss_q3", "train_loss_median")
_GRID_CURVES = ("test_loss_median", "test_loss_stddev", "test_loss_avg")


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure in the page, with its heading and caption."""

    title: str
    caption: str
    picture: Picture


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
    best: list[Line]


def across(dataset: Path, experiments: pd.DataFrame) -> list[Shown]:
    """Draw all tasks side by side, by depth and by shape where they vary; for a single task, only how its runs vary."""
    names = distinct(experiments, "dataset")[:MAX_TASKS]
    tasks = where(experiments, experiments["dataset"].isin(names))
    ways = [by for by in ("depth", "shape") if len(distinct(tasks, by)) > 1] or ["depth"]
    shown = []
    for by in ways:
        chosen, _ = base_of_tasks(tasks, [by])
        frame = curves_of(dataset, chosen, _GRID_CURVES)
        if len(names) > 1:
            shown.append(_zone_grid(frame, by))
        if by == ways[0] and {"test_loss_stddev", "test_loss_avg"} <= set(frame) and max(chosen["num_runs"]) > 1:
            shown.append(_variation_grid(frame, by))
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
    least_at = f"least with {top[0].label}, at epoch {top[0].epoch:,.10g}" if top else "never finite"
    shown = [
        _shown(
            f"Butter zone of {name}",
            "Where the median test loss over the runs is near its least, over the size of the network and the epoch. "
            "Colours are ratios to the least of these medians. Yellow is best; grey has no finite value."
            + _left_out(experiments, drawn),
            butter_zone(drawn),
            f"Contour map of the median test loss of {name} over trainable parameters and epoch: {least_at}.",
        ),
        _shown(
            f"Learning curves of {name}",
            "Median loss over the repetitions, by epoch: solid for the test set, with the band between its quartiles, "
            "dashed for the training set.",
            learning_curves(drawn),
            f"Median test and training loss of {name} by epoch, a line per network size; the test loss is {least_at}.",
        ),
    ]
    fits = fit_rows(drawn)
    if fits:
        shown.append(_generalization(name, drawn))
    shown += [_slice(name, experiments, along, best) for along in ALONG if _varies(experiments, along)]
    return Section(
        name, task, len(experiments), best.sentence, _warning(experiments), best.is_optimistic, shown, fits, top
    )


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


def _varies(experiments: pd.DataFrame, along: str) -> bool:
    """Whether a slice along a hyperparameter shows something that the panels do not."""
    if along in ("depth", "shape"):
        return len(distinct(experiments, along)) > 2
    return along in varied(experiments) and along != "epochs"


def _shown(title: str, caption: str, figure: Figure, alt: str) -> Shown:
    return Shown(title, caption, picture(figure, alt))


def _zone_grid(frame: pd.DataFrame, by: str) -> Shown:
    names = ", ".join(distinct(frame, "dataset"))
    return _shown(
        f"Butter zones of all tasks, by {by}",
        "The median test loss over the runs, as a multiple of the least of these medians of each task, over the size "
        "of the network and the epoch.",
        zone_grid(frame, by=by),
        f"Contour maps of the median test loss, a row for each of {names} and a column for each {by}.",
    )


def _variation_grid(frame: pd.DataFrame, by: str) -> Shown:
    return _shown(
        f"Variation between repetitions, by {by}",
        "Standard deviation of the test loss over the repetitions, divided by its mean: yellow where the runs of an "
        "experiment differ most.",
        zone_grid(frame, by=by, vary=True),
        f"Contour maps of the coefficient of variation of the test loss, a row for each task and a column per {by}.",
    )


def _generalization(name: str, frame: pd.DataFrame) -> Shown:
    return _shown(
        f"Generalization statistics of {name}",
        "Against the number of parameters: the epoch of the least smoothed median test loss, that loss, and the slope "
        "of the descent to it; lines are the fits of the table below.",
        generalization(frame),
        f"Minimizing epoch, minimum test loss and descent slope of {name} against the number of parameters.",
    )


def _slice(name: str, experiments: pd.DataFrame, along: str, best: Best) -> Shown:
    words = along.replace("kernel_regularizer.", "penalty ").replace("_", " ")
    return _shown(
        f"{name} along {words}",
        f"Each run at {best.epoch_words}: the median over the runs, and a band between the quartiles.",
        slices(experiments, along),
        f"Test loss of {name} at the best epoch, and that epoch, against {words}, a line per size.",
    )
