"""Search spaces: fixed grids over the axes of a workload, read from YAML or built in Python, expanded into experiments.

A search space is a union of grids. Each grid gives every axis a list of values; those left out have their defaults. A
mistake stops the launch before anything starts, with one message that says where, what was found and what is allowed.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from survey.dataset.sweep_names import name_problem, sweep_problem
from survey.errors import SearchSpaceError
from survey.spaces.axes import MOST_VALUES, Axis, Epochs, Number, float32, word
from survey.spaces.sampling import sampled
from survey.text.names import folded
from survey.text.validation import CheckedModel
from survey.workloads.columns import Columns
from survey.workloads.experiment import DRAWS, TRAINING_VERSION, Experiment
from survey.workloads.limits import MOST_EXPERIMENTS, MOST_REPETITIONS, MOST_RUN_EPOCHS
from survey.workloads.registry import workload_named
from survey.workloads.workload import Workload


def refuse(problem: str) -> None:
    """Raise the error of a grid or search space that is invalid as a whole, if there is a problem."""
    if problem:
        raise PydanticCustomError("whole", "{problem}", {"problem": problem})


class BaseGrid(CheckedModel, frozen=True):
    """A hypercube of values of axes: every combination is an experiment. A workload's own grid adds its axes as fields.

    Each field takes a single value, `{powers_of_two: [first, last]}` with both exponents included, or an ordered
    collection: a list, a range, a NumPy array, a pandas column, a generator.

    Attributes:
        epochs: Numbers of epochs.
        draws: Whether repetition r has the same random draws in all experiments of a task, or draws of its own.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    epochs: Annotated[tuple[Epochs, ...], Axis]
    draws: Annotated[tuple[Annotated[str, word(DRAWS)], ...], Axis] = ("paired",)

    @model_validator(mode="after")
    def _floats_differ(self) -> Self:
        refuse(_clash(self.floats))
        return self

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the names of the axes, those of the workload first."""
        return (*(name for name in cls.model_fields if name not in BaseGrid.model_fields), *BaseGrid.model_fields)

    def values(self, name: str) -> tuple[Any, ...]:
        """Return the values of an axis."""
        return getattr(self, name)

    @property
    def num_points(self) -> int:
        """Number of combinations of values; equal experiments count separately."""
        return math.prod(len(self.values(name)) for name in self.keys())

    @property
    def floats(self) -> Iterator[tuple[str, float]]:
        """Names and values that the data set stores as float32."""
        values = ((name, value) for name in type(self).model_fields for value in getattr(self, name))
        return ((name, value) for name, value in values if isinstance(value, float))

    @abstractmethod
    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> Iterator[Experiment]:
        """Yield the experiments of the grid, in the order of its fields; equal ones may repeat.

        Args:
            contents: Digests of data that are part of the identity, see `survey.workloads.workload.SurveyData`.
            training_version: That of the output that they are of.
        """

    def points(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield every combination of the values of some fields, the last of which varies fastest."""
        axes = {name: self.values(name) for name in names}
        return (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


class BaseSpace(CheckedModel, frozen=True):
    """A named union of grids. A workload's own search space says what its grids are.

    Attributes:
        WORKLOAD: Name of the workload.
        NAMES_OF_AXES: Names of axes that a search space may have too, see `sweep_of`.
        name: Name of the search space.
        description: What it is for.
        repetitions: Runs of each experiment, each with its own seed.
        grids: The grids whose union is surveyed.
        sample: How many of their experiments to survey, chosen by `survey.spaces.sampling`; None for all.
        sample_seed: Another number chooses others.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    WORKLOAD: ClassVar[str]
    NAMES_OF_AXES: ClassVar[tuple[str, ...]] = ()

    name: str
    description: Annotated[str, Field(max_length=100_000)] = ""
    repetitions: Annotated[int, Number, Field(ge=1, le=MOST_REPETITIONS)] = 10
    grids: Annotated[tuple[BaseGrid, ...], Field(min_length=1)]
    sample: Annotated[int, Number, Field(ge=1)] | None = None
    sample_seed: Annotated[int, Number, Field(ge=0, lt=1 << 63)] = 0

    @field_validator("name")
    @classmethod
    def _can_be_a_column(cls, name: str) -> str:
        if problem := name_problem(name) or sweep_problem(_sweep_named(name, cls), cls.columns()):
            raise PydanticCustomError("name", "{problem}", {"problem": problem})
        return name

    @classmethod
    def columns(cls) -> Columns:
        """Return the columns of its workload."""
        return workload_named(cls.WORKLOAD).columns

    @model_validator(mode="after")
    def _is_feasible(self) -> Self:
        values = sum(len(getattr(grid, name)) for grid in self.grids for name in grid.model_fields_set)
        if values > MOST_VALUES:
            refuse(
                f"grids: expected {MOST_VALUES:,} values at most, found {values:,}; use fewer, or several search spaces"
            )
        refuse(_too_many([self]) or _clash(pair for grid in self.grids for pair in grid.floats))
        return self

    @property
    def num_points(self) -> int:
        """Number of points of all grids; equal experiments count separately."""
        return sum(grid.num_points for grid in self.grids)

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> list[Experiment]:
        """Expand the grids into distinct experiments, or the sample of them; arguments as of a grid.

        They are in order of appearance.
        """
        grids = (grid.experiments(contents, training_version=training_version) for grid in self.grids)
        return sampled(itertools.chain.from_iterable(grids), self.sample, self.sample_seed)

    def located(self, folder: Path) -> Self:
        """Return the search space of a file in this folder: relative paths in it are below the folder.

        Raises:
            SearchSpaceError: A path is invalid; the message says which.
        """
        return self

    def without_paths(self) -> Self:
        """Return the search space as it may be published: without the folders of the user's own data."""
        return self

    @property
    def workload(self) -> Workload:
        """What it surveys."""
        return workload_named(self.WORKLOAD)

    @property
    def kept(self) -> dict[str, Any]:
        """What an output keeps of it beside its fields."""
        return {}

    def check(self) -> None:
        """Check what no single value shows.

        Raises:
            LocatedError: Something is wrong; the message says where.
        """


def axes_of(space_type: type[BaseSpace]) -> tuple[str, ...]:
    """Return the names of the axes of the grids of such search spaces."""
    return get_args(space_type.model_fields["grids"].annotation)[0].keys()


def varied_axes(spaces: Iterable[BaseSpace]) -> tuple[str, ...]:
    """Return the axes that have several values in search spaces, those with the most values first."""
    grids = [grid for space in spaces for grid in space.grids]
    # Of those with as many values the later ones come first: a task, which is the first axis, tells least.
    names = reversed(grids[0].keys())
    counts = {name: len({value for grid in grids for value in grid.values(name)}) for name in names}
    return tuple(sorted((name for name in counts if counts[name] > 1), key=counts.__getitem__, reverse=True))


def sweep_of(space: BaseSpace) -> str:
    """Return the name that the column and the table of a search space have in the data set.

    It is that of the search space, or NAME_sweep if an axis has that: `dropout` may survey the axis `dropout`.
    """
    return _sweep_named(space.name, type(space))


def _sweep_named(name: str, space_type: type[BaseSpace]) -> str:
    return f"{name}_sweep" if folded(name) in map(folded, space_type.NAMES_OF_AXES) else name


def check_together(
    spaces: Sequence[BaseSpace],
    *,
    before: Iterable[BaseSpace] = (),
    held: Iterable[tuple[str, float]] = (),
    repetitions: int | None = None,
) -> None:
    """Check the total size of search spaces that are surveyed as one, and their values, before expanding them.

    Args:
        spaces: The search spaces.
        before: Those surveyed earlier in the same output, which each export looks at too.
        held: Names and values of hyperparameters that the output's data set stores as float32.
        repetitions: Overrides the number in the search spaces.

    Raises:
        SearchSpaceError: There are too many experiments, or epochs of one, or two values of a hyperparameter would be
            the same in the data set.
    """
    names = [space.name for space in spaces]
    problem = _too_many([*spaces, *(space for space in before if space.name not in names)])
    problem = problem or _clash(itertools.chain(held, *(grid.floats for space in spaces for grid in space.grids)))
    if problem:
        raise SearchSpaceError(f"{', '.join(names)}: {problem}")
    for space in spaces:
        runs, epochs = repetitions or space.repetitions, max(max(grid.epochs) for grid in space.grids)
        if runs * epochs > MOST_RUN_EPOCHS:
            raise SearchSpaceError(
                f"{space.name}: expected {MOST_RUN_EPOCHS:,} epochs of an experiment at most, over all its runs, whose "
                f"curves memory has to hold; found {runs:,} repetitions x {epochs:,} epochs; ask for fewer of either"
            )


def _too_many(spaces: Iterable[BaseSpace]) -> str:
    """Return the problem if there are more experiments than a launch can have, else an empty string."""
    counts = [
        (grid.num_points, f"grids[{index}] of {space.name}")
        for space in spaces
        for index, grid in enumerate(space.grids)
    ]
    count, (largest, where) = sum(number for number, _ in counts), max(counts)
    if count <= MOST_EXPERIMENTS:
        return ""
    return (
        f"grids: expected {MOST_EXPERIMENTS:,} experiments at most in all, found {count:,}, of which {where} has "
        f"{largest:,}; cross fewer values, or survey them in several outputs"
    )


def _clash(values: Iterable[tuple[str, float]]) -> str:
    """Return the problem if two values of a hyperparameter are one in the data set, else an empty string."""
    seen: dict[tuple[str, float], float] = {}
    for name, value in values:
        known = seen.setdefault((name, float32(value)), value)
        if known != value:
            return (
                f"{name}: {known!r} and {value!r} are the same number in the data set, which keeps it in 32 bits; "
                f"use one of them"
            )
    return ""
