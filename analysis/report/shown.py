"""A figure in the page, and what several say."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.figures.pictures import Picture

MEAN_SENTENCE = (
    "Whiskers are intervals of the mean at 95 %, each for its epoch alone. "
    "With more runs they become shorter; the band does not."
)
"""What is said of whiskers in a figure of learning curves."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure in the page, with its heading and caption."""

    title: str
    caption: str
    picture: Picture
