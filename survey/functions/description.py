"""What an output and a data set keep of a training function: its axes with their defaults, and its objective.

Whoever has this needs neither the function nor its packages: exports, reports and `status` run none of the user's code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, Self

from survey.dataset.schema import best_fields, curve_fields, repetition_schema, summary_schema
from survey.errors import InputError
from survey.functions import kinds
from survey.text.names import folded
from survey.workloads.columns import Columns, common
from survey.workloads.metrics import ALL_STATISTICS, Metric, Metrics
from survey.workloads.registry import FUNCTIONS

METRIC_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,99}")
"""What a metric can be called, in MLflow and in the columns of a data set."""

WORKLOAD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""What a function can be called in identities."""

OWN_COLUMNS = ("function_version", "source_digest")
"""Columns of every function, beside its axes."""

_TASK_MEANINGS = {
    "dataset": "Task: NAME (PMLB), sklearn:NAME, or a name of the search space",
    "validation_split": "Fraction of the rows for training that is drawn as the validation set",
    "train_fraction": "Fraction of the rows for training that the function gets",
}

_IN_PATHS = 2
"""Axes in the paths of a data set, if the search space does not name them."""


@dataclass(frozen=True)
class FunctionAxis:
    """A parameter of a function.

    Attributes:
        name: Its name.
        kind: What its values may be, see `survey.functions.kinds`.
        has_default: Whether it has a default.
        default: That default.

    Raises:
        ValueError: It is no axis: a stranger may have written it.
    """

    name: str
    kind: Any
    has_default: bool = False
    default: Any = None

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier() and kinds.is_kind(self.kind)):
            raise ValueError(f"no axis: {self.name!r} {self.kind!r}")


TASK_AXES = (
    FunctionAxis("dataset", "str"),
    FunctionAxis("validation_split", "float", has_default=True, default=0.0),
    FunctionAxis("train_fraction", "float", has_default=True, default=1.0),
)
"""Axes of a function that asks for `data`; it gets the rows instead of them."""

_TASK = TASK_AXES[0].name


