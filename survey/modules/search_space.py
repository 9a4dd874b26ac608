"""Search spaces over a module: the axes of a grid are the parameters of the function that builds it, and our own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, create_model

from survey.errors import InputError
from survey.functions.description import (
    FunctionAxis,
    default_partition,
    taken_names,
)
from survey.functions.grid import FIELD
from survey.functions.search_space import axes_of, axis_fields, found_signature, kept_signature, place_as_text
from survey.functions.signature import SignatureError
from survey.functions.source import Source
from survey.modules.building import builder_of, signature_of
from survey.modules.description import ModuleDescription
from survey.modules.experiment import ModuleExperiment
from survey.networks.search_space import TaskGrid
from survey.networks.task_space import TaskSpace
from survey.spaces.sampling import sampled
from survey.text.names import folded
from survey.workloads.columns import Columns
from survey.workloads.experiment import TRAINING_VERSION, Experiment
from survey.workloads.registry import MODULES, workload_named
from survey.workloads.workload import Workload


class ModuleGrid(TaskGrid, frozen=True):
    """A hypercube of values: of the module's axes and of our own; `space_type_of` makes the class for a module.

    Attributes:
        AXES: The axes of the module.
        NAME: Name of the workload among all workloads.
    """

    AXES: ClassVar[tuple[FunctionAxis, ...]] = ()
    NAME: ClassVar[str] = ""

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the names of the axes, those of the module first."""
        return (*(axis.name for axis in cls.AXES), *TaskGrid.model_fields)

    def values(self, name: str) -> tuple[Any, ...]:
        """Return the values of an axis."""
        return getattr(self, name if name in TaskGrid.model_fields else FIELD + name)

    @property
    def floats(self) -> Iterator[tuple[str, float]]:
        """Those of our own axes: the columns of the module's axes have 64 bits."""
        values = ((name, value) for name in TaskGrid.model_fields for value in self.values(name))
        return ((name, value) for name, value in values if isinstance(value, float))

    @property
    def varied(self) -> list[str]:
        """Axes of the module that have several values."""
        return [axis.name for axis in self.AXES if len(self.values(axis.name)) > 1]

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION, version: int = 1
    ) -> Iterator[ModuleExperiment]:
        """Yield the experiments of the grid; `version` is that of the module."""
        names = sorted(axis.name for axis in self.AXES)
        defaults = {axis.name: axis.default for axis in self.AXES if axis.has_default}
        for point in self.settings():
            values = [(name, point.pop(name)) for name in names]
            counted = [each for each in values if not (each[0] in defaults and defaults[each[0]] == each[1])]
            yield ModuleExperiment(
                **point,
                workload=self.NAME,
                version=version,
                axes=tuple(counted),
                rest=tuple(each for each in values if each not in counted),
                task_content=contents.get(point["dataset"], ""),
                training_version=training_version,
            )


