"""Experiments on a module: the hyperparameters of whatever learns a task, and the axes of the module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from survey.functions.experiment import Values, value_of
from survey.functions.kinds import hashable, shown
from survey.networks.experiment import TaskExperiment


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleExperiment(TaskExperiment):
    """One setting of all hyperparameters; each axis of the module is an attribute too.

    Runs of the same task and repetition share their draws with those of networks, as `paired_by` is theirs.

    Attributes:
        workload: Name of the workload.
        version: Version of the module.
        axes: Axes of the module that differ from their defaults, sorted by name: they are part of the identity.
        rest: The others.
    """

    workload: str
    version: int = 1
    axes: Values = ()
    rest: Values = field(default=(), compare=False)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Make the experiment of a record, see `Experiment.from_record`."""
        recorded = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        values = {name: tuple((axis, hashable(value)) for axis, value in record[name]) for name in ("axes", "rest")}
        return cls(**{**recorded, **values})

    def __getattr__(self, name: str) -> Any:
        """Return the value of an axis of the module."""
        return value_of(self, name)

    @property
    def setting(self) -> dict[str, Any]:
        """The axes of the module by name."""
        return {**dict(self.axes), **dict(self.rest)}

    @property
    def label(self) -> str:
        """A name for people, such as `digits build width=16 lr0.01`; what is at its default is left out."""
        function = self.workload.rpartition(".")[2].rpartition(":")[2]
        axes = [self.text_of(name) for name, _ in self.axes]
        return " ".join([self.text_of("dataset"), function, *axes, *self.settings])

    def text_of(self, axis: str) -> str:
        """The value of an axis in a name for people: `width=16`, `lr0.01`."""
        if axis in self.setting:
            return f"{axis}={shown(self.setting[axis])}"
        return TaskExperiment.text_of(self, axis)

    @property
    def described(self) -> dict[str, object]:
        """What people and the data set see of it."""
        fields = {name: value for name, value in self.to_dict().items() if name not in ("axes", "rest", "version")}
        axes = {name: list(value) if isinstance(value, tuple) else value for name, value in self.setting.items()}
        return {**fields, **axes, "module_version": self.version}
