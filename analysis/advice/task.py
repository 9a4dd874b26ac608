"""What is known of a task before anything is trained on it, and how far two tasks are apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from survey.tasks.catalog import BUNDLED, PUBLISHED


@dataclass(frozen=True, slots=True)
class Task:
    """A task by its size.

    Attributes:
        name: Its name.
        kind: Classification or regression.
        rows: Rows of the whole data set; 0 where that is not known.
        inputs: Columns of the prepared inputs; 0 where that is not known.
        outputs: Columns of the prepared targets.
    """

    name: str
    kind: str
    rows: int
    inputs: int
    outputs: int

    def distance(self, other: Task) -> float:
        """How far tasks are apart: a tenfold of rows, inputs or outputs, or the other kind, is 1 each; Euclidean.

        What is not known of one of them does not count.
        """
        pairs = ((self.rows, other.rows), (self.inputs, other.inputs), (self.outputs, other.outputs))
        parts = [math.log10(one / another) for one, another in pairs if one and another]
        return math.hypot(*parts, float(self.kind != other.kind))


def surveyed_task(name: str, kind: str, outputs: int, network_structure: str | None) -> Task:
    """A task of a data set: what the catalogue knows of it, else what its networks tell."""
    known = PUBLISHED.get(name) or BUNDLED.get(name)
    inputs = known.num_inputs if known else None
    return Task(name, kind, known.rows if known else 0, inputs or _inputs(network_structure), outputs)


def _inputs(network_structure: str | None) -> int:
    try:
        return int(json.loads(network_structure or "{}").get("inputs", 0))
    except (ValueError, AttributeError):
        return 0
