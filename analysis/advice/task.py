"""What is known of a task before training, and the distance between two tasks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from survey.tasks.catalog import BUNDLED, PUBLISHED


@dataclass(frozen=True, slots=True)
class Task:
    """The kind and size of a task.

    Attributes:
        name: Its name.
        kind: `classification` or `regression`.
        rows: Rows of the whole data set; 0 if unknown.
        inputs: Columns of the prepared inputs; 0 if unknown.
        outputs: Columns of the prepared targets.
    """

    name: str
    kind: str
    rows: int
    inputs: int
    outputs: int

    def distance(self, other: Task) -> float:
        """Return the Euclidean distance: ten times the rows, inputs or outputs, or the other kind, is 1 each.

        A number unknown for one of the tasks does not count.
        """
        pairs = ((self.rows, other.rows), (self.inputs, other.inputs), (self.outputs, other.outputs))
        parts = [math.log10(one / another) for one, another in pairs if one and another]
        return math.hypot(*parts, float(self.kind != other.kind))


def surveyed_task(name: str, kind: str, outputs: int, network_structure: str | None) -> Task:
    """Describe a task of a data set, from the catalog if possible, else from its networks."""
    known = PUBLISHED.get(name) or BUNDLED.get(name)
    inputs = known.num_inputs if known else None
    return Task(name, kind, known.rows if known else 0, inputs or _inputs(network_structure), outputs)


def _inputs(network_structure: str | None) -> int:
    try:
        return int(json.loads(network_structure or "{}").get("inputs", 0))
    except (ValueError, AttributeError):
        return 0
