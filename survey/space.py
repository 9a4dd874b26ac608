"""Search spaces: fixed grids of hyperparameters, read from YAML or built in Python, expanded into experiments.

A search space is a union of grids. Each grid gives every hyperparameter a list of values; what it leaves out has the
default of the BUTTER data set. A mistake stops the launch before anything starts, with one message that says where,
what was found and what is allowed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeGuard

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from survey.errors import DatasetError, SearchSpaceError, TaskError, nearest
from survey.experiment import Experiment
from survey.names import clash, sweep_problem
from survey.options import MOST_REPETITIONS
from survey.tasks import UserTask, canonical_name, check_name, user_name_problem
from survey.topology import SHAPES

OPTIMIZERS = ("adam", "RMSprop", "SGD")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "elu", "swish")


def _as_axis(value: Any) -> Any:
    """Turn a single value, or `{powers_of_two: [first, last]}`, into a list."""
    if isinstance(value, Mapping):
        bounds = value.get("powers_of_two")
        if set(value) != {"powers_of_two"} or not _are_exponents(bounds):
            forms = "a value, a list, {list: NAME}, or {powers_of_two: [first, last]} with 0 <= first <= last <= 40"
            raise PydanticCustomError("axis", f"expected {forms}")
        first, last = bounds
        return [1 << exponent for exponent in range(first, last + 1)]
    axis = list(value) if isinstance(value, list | tuple) else [value]
    if not axis:
        raise PydanticCustomError("axis", "expected at least one value")
    return axis


def _are_exponents(bounds: Any) -> TypeGuard[list[int]]:
    whole = isinstance(bounds, list | tuple) and len(bounds) == 2 and all(type(bound) is int for bound in bounds)
    return whole and 0 <= bounds[0] <= bounds[1] <= 40


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "expected a number")
    return value


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            raise PydanticCustomError(
                "word",
                "expected one of {words}{nearest}",
                {"words": ", ".join(words), "nearest": nearest(value, words)},
            )
        return value

    return check


def _without(problem_of: Callable[[str], str]) -> Callable[[str], str]:
    """Take names of which nothing is said that is wrong with them."""

    def check(name: str) -> str:
        if problem := problem_of(name):
            raise PydanticCustomError("name", "{problem}", {"problem": problem})
        return name

    return check


def _none_word(value: Any) -> Any:
    return None if value == "none" else _one_of(("none", "l1", "l2"))(value) if value is not None else None


_Int = BeforeValidator(_no_bool)
_Axis = BeforeValidator(_as_axis)
_Size = Annotated[int, _Int, Field(ge=1, le=1 << 40)]
_Depth = Annotated[int, _Int, Field(ge=2, le=255)]
_Count = Annotated[int, _Int, Field(ge=1, le=2**32 - 1)]
_Rate = Annotated[float, _Int, Field(gt=0, allow_inf_nan=False)]
_Coefficient = Annotated[float, _Int, Field(ge=0, allow_inf_nan=False)]
_Fraction = Annotated[float, _Int, Field(ge=0, le=1)]
_Momentum = Annotated[float, _Int, Field(ge=0, lt=1)]


class Grid(BaseModel):
    """A hypercube of hyperparameter values: every combination is an experiment.

    Each field takes a list, a single value, or `{powers_of_two: [first, last]}` with both exponents included. The
    coefficients of a penalty are crossed with their own type only, and momentum not with adam.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Annotated[tuple[str, ...], _Axis]
    shape: Annotated[tuple[Annotated[str, BeforeValidator(_one_of(SHAPES))], ...], _Axis]
    size: Annotated[tuple[_Size, ...], _Axis]
    depth: Annotated[tuple[_Depth, ...], _Axis]
    learning_rate: Annotated[tuple[_Rate, ...], _Axis] = (1e-4,)
    batch_size: Annotated[tuple[_Count, ...], _Axis] = (256,)
    optimizer: Annotated[tuple[Annotated[str, BeforeValidator(_one_of(OPTIMIZERS))], ...], _Axis] = ("adam",)
    momentum: Annotated[tuple[_Momentum, ...], _Axis] = (0.0,)
    kernel_regularizer_type: Annotated[tuple[Annotated[str | None, BeforeValidator(_none_word)], ...], _Axis] = (None,)
    kernel_regularizer_l1: Annotated[tuple[_Coefficient, ...], _Axis] = ()
    kernel_regularizer_l2: Annotated[tuple[_Coefficient, ...], _Axis] = ()
    label_noise: Annotated[tuple[_Fraction, ...], _Axis] = (0.0,)
    activation: Annotated[tuple[Annotated[str, BeforeValidator(_one_of(ACTIVATIONS))], ...], _Axis] = ("relu",)
    epochs: Annotated[tuple[_Count, ...], _Axis] = (3000,)

    @model_validator(mode="after")
    def _penalties_are_complete(self) -> Grid:
        for kind in ("l1", "l2"):
            given = bool(getattr(self, f"kernel_regularizer_{kind}"))
            if given != (kind in self.kernel_regularizer_type):
                raise PydanticCustomError(
                    "penalty",
                    "kernel_regularizer_type {kind} and kernel_regularizer_{kind} (its coefficients) go together: "
                    "give both or neither",
                    {"kind": kind},
                )
        return self

    def experiments(self, contents: Mapping[str, str] = {}) -> Iterator[Experiment]:
        """Yield the experiments of the grid, in the order of its fields; equal ones may come again.

        Args:
            contents: Digest of the prepared data of each task that is a user's own.
        """
        axes = {name: getattr(self, name) for name in type(self).model_fields if not name.startswith("kernel_")}
        for penalty in self._penalties():
            for values in itertools.product(*axes.values()):
                setting = dict(zip(axes, values, strict=True))
                yield Experiment(**setting, **penalty, task_content=contents.get(setting["dataset"], ""))

    def _penalties(self) -> Iterator[dict[str, Any]]:
        for kind in self.kernel_regularizer_type:
            if kind is None:
                yield {}
            for coefficient in getattr(self, f"kernel_regularizer_{kind}", ()):
                yield {"kernel_regularizer_type": kind, f"kernel_regularizer_{kind}": coefficient}


