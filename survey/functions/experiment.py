"""Experiments on a training function, and their identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from survey.functions.kinds import hashable, shown
from survey.workloads.experiment import Experiment

Values = tuple[tuple[str, Any], ...]
"""Axes with their values, sorted by name."""


def value_of(experiment: Any, name: str) -> Any:
    """Return the value of an axis, from `axes` and `rest` of an experiment, for its `__getattr__`.

    Raises:
        AttributeError: There is no such axis.
    """
    if not name.startswith("__"):
        for axis, value in (*experiment.axes, *experiment.rest):
            if axis == name:
                return value
    raise AttributeError(f"{type(experiment).__name__!r} object has no attribute {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionExperiment(Experiment):
    """One setting of all axes of a function; each axis is an attribute too.

    Attributes:
        workload: Name of the workload.
        version: Version of the function.
        axes: Axes that differ from their defaults: they are the identity.
        rest: The others, and those that do not count.
        is_on_task: Whether the axis `dataset` names a task, on whose rows it is trained.
        task_content: SHA-256 of the prepared data of a user's own task; empty for a public one, fixed by its name.
    """

    workload: str
    version: int
    axes: Values = ()
    rest: Values = field(default=(), compare=False)
    is_on_task: bool = False
    task_content: str = ""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Make the experiment of a record, see `Experiment.from_record`."""
        kept = {name: record[name] for name in ("workload", "version", "epochs", "draws", "training_version")}
        learned = {name: record[name] for name in ("is_on_task", "task_content") if name in record}
        return cls(**kept, **learned, axes=_sorted(record["axes"]), rest=_sorted(record["rest"]))

    def __getattr__(self, name: str) -> Any:
        """Return the value of an axis."""
        return value_of(self, name)

    @property
    def label(self) -> str:
        """The function, and the axes that differ from their defaults."""
        function = self.workload.rpartition(".")[2].rpartition(":")[2]
        return " ".join([function, *(self.text_of(name) for name, _ in self.axes)])

    def text_of(self, axis: str) -> str:
        """The value of an axis in a name for people: `width=16`."""
        return f"{axis}={shown(getattr(self, axis))}"

    @property
    def paired_by(self) -> tuple[str, ...]:
        """The function; or the task, as of networks, so that all that learn it have the same rows."""
        return (self.dataset, self.task_content) if self.is_on_task else (self.workload,)

    @property
    def canonical(self) -> dict[str, object]:
        """The workload, its version, the axes that differ from their defaults, the number of epochs, and the task."""
        described: dict[str, object] = {
            "training_version": self.training_version,
            "workload": self.workload,
            "version": self.version,
            "epochs": self.epochs,
            "axes": dict(self.axes),
        }
        if self.is_on_task:
            described["task"] = self.task_content
        return described if self.draws == "paired" else {**described, "draws": self.draws}

    @property
    def described(self) -> dict[str, object]:
        """The axes by name, as people and the data set see them."""
        axes = {**dict(self.axes), **dict(self.rest)}
        common = {"epochs": self.epochs, "draws": self.draws, "function_version": self.version}
        return {**{name: _listed(value) for name, value in axes.items()}, **common, "workload": self.workload}

    def to_dict(self) -> dict[str, object]:
        """All fields as plain values."""
        return {
            "workload": self.workload,
            "version": self.version,
            "axes": {name: _listed(value) for name, value in self.axes},
            "rest": {name: _listed(value) for name, value in self.rest},
            "epochs": self.epochs,
            "draws": self.draws,
            "training_version": self.training_version,
            **({"is_on_task": True, "task_content": self.task_content} if self.is_on_task else {}),
        }

    @property
    def prefix_id(self) -> int:
        """Its own id: a function may do other work if it is to do more epochs, so none is the beginning of another."""
        return self.experiment_id


def _sorted(values: Mapping[str, Any]) -> Values:
    return tuple((name, hashable(value)) for name, value in sorted(values.items()))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
