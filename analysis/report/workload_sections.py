"""The figures of a report on a workload other than networks: learning curves, slices and maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from analysis.figures.axis_maps import MAX_MAPS, axis_maps, pairs
from analysis.figures.axis_slices import axis_slice
from analysis.figures.metric_curves import objective_curves, other_curves
from analysis.figures.pictures import picture
from analysis.figures.selection import Drawn
from analysis.reading.axes import axis_values, varied_axes, words
from analysis.reading.best import Best, best_of
from analysis.report.condense import curves_of, known_columns, recorded
from analysis.report.shown import MEAN_SENTENCE, Shown, metrics_text
from survey.workloads.metrics import Metrics

MAX_SLICES = 8
"""Most axes along which slices are drawn: those with most values."""

_LOWEST = {"min": "lowest", "max": "highest"}


@dataclass(frozen=True, slots=True)
class WorkloadSection:
    """A part of the page: a heading with figures."""

    name: str
    title: str
    shown: list[Shown]


def sections(dataset: Path, metrics: Metrics, experiments: pd.DataFrame, axes: Sequence[str]) -> list[WorkloadSection]:
    """Draw the figures of a data set.

    Args:
        dataset: Folder of the data set.
        metrics: Metrics of its workload.
        experiments: All its experiments, as `analysis.report.condense.experiments` returns them.
        axes: Their axes.
    """
    best = best_of(metrics, experiments)
    varied = sorted(varied_axes(experiments, axes), key=lambda name: -len(axis_values(experiments, name)))
    found = [
        WorkloadSection("curves", "Learning curves", list(_curves(dataset, metrics, experiments, axes, best))),
        WorkloadSection("slices", "Slices", [_slice(experiments, best, name, axes) for name in varied[:MAX_SLICES]]),
        WorkloadSection("maps", "Maps", [_maps(experiments, best, axes)] if pairs(experiments, axes) else []),
    ]
    return [section for section in found if section.shown]


def _curves(
    dataset: Path, metrics: Metrics, experiments: pd.DataFrame, axes: Sequence[str], best: Best
) -> Iterator[Shown]:
    objective, name = metrics.objective, words(metrics.objective.name)
    there = set(known_columns(dataset, [f"{metric.name}_median" for metric in metrics.all]))
    others = [metric for metric in recorded(dataset, experiments, metrics)[1:] if f"{metric.name}_median" in there]
    wanted = [*(f"{objective.name}_{part}" for part in ("q1", "q3", "avg", "stddev", "num_finite")), *there]
    with_curves = partial(curves_of, dataset, columns=wanted)
    if f"{objective.name}_median" in there:
        yield _shown(
            f"{name} by epoch",
            f"The median over the repetitions at each epoch, and a band between their quartiles; "
            f"the {_LOWEST[str(objective.best)]} is the best. {MEAN_SENTENCE}",
            objective_curves(experiments, best, axes, with_curves),
            f"Median {name} by epoch.",
        )
    if others:
        yield _shown(
            "Other metrics by epoch",
            f"The median over the repetitions at each epoch: {metrics_text(others)}.",
            other_curves(experiments, others, best, axes, with_curves),
            "Small panels with the median of each other metric by epoch.",
        )


def _slice(experiments: pd.DataFrame, best: Best, along: str, axes: Sequence[str]) -> Shown:
    name = words(best.metric.name)
    return _shown(
        f"{name} along {words(along)}",
        f"Each run at {best.epoch_words}: the median over the repetitions, and what is between their quartiles.",
        axis_slice(experiments, best, along, axes),
        f"{name} at the best epoch, and that epoch, against {words(along)}.",
    )


def _maps(experiments: pd.DataFrame, best: Best, axes: Sequence[str]) -> Shown:
    name = words(best.metric.name)
    over = ", ".join(f"{words(x)} and {words(y)}" for x, y in pairs(experiments, axes)[:MAX_MAPS])
    return _shown(
        f"{name} over pairs of axes",
        f"Each run at {best.epoch_words}: the median over the repetitions. Yellow is best, and the best of a map has a "
        "frame; grey has no finite value.",
        axis_maps(experiments, best, axes),
        f"Maps of the {name} at the best epoch over {over}.",
    )


def _shown(title: str, caption: str, drawn: Drawn, alt: str) -> Shown:
    return Shown(f"{title[0].upper()}{title[1:]}", f"{caption} {drawn.note}".strip(), picture(drawn.figure, alt))
