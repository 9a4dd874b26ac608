"""Search spaces: fixed grids of hyperparameters, read from YAML or built in Python, expanded into experiments.

A search space is a union of grids. Each grid gives every hyperparameter a list of values; those left out have the
defaults of the BUTTER data set. A mistake stops the launch before anything starts, with one message that says where,
what was found and what is allowed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from survey.dataset.sweep_names import sweep_problem
from survey.errors import DatasetError, SearchSpaceError, TaskError
from survey.networks.columns import COLUMNS
from survey.networks.topology import SHAPES
from survey.spaces.axes import (
    MOST_VALUES,
    Axis,
    BatchSize,
    Coefficient,
    Depth,
    Epochs,
    Fraction,
    Momentum,
    Number,
    Penalty,
    Rate,
    Size,
    float32,
    word,
)
from survey.tasks.names import canonical_name, check_name, user_name_problem
from survey.tasks.own import UserTask
from survey.text.names import clash
from survey.text.validation import CheckedModel
from survey.workloads.experiment import DRAWS, TRAINING_VERSION, Experiment
from survey.workloads.limits import MOST_EXPERIMENTS, MOST_REPETITIONS, MOST_RUN_EPOCHS

OPTIMIZERS = ("adam", "RMSprop", "SGD")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "elu", "swish")

_FLOATS = ("learning_rate", "momentum", "kernel_regularizer_l1", "kernel_regularizer_l2", "label_noise")


def _refuse(problem: str) -> None:
    """Raise the error of a grid or search space that is invalid as a whole, if there is a problem."""
    if problem:
        raise PydanticCustomError("whole", "{problem}", {"problem": problem})


def _without(problem_of: Callable[[str], str]) -> AfterValidator:
    """Return a validator that accepts names for which `problem_of` returns an empty string."""

    def check(name: str) -> str:
        if problem := problem_of(name):
            raise PydanticCustomError("name", "{problem}", {"problem": problem})
        return name

    return AfterValidator(check)


class Grid(CheckedModel, frozen=True):
    """A hypercube of hyperparameter values: every combination is an experiment.

    Each field takes a single value, `{powers_of_two: [first, last]}` with both exponents included, or an ordered
    collection: a list, a range, a NumPy array, a pandas column, a generator. The coefficients of a penalty are crossed
    with their own type only, and momentum is not crossed with adam.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    dataset: Annotated[tuple[str, ...], Axis]
    shape: Annotated[tuple[Annotated[str, word(SHAPES)], ...], Axis]
    size: Annotated[tuple[Size, ...], Axis]
    depth: Annotated[tuple[Depth, ...], Axis]
    learning_rate: Annotated[tuple[Rate, ...], Axis] = (1e-4,)
    batch_size: Annotated[tuple[BatchSize, ...], Axis] = (256,)
    optimizer: Annotated[tuple[Annotated[str, word(OPTIMIZERS)], ...], Axis] = ("adam",)
    momentum: Annotated[tuple[Momentum, ...], Axis] = (0.0,)
    kernel_regularizer_type: Annotated[tuple[Penalty, ...], Axis] = (None,)
    kernel_regularizer_l1: Annotated[tuple[Coefficient, ...], Axis] = ()
    kernel_regularizer_l2: Annotated[tuple[Coefficient, ...], Axis] = ()
    label_noise: Annotated[tuple[Fraction, ...], Axis] = (0.0,)
    activation: Annotated[tuple[Annotated[str, word(ACTIVATIONS)], ...], Axis] = ("relu",)
    epochs: Annotated[tuple[Epochs, ...], Axis] = (3000,)
    draws: Annotated[tuple[Annotated[str, word(DRAWS)], ...], Axis] = ("paired",)

    @model_validator(mode="after")
    def _penalties_are_complete(self) -> Grid:
        for kind in ("l1", "l2"):
            given = bool(getattr(self, f"kernel_regularizer_{kind}"))
            if given != (kind in self.kernel_regularizer_type):
                _refuse(
                    f"kernel_regularizer_type {kind} and kernel_regularizer_{kind} (its coefficients) go together: "
                    f"give both or neither"
                )
        return self

    @model_validator(mode="after")
    def _floats_differ(self) -> Grid:
        _refuse(_clash(self.floats))
        return self

    @property
    def num_points(self) -> int:
        """Number of combinations of values; equal experiments count separately."""
        crossed = math.prod(len(getattr(self, name)) for name in self._crossed())
        kinds = self.kernel_regularizer_type
        penalties = [1 if kind is None else len(getattr(self, f"kernel_regularizer_{kind}")) for kind in kinds]
        return crossed * sum(penalties)

    @property
    def floats(self) -> Iterator[tuple[str, float]]:
        """Names and values that the data set stores as float32."""
        return ((name, value) for name in _FLOATS for value in getattr(self, name))

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> Iterator[Experiment]:
        """Yield the experiments of the grid, in the order of its fields; equal ones may repeat.

        Args:
            contents: Digest of the prepared data of each of the user's own tasks.
            training_version: That of the output that they are of.
        """
        axes = {name: getattr(self, name) for name in self._crossed()}
        for penalty in self._penalties():
            for values in itertools.product(*axes.values()):
                setting = dict(zip(axes, values, strict=True))
                content = contents.get(setting["dataset"], "")
                yield Experiment(**setting, **penalty, task_content=content, training_version=training_version)

    @classmethod
    def _crossed(cls) -> list[str]:
        return [name for name in cls.model_fields if not name.startswith("kernel_")]

    def _penalties(self) -> Iterator[dict[str, Any]]:
        for kind in self.kernel_regularizer_type:
            if kind is None:
                yield {}
            for coefficient in getattr(self, f"kernel_regularizer_{kind}", ()):
                yield {"kernel_regularizer_type": kind, f"kernel_regularizer_{kind}": coefficient}


