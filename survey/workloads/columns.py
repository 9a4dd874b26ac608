"""The columns that a workload has in the data set: those of its experiments, and the curves of its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from survey.workloads.metrics import Metrics

if TYPE_CHECKING:
    import pyarrow as pa

Column = tuple["pa.DataType", str]
"""The type of a column, and what it means."""


@dataclass(frozen=True, slots=True)
class GivenList:
    """A derived column of lists that some experiments are given, and that is an axis of these.

    Attributes:
        column: The column that says which experiments are given the list.
        value: Its value in these.
        derived: How many of the last elements are derived there, too.
        decides: Other axes, whose values follow from the list there.
    """

    column: str
    value: str
    derived: int = 0
    decides: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is made of it can be kept
class Columns:
    """What is the workload's own in the data set.

    Attributes:
        workload: Name of the workload.
        about: Its description, if it is a member of a family.
        experiment: Columns of an experiment by name, in their order: all of `common`, and those of the workload. A dot
            in a name stands for an underscore in the field of the experiment.
        partition: Those of them that are in the paths, in the order of the folders.
        metrics: What runs record of each epoch.
        of_runs: Columns of a run by name, beside its curves, of which summaries have nothing.
        derived: Columns of an experiment that follow from the others, and so are no axes.
        given_lists: Those of them that are axes of some experiments all the same.
        not_published: Columns of an experiment, and curves, that the published data lack; the others mean the same.
        told: Columns of an experiment that are no axes, and that the report lists with their values.
        of_data: Columns that say something of the data, and may be filled in where an older version did not know it.
        one_for_all: Columns of which all runs of a data set have the same value.
        one_for_data: Columns of which all runs on the data of one name have the same value.
        before: What older versions, which did not record a column, would have recorded.
        task_column: The column that names what is learned, if there is one: only experiments that learn the same are
            compared with each other.
    """

    workload: str
    experiment: Mapping[str, Column]
    partition: tuple[str, ...]
    metrics: Metrics
    of_runs: Mapping[str, Column] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()
    given_lists: Mapping[str, GivenList] = field(default_factory=dict)
    not_published: frozenset[str] = frozenset()
    told: tuple[str, ...] = ()
    of_data: tuple[str, ...] = ()
    one_for_all: tuple[str, ...] = ("task_version",)
    one_for_data: tuple[str, ...] = ("task_digest",)
    before: Mapping[str, Any] = field(default_factory=dict)
    task_column: str = ""
    about: str = ""

    def recording(self, names: Iterable[str]) -> Columns:
        """Return the columns of a data set whose runs have recorded these metrics, see `Metrics.found`."""
        return replace(self, metrics=self.metrics.found(names))


def common() -> dict[str, Column]:
    """Return the columns of every experiment, of whatever workload."""
    import pyarrow as pa

    return {
        "experiment_id": (pa.uint64(), "Identity of the experiment: a 63-bit hash of its canonical hyperparameters"),
        "batch": (pa.string(), "Name of the launch that trained the run: its search spaces, joined by +"),
        "draws": (
            pa.string(),
            "paired: runs of a task with the same repetition share split, orders and noise; independent: none do",
        ),
        "epochs": (pa.uint32(), "Number of epochs asked for"),
        "task_version": (pa.uint16(), "Version of the training definitions that made the run"),
    }
