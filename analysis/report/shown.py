"""A figure in the page, and what several say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.figures.pictures import Picture
from analysis.reading.axes import metric_text, words
from survey.workloads.metrics import Metric

MEAN_SENTENCE = (
    "Whiskers are intervals of the mean at 95 %, each for its epoch alone. "
    "With more runs they become shorter; the band does not."
)
"""What is said of whiskers in a figure of learning curves."""


MAX_MEANINGS = 4
"""Most metrics that are listed with their meanings; the names of more say enough."""


def metrics_text(metrics: Sequence[Metric]) -> str:
    """List metrics by their names, with their meanings if they are few."""
    if len(metrics) > MAX_MEANINGS:
        return ", ".join(words(metric.name) for metric in metrics)
    return ", ".join(metric_text(metric) for metric in metrics)


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure in the page, with its heading and caption."""

    title: str
    caption: str
    picture: Picture
