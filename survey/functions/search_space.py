"""Search spaces over a training function: the axes of a grid are the parameters of the function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, create_model, model_validator
from pydantic_core import PydanticCustomError

from survey.errors import InputError, nearest
from survey.functions import kinds
from survey.functions.description import (
    METRIC_NAME,
    TASK_AXES,
    WORKLOAD_NAME,
    Description,
    FunctionAxis,
    default_partition,
    names_of_metric,
    objective_metric,
    taken_names,
)
from survey.functions.grid import EPOCHS, FIELD, TASK_NAMES, FunctionGrid, TaskFunctionGrid
from survey.functions.server import FunctionServer
from survey.functions.signature import SignatureError, describe
from survey.functions.source import Source, source_of
from survey.networks.task_space import TaskSpace
from survey.spaces.axes import MOST_VALUES, Axis, Epochs
from survey.spaces.sampling import sampled
from survey.spaces.search_space import BaseSpace, refuse, sweep_of
from survey.text.names import folded
from survey.workloads.columns import Columns
from survey.workloads.experiment import TRAINING_VERSION, Experiment
from survey.workloads.registry import FUNCTIONS, workload_named
from survey.workloads.workload import Workload


def _as_objective(value: Any) -> Any:
    """`test_loss` is `{test_loss: min}`."""
    named = {value: "min"} if isinstance(value, str) else value
    if not isinstance(named, Mapping) or len(named) != 1:
        raise PydanticCustomError("objective", "expected the name of a metric, or {NAME: min} or {NAME: max}")
    (name,) = named
    if not isinstance(name, str) or not METRIC_NAME.fullmatch(name):
        raise PydanticCustomError("objective", "expected a name of letters, digits, _, -, . and /")
    return named


def place_as_text(value: Any) -> Any:
    """Write where a function is as text, as a file does; what is text stays."""
    return f"{value.__module__}:{value.__qualname__}" if callable(value) else value


class FunctionSpace(BaseSpace, frozen=True):
    """A named union of grids over a training function.

    Attributes:
        SOURCE: Where the function comes from; None in what an output keeps, which is not trained by it.
        SIGNATURE: What it asks for.
        AXES: Its axes, but for `epochs`.
        train: `FILE.py:FUNCTION`, `package.module:function`, or the function itself.
        version: Raised by its author when the same axes mean other work.
        objective: The metric that experiments are compared by, `{NAME: min}` or `{NAME: max}`.
        not_identity: Axes that are recorded and do not count for the identity of experiments.
        partition: Axes in the paths of the data set; two of those that are varied, if there are none.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    SOURCE: ClassVar[Source | None] = None
    SIGNATURE: ClassVar[Mapping[str, Any]] = {}
    AXES: ClassVar[tuple[FunctionAxis, ...]] = ()

    train: Annotated[str, BeforeValidator(place_as_text)]
    version: Annotated[int, Field(strict=True, ge=1, lt=1 << 32)] = 1
    objective: Annotated[dict[str, Literal["min", "max"]], BeforeValidator(_as_objective)]
    not_identity: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    grids: Annotated[tuple[FunctionGrid, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_axes(self) -> Self:
        axes = self.AXES
        names = [axis.name for axis in axes]
        for key in ("not_identity", "partition"):
            for name in getattr(self, key):
                if name not in names:
                    refuse(f"{key}: {name!r} is no axis{nearest(name, names)}; expected some of {', '.join(names)}")
        for name, best in self.objective.items():
            taken = {*_taken(), *map(folded, names), folded(sweep_of(self))}
            if clash := names_of_metric(objective_metric(name, best)) & taken:
                column = name if folded(name) in clash else min(clash)
                refuse(f"objective: the data set has a column {column!r} of its own; name the metric or axis otherwise")
        for name in set(self.partition).intersection(self.not_identity):
            refuse(f"partition: {name!r} does not count for the identity, so it cannot say where an experiment lies")
        for axis in axes:
            if axis.name in self.partition and not (axis in TASK_AXES or kinds.can_be_in_paths(axis.kind)):
                refuse(
                    f"partition: {axis.name!r} is {kinds.words(axis.kind)}, which cannot be in paths of the data set"
                )
        return self

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> list[Experiment]:
        """Expand the grids into distinct experiments, or the sample of them, in order of appearance."""
        found = (
            grid.experiments(
                contents, training_version=training_version, version=self.version, not_identity=self.not_identity
            )
            for grid in self.grids
        )
        return sampled(itertools.chain.from_iterable(found), self.sample, self.sample_seed)

    @classmethod
    def columns(cls) -> Columns:
        """Return the columns of its workload, of which the objective is not known yet."""
        return Description("any", 1, cls.AXES, "objective", "min", is_on_tasks=_is_on_tasks(cls.SIGNATURE)).columns

    @property
    def workload(self) -> Workload:
        """The function as it is described here."""
        return workload_named(self.WORKLOAD, self.function.to_json())

    @property
    def function(self) -> Description:
        """What outputs and data sets keep of the function."""
        version = str(self.version)
        ((objective, best),) = self.objective.items()
        varied = [name for each in self.grids for name in each.varied]
        counted = [axis for axis in self.AXES if axis.name not in self.not_identity]
        return Description(
            name=self.WORKLOAD.removeprefix(f"{FUNCTIONS}:"),
            version=self.version,
            axes=self.AXES,
            objective=objective,
            best=best,
            not_identity=self.not_identity,
            partition=self.partition or default_partition(counted, varied),
            defaults={version: {axis.name: axis.default for axis in self.AXES if axis.has_default}},
            digests={version: self.SOURCE.digest} if self.SOURCE else {},
            is_on_tasks=_is_on_tasks(self.SIGNATURE),
        )

    def without_paths(self) -> Self:
        """Return the search space without the folder of the function."""
        return super().without_paths().model_copy(update={"train": self.train.rpartition("/")[2]})

    @property
    def kept(self) -> dict[str, Any]:
        """What an output keeps beside the fields, so that it reads the search space without the function."""
        return {"signature": dict(self.SIGNATURE)}


class TaskFunctionSpace(FunctionSpace, TaskSpace, frozen=True):
    """A named union of grids over a training function that asks for data, with the user's own tasks."""

    grids: Annotated[tuple[TaskFunctionGrid, ...], Field(min_length=1)]


def _is_on_tasks(signature: Mapping[str, Any]) -> bool:
    """Whether a function asks for data."""
    return "data" in signature.get("given", ())


def space_type_of(document: dict[str, Any], folder: Path, *, is_kept: bool) -> type[FunctionSpace]:
    """Return the class of a search space, for its function.

    Args:
        document: The search space as it is written; `workload` and `signature` are taken out of it.
        folder: Folder that a relative path starts from.
        is_kept: Whether an output keeps it: then it says itself what the function asks for, and nothing is imported.

    Raises:
        InputError: The function cannot be found, imported or surveyed.
    """
    read = kept_signature if is_kept else partial(found_signature, folder=folder, signature_of=_signature)
    return _space_type(*read(document, key="train", family=FUNCTIONS))


def kept_signature(document: dict[str, Any], *, key: str, family: str) -> tuple[str, dict[str, Any], None]:
    """Take out of the search space of an output the name and the signature of what it surveys, which has no source.

    Args:
        document: The search space; `workload` and `signature` are taken out of it.
        key: The key that names what is surveyed.
        family: Name of the family of workloads.

    Raises:
        InputError: They are not there.
    """
    name, signature = document.pop("workload", None), document.pop("signature", None)
    if not isinstance(signature, dict) or not isinstance(name, str):
        what = "function" if family == FUNCTIONS else "module"
        raise InputError(f"{key}: this copy of a search space does not say what its {what} asks for; launch again")
    return _checked_name(name.removeprefix(f"{family}:")), signature, None


def found_signature(
    document: dict[str, Any],
    *,
    key: str,
    family: str,
    folder: Path,
    signature_of: Callable[[Any, Source], dict[str, Any]],
) -> tuple[str, dict[str, Any], Source]:
    """Find what a search space surveys: its name, signature and source; arguments beside those of `kept_signature`.

    Args:
        document, key, family: As of `kept_signature`.
        folder: Folder that a relative path starts from.
        signature_of: Reads the signature of what stands under the key, from its source.

    Raises:
        InputError: It cannot be found, imported or surveyed.
    """
    name, source = document.pop("workload", None), source_of(document[key], folder, key=key)
    signature = signature_of(document[key], source)
    return _checked_name(source.name if name is None else name), signature, source


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not WORKLOAD_NAME.fullmatch(name):
        raise InputError(f"workload: expected a name of letters, digits, _, - and ., found {name!r}")
    return name


def _signature(train: Any, source: Source) -> dict[str, Any]:
    if not isinstance(train, str):
        try:
            return describe(train)
        except SignatureError as error:
            raise InputError(f"train: {source.name}: {error}") from None
    with FunctionServer(source) as server:
        return server.signature


def _space_type(name: str, signature: Mapping[str, Any], source: Source | None) -> type[FunctionSpace]:
    """Make the class of search spaces of a function."""
    try:
        parameters = axes_of(name, signature)
    except ValueError:
        raise InputError(f"train: what is kept of {name} cannot be read") from None
    own = tuple(axis for axis in parameters if axis.name != EPOCHS)
    is_on_tasks = _is_on_tasks(signature)
    _check_names(name, own, is_on_tasks=is_on_tasks)
    axes = (*TASK_AXES, *own) if is_on_tasks else own
    fields = axis_fields(own)
    epochs = next((axis for axis in parameters if axis.name == EPOCHS), None)
    if signature["is_plain"] and epochs is None:
        fields[EPOCHS] = (Annotated[tuple[Annotated[int, Field(strict=True, ge=1, le=1)], ...], Axis], (1,))
    elif epochs is not None and epochs.has_default:
        fields[EPOCHS] = (Annotated[tuple[Epochs, ...], Axis], (epochs.default,))
    workload = f"{FUNCTIONS}:{name}"
    bases = (TaskFunctionGrid, TaskFunctionSpace) if is_on_tasks else (FunctionGrid, FunctionSpace)
    about = f"A hypercube of values of the parameters of {name}: every combination is an experiment."
    grid = create_model("Grid", __base__=bases[0], __doc__=about, **fields)  # pyright: ignore[reportCallIssue, reportArgumentType]
    grid.AXES, grid.NAME = axes, workload
    grids = Annotated[tuple[grid, ...], Field(min_length=1)]
    about = f"A named union of grids over the training function {name}."
    space = create_model("SearchSpace", __base__=bases[1], __doc__=about, grids=(grids, ...))
    space.WORKLOAD, space.SOURCE, space.SIGNATURE, space.AXES = workload, source, signature, axes
    space.NAMES_OF_AXES = tuple(axis.name for axis in axes)
    return space


def axes_of(name: str, signature: Mapping[str, Any], *, key: str = "train") -> list[FunctionAxis]:
    """Return the axes of a signature.

    Args:
        name: Name of the function, for messages.
        signature: As of `survey.functions.signature.describe`.
        key: That of the search space which names the function, for messages.

    Raises:
        InputError: A default is not of its kind.
        ValueError: It is no signature: a stranger's output keeps it.
    """
    try:
        return [_axis(name, each, key) for each in signature["axes"]]
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from None


def axis_fields(axes: Iterable[FunctionAxis]) -> dict[str, Any]:
    """Return the fields of a grid, as pydantic makes models of them, by the names of the axes with `FIELD` before."""
    return {FIELD + axis.name: (_values_of(axis), _field(axis)) for axis in axes}


def _axis(name: str, parameter: Mapping[str, Any], key: str) -> FunctionAxis:
    kind, has_default = parameter["kind"], "default" in parameter
    default = kinds.hashable(parameter.get("default"))
    if has_default:
        try:
            default = kinds.checked(kind, default)
        except ValidationError:
            hint = ", or annotate it as Optional" if default is None else ""
            raise InputError(
                f"{key}: {name}: the default of {parameter['name']!r} is {default!r}, which is not "
                f"{kinds.words(kind)}; change one of them{hint}"
            ) from None
    return FunctionAxis(parameter["name"], kind, has_default, default)


def _values_of(axis: FunctionAxis) -> Any:
    return Annotated[tuple[kinds.annotation(axis.kind), ...], Axis, Field(max_length=MOST_VALUES)]


def _field(axis: FunctionAxis) -> Any:
    return Field((axis.default,), alias=axis.name) if axis.has_default else Field(alias=axis.name)


def _check_names(name: str, axes: Sequence[FunctionAxis], *, is_on_tasks: bool) -> None:
    taken = _taken() | ({"task_digest"} if is_on_tasks else set())
    for axis in axes:
        if is_on_tasks and axis.name in TASK_NAMES:
            raise InputError(
                f"train: {name}: it asks for `data`, so that {axis.name!r} is an axis of the survey: it says "
                "how the data are made; leave the parameter out, or rename it"
            )
        if folded(axis.name) in taken:
            raise InputError(f"train: {name}: the data set has a column {axis.name!r} of its own; rename the parameter")


@cache
def _taken() -> frozenset[str]:
    """Names that no axis can have."""
    return taken_names(Description("any", 1, (), "objective", "min").columns) | {"draws", "workload"}