class SearchSpace(CheckedModel, frozen=True):
    """A named union of grids.

    Attributes:
        name: Name of the sweep, and of its column in the data set.
        description: What the sweep is for.
        repetitions: Runs of each experiment, each with its own seed.
        grids: The grids whose union is surveyed.
        tasks: The user's own data sets, by the name that `dataset` uses.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    name: Annotated[str, _without(partial(sweep_problem, columns=COLUMNS))]
    description: Annotated[str, Field(max_length=100_000)] = ""
    repetitions: Annotated[int, Number, Field(ge=1, le=MOST_REPETITIONS)] = 10
    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]
    tasks: dict[Annotated[str, _without(user_name_problem)], UserTask] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_feasible(self) -> SearchSpace:
        values = sum(len(getattr(grid, name)) for grid in self.grids for name in grid.model_fields_set)
        if values > MOST_VALUES:
            _refuse(
                f"grids: expected {MOST_VALUES:,} values at most, found {values:,}; use fewer, or several search spaces"
            )
        _refuse(_too_many([self]) or _clash(pair for grid in self.grids for pair in grid.floats))
        return self

    @property
    def num_points(self) -> int:
        """Number of points of all grids; equal experiments count separately."""
        return sum(grid.num_points for grid in self.grids)

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the data sets that the grids use."""
        return frozenset(name for grid in self.grids for name in grid.dataset)

    def check_datasets(self) -> None:
        """Check that the grids name known data sets only, whose folder names differ on every file system.

        Raises:
            SearchSpaceError: A name is unknown or clashes; the message says where, and what is known.
        """
        used: dict[str, None] = {}
        for index, grid in enumerate(self.grids):
            for place, name in enumerate(grid.dataset):
                try:
                    check_name(name, self.tasks)
                except TaskError as error:
                    raise DatasetError(("grids", index, "dataset", place), str(error)) from None
                bare = canonical_name(name)
                if bare not in used and (problem := clash([*used, bare], "task")):
                    raise DatasetError(("grids", index, "dataset", place), problem)
                used[bare] = None

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> list[Experiment]:
        """Expand the grids into distinct experiments, in order of appearance; arguments as of a grid."""
        grids = (grid.experiments(contents, training_version=training_version) for grid in self.grids)
        return list(dict.fromkeys(itertools.chain.from_iterable(grids)))


def check_together(
    spaces: Sequence[SearchSpace],
    *,
    before: Iterable[SearchSpace] = (),
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


def _too_many(spaces: Iterable[SearchSpace]) -> str:
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


def own_tasks(spaces: Iterable[SearchSpace]) -> dict[str, UserTask]:
    """Collect the user's own tasks of several search spaces.

    Raises:
        SearchSpaceError: Two of them define one name differently.
    """
    own: dict[str, UserTask] = {}
    for space in spaces:
        for name, task in space.tasks.items():
            if own.setdefault(name, task) != task:
                raise SearchSpaceError(f"{space.name}: tasks.{name}: another search space defines it differently")
    return own