@dataclass(frozen=True)
class Description:
    """What is known of a function.

    Attributes:
        name: Name of the workload.
        version: What its author raises when the same axes mean other work.
        axes: Its axes, but for `epochs`.
        objective: The metric that experiments are compared by.
        best: Whether less or more of that is better.
        not_identity: Axes that do not count for the identity of an experiment.
        partition: Axes that are in the paths of the data set.
        defaults: The defaults of each version's axes, by the version as text.
        digests: Digest of the source that each version was launched with last.
        is_on_tasks: Whether it asks for `data`, so that `TASK_AXES` are among its axes.

    Raises:
        ValueError: It contradicts itself: a stranger may have written it.
    """

    name: str
    version: int
    axes: tuple[FunctionAxis, ...]
    objective: str
    best: Literal["min", "max"]
    not_identity: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    is_on_tasks: bool = False

    def __post_init__(self) -> None:
        names = {axis.name for axis in self.axes}
        paths = {axis.name for axis in self.axes if kinds.can_be_in_paths(axis.kind)}
        if self.is_on_tasks:
            paths.add(_TASK)
        is_named = WORKLOAD_NAME.fullmatch(self.name) and METRIC_NAME.fullmatch(self.objective)
        if not (is_named and self.best in ("min", "max") and names.issuperset(self.not_identity)):
            raise ValueError(f"no function: {self.name!r} {self.objective!r}")
        if not (isinstance(self.version, int) and paths.issuperset(self.partition)):
            raise ValueError(f"{self.name}: no version or partition: {self.version!r} {self.partition!r}")
        if self.is_on_tasks and not set(TASK_AXES).issubset(self.axes):
            raise ValueError(f"{self.name}: no axes of tasks")

    @property
    def workload(self) -> str:
        """Name of the workload among all workloads."""
        return f"{FUNCTIONS}:{self.name}"

    def to_json(self) -> str:
        """Return it as text, the same for the same description."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` has made.

        Raises:
            ValueError, TypeError, KeyError: It has not.
        """
        found = json.loads(text)
        axes = tuple(FunctionAxis(**{**each, "default": kinds.hashable(each["default"])}) for each in found["axes"])
        lists = {name: tuple(found[name]) for name in ("not_identity", "partition")}
        return cls(**{**found, **lists, "axes": axes})

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the axes whose values are numbers, or none."""
        return tuple(axis.name for axis in self.axes if kinds.is_number(axis.kind))

    def axis(self, name: str) -> FunctionAxis | None:
        """Return the axis of this name, if there is one."""
        return next((axis for axis in self.axes if axis.name == name), None)

    @cached_property
    def columns(self) -> Columns:
        """Its columns in the data set; its metrics beside the objective are found while it trains."""
        import pyarrow as pa

        own = {
            axis.name: (
                kinds.arrow_type(axis.kind),
                _TASK_MEANINGS[axis.name]
                if self.is_on_tasks and axis in TASK_AXES
                else f"Parameter of the function: {kinds.words(axis.kind)}",
            )
            for axis in self.axes
        }
        task = {"task_digest": (pa.string(), "SHA-256 of the prepared data")} if self.is_on_tasks else {}
        return Columns(
            workload=self.workload,
            about=self.to_json(),
            experiment={
                **common(),
                "function_version": (pa.uint32(), "Version of the function, which its author raises"),
                **own,
                **task,
                "source_digest": (pa.string(), "SHA-256 of the source of the function and of what it imports"),
            },
            partition=self._paths,
            metrics=Metrics((objective_metric(self.objective, self.best),), is_open=True),
            derived=frozenset((*OWN_COLUMNS, *task)),
            task_column=_TASK if self.is_on_tasks else "",
            of_data=("source_digest", *self.not_identity),
            before={
                axis.name: axis.default
                for axis in self.axes
                if axis.has_default and axis.default is not None and not isinstance(axis.default, tuple)
            },
        )

    @property
    def _paths(self) -> tuple[str, ...]:
        """Axes in the paths of the data set: the task, if there is one, comes first, as in all data sets."""
        if not self.is_on_tasks:
            return self.partition or ("epochs",)
        return _TASK, *(name for name in self.partition if name != _TASK)

    def joined(self, earlier: Description) -> Self:
        """Return it with what earlier launches on the same output have recorded.

        Raises:
            InputError: Both contradict each other; the message says what to do.
        """
        self._check_same("objective", {self.objective: self.best}, {earlier.objective: earlier.best})
        self._check_same("whether it asks for `data`", self.is_on_tasks, earlier.is_on_tasks)
        self._check_same("not_identity", sorted(self.not_identity), sorted(earlier.not_identity))
        for axis in earlier.axes:
            mine = self.axis(axis.name)
            if mine is None:
                raise InputError(
                    f"{self.name}: the parameter {axis.name!r}, which it had in this output, is gone; restore "
                    "it, with a default, or choose another --out"
                )
            if kinds.arrow_type(mine.kind) != kinds.arrow_type(axis.kind):
                raise InputError(
                    f"{self.name}: the parameter {axis.name!r} was {kinds.words(axis.kind)} in this output, and is "
                    f"{kinds.words(mine.kind)} now: one column cannot hold both; choose another --out"
                )
        known = earlier.defaults.get(str(self.version), {})
        for name, value in self.defaults[str(self.version)].items():
            if name in known and kinds.hashable(known[name]) != kinds.hashable(value):
                raise InputError(
                    f"{self.name}: the default of {name!r} was {known[name]!r} and is {value!r} now, under the same "
                    f"version {self.version}: experiments that leave it out would mean other work under the same name; "
                    f"raise `version` in the search space, or restore the default"
                )
        return replace(
            self,
            partition=earlier.partition,
            defaults={**earlier.defaults, str(self.version): {**known, **self.defaults[str(self.version)]}},
            digests={**earlier.digests, **self.digests},
        )

    def has_other_source(self, earlier: Description) -> bool:
        """Whether its source is another one than that of an earlier launch of the same version."""
        version = str(self.version)
        known = earlier.digests.get(version)
        return known is not None and self.digests.get(version, known) != known

    @property
    def told_of_other_source(self) -> str:
        """What people are told then."""
        return (
            f"the source of {self.name} has changed since the last launch, under the same version {self.version}: "
            "what is done stays; if it means other work now, raise `version`"
        )

    def _check_same(self, what: str, now: Any, before: Any) -> None:
        if now != before:
            raise InputError(
                f"{self.name}: {what} is {now} here and {before} in this output, whose summaries are made by it; "
                "restore it, or choose another --out"
            )


def objective_metric(name: str, best: Literal["min", "max"]) -> Metric:
    """Return the metric that experiments are compared by."""
    return Metric(name, "what experiments are compared by", best=best, statistics=ALL_STATISTICS, of_runs=True)


def default_partition(axes: Sequence[FunctionAxis], varied: Sequence[str]) -> tuple[str, ...]:
    """Choose the axes in the paths of a data set: the first of those that are varied and can be there."""
    able = [axis.name for axis in axes if kinds.can_be_in_paths(axis.kind)]
    return tuple([name for name in able if name in varied][:_IN_PATHS])


@lru_cache(maxsize=4096)
def names_of_metric(metric: Metric) -> frozenset[str]:
    """Names of the columns that a data set has of a metric: its curve and its statistics, `folded`."""
    alone = Columns(workload="", experiment={}, partition=(), metrics=Metrics((metric,)))
    fields = (*curve_fields(alone), *best_fields(alone))
    return frozenset(map(folded, (metric.curve, *(field.name for field in fields))))


def taken_names(columns: Columns) -> frozenset[str]:
    """Names that no metric can have, as columns have them, `folded`."""
    names = {*repetition_schema(columns, []).names, *summary_schema(columns, []).names}
    return frozenset(map(folded, names - {columns.metrics.objective.curve}))