class SearchSpace(BaseModel):
    """A named union of grids.

    Attributes:
        name: Name of the sweep; a column of the data set bears it.
        description: What the sweep is for.
        repetitions: Runs of each experiment, each with a seed of its own.
        grids: The grids whose union is surveyed.
        tasks: The user's own data sets, by the name that `dataset` uses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(_without(sweep_problem))]
    description: str = ""
    repetitions: Annotated[int, _Int, Field(ge=1, le=MOST_REPETITIONS)] = 10
    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]
    tasks: dict[Annotated[str, AfterValidator(_without(user_name_problem))], UserTask] = {}

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the data sets that the grids use."""
        return frozenset(name for grid in self.grids for name in grid.dataset)

    def check_datasets(self) -> None:
        """Check that every data set that the grids name is known, and that each has folders of its own everywhere.

        Raises:
            SearchSpaceError: One is not, or has not; the message says where, and what is known.
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

    def experiments(self, contents: Mapping[str, str] = {}) -> list[Experiment]:
        """Expand the grids into distinct experiments, in the order in which they first appear.

        Args:
            contents: Digest of the prepared data of each task that is a user's own, see `survey.tasks`.
        """
        return list(dict.fromkeys(itertools.chain.from_iterable(grid.experiments(contents) for grid in self.grids)))


def own_tasks(spaces: Iterable[SearchSpace]) -> dict[str, UserTask]:
    """Collect the users' own tasks of several search spaces.

    Raises:
        SearchSpaceError: Two of them define one name differently.
    """
    own: dict[str, UserTask] = {}
    for space in spaces:
        for name, task in space.tasks.items():
            if own.setdefault(name, task) != task:
                raise SearchSpaceError(f"{space.name}: tasks.{name}: another search space defines it differently")
    return own