class ModuleSpace(TaskSpace, frozen=True):
    """A named union of grids over a module.

    Attributes:
        SOURCE: Where the function that builds it comes from; None in what an output keeps, which is not trained by it.
        SIGNATURE: What that asks for.
        AXES: The axes of the module.
        model: `FILE.py:FUNCTION`, `package.module:function`, or the function itself.
        version: Raised by its author when the same axes mean other work.
        record_initial: Whether runs record their statistics before training too. A run that is done stays as it is.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    SOURCE: ClassVar[Source | None] = None
    SIGNATURE: ClassVar[Mapping[str, Any]] = {}
    AXES: ClassVar[tuple[FunctionAxis, ...]] = ()

    model: Annotated[str, BeforeValidator(place_as_text)]
    version: Annotated[int, Field(strict=True, ge=1, lt=1 << 32)] = 1
    grids: Annotated[tuple[ModuleGrid, ...], Field(min_length=1)]
    record_initial: bool = False

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> list[Experiment]:
        """Expand the grids into distinct experiments, or the sample of them, in order of appearance."""
        found = (
            grid.experiments(contents, training_version=training_version, version=self.version) for grid in self.grids
        )
        return sampled(itertools.chain.from_iterable(found), self.sample, self.sample_seed)

    @classmethod
    def columns(cls) -> Columns:
        """Return the columns of its workload."""
        return ModuleDescription("any", 1, cls.AXES).columns

    @property
    def workload(self) -> Workload:
        """The module as it is described here."""
        return workload_named(self.WORKLOAD, self.description_of_module.to_json())

    @property
    def description_of_module(self) -> ModuleDescription:
        """What outputs and data sets keep of the module."""
        version = str(self.version)
        varied = [name for each in self.grids for name in each.varied]
        return ModuleDescription(
            name=self.WORKLOAD.removeprefix(f"{MODULES}:"),
            version=self.version,
            axes=self.AXES,
            partition=default_partition(self.AXES, varied),
            defaults={version: {axis.name: axis.default for axis in self.AXES if axis.has_default}},
            digests={version: self.SOURCE.digest} if self.SOURCE else {},
        )

    def without_paths(self) -> Self:
        """Return the search space without the folders of the module and of its own tasks."""
        return super().without_paths().model_copy(update={"model": self.model.rpartition("/")[2]})

    @property
    def kept(self) -> dict[str, Any]:
        """What an output keeps beside the fields, so that it reads the search space without the module."""
        return {"signature": dict(self.SIGNATURE)}


def space_type_of(document: dict[str, Any], folder: Path, *, is_kept: bool) -> type[ModuleSpace]:
    """Return the class of a search space, for its module.

    Args:
        document: The search space as it is written; `workload` and `signature` are taken out of it.
        folder: Folder that a relative path starts from.
        is_kept: Whether an output keeps it: then it says itself what the function asks for, and nothing is imported.

    Raises:
        InputError: The function cannot be found, imported or surveyed.
    """
    read = kept_signature if is_kept else partial(found_signature, folder=folder, signature_of=_signature)
    return _space_type(*read(document, key="model", family=MODULES))


def _signature(model: Any, source: Source) -> dict[str, Any]:
    if isinstance(model, str):
        return builder_of(source).signature
    try:
        return signature_of(model)
    except SignatureError as error:
        raise InputError(f"model: {source.name}: {error}") from None


def _space_type(name: str, signature: Mapping[str, Any], source: Source | None) -> type[ModuleSpace]:
    """Make the class of search spaces of a module."""
    try:
        axes = tuple(axes_of(name, signature, key="model"))
    except ValueError:
        raise InputError(f"model: what is kept of {name} cannot be read") from None
    _check_names(name, axes)
    workload, fields = f"{MODULES}:{name}", axis_fields(axes)
    about = (
        f"A hypercube of values of the parameters of {name} and of its training: every combination is an experiment."
    )
    grid = create_model("Grid", __base__=ModuleGrid, __doc__=about, **fields)  # pyright: ignore[reportCallIssue, reportArgumentType]
    grid.AXES, grid.NAME = axes, workload
    grids = Annotated[tuple[grid, ...], Field(min_length=1)]
    about = f"A named union of grids over the module {name}."
    space = create_model("SearchSpace", __base__=ModuleSpace, __doc__=about, grids=(grids, ...))
    space.WORKLOAD, space.SOURCE, space.SIGNATURE, space.AXES = workload, source, signature, axes
    return space


def _check_names(name: str, axes: tuple[FunctionAxis, ...]) -> None:
    ours = {folded(field): field for field in TaskGrid.model_fields}
    for axis in axes:
        if folded(axis.name) in ours:
            raise InputError(
                f"model: {name}: {ours[folded(axis.name)]!r} is an axis of the loop that trains the module, so the "
                f"module cannot have a parameter {axis.name!r}; rename it"
            )
        if folded(axis.name) in _taken():
            raise InputError(f"model: {name}: the data set has a column {axis.name!r} of its own; rename the parameter")


@cache
def _taken() -> frozenset[str]:
    """Names that no axis can have."""
    own = ModuleDescription("any", 1, ()).columns
    return taken_names(own) | {*map(folded, own.metrics.curves), "workload"}
