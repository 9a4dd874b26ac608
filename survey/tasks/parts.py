"""The parts of a split of a user's own, see `survey.tasks.own_split`."""

from __future__ import annotations

from typing import NamedTuple

PARTS = ("train", "validation", "test")
"""Names of the parts; their places here are their numbers."""


class PartSizes(NamedTuple):
    """Number of rows of each part."""

    train: int
    validation: int
    test: int
