"""Search spaces over fully connected networks: BUTTER's hyperparameters, and the user's own tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from survey.networks.experiment import INITIALIZATIONS, NORMALIZATIONS, OPTIMIZERS, SCHEDULES, NetworkExperiment
from survey.networks.task_space import TaskSpace
from survey.networks.topology import SHAPES, WIDTHS
from survey.spaces.axes import Axis, Coefficient, Epochs, Exact, Fraction, Number, Rate, float32, one_of, word
from survey.spaces.search_space import BaseGrid, refuse
from survey.workloads.experiment import TRAINING_VERSION
from survey.workloads.limits import MOST_EPOCHS
from survey.workloads.registry import NETWORKS, own_key, space_type_of

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "elu", "swish")


def _below_1(value: float) -> float:
    if float32(value) >= 1:
        raise PydanticCustomError("float32", "the data set keeps it in 32 bits, where it rounds to 1; expected less")
    return value


def _1_or_below(value: float) -> float:
    return value if value == 1 else _below_1(value)


def _none_word(value: Any) -> Any:
    return None if value is None or value == "none" else one_of(("none", "l1", "l2"))(value)


def _lists_of_widths(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not all(isinstance(each, list | tuple) for each in value):
        raise PydanticCustomError("widths", "expected lists of the widths of hidden layers, as [[64, 32], [128], []]")
    return value


Size = Annotated[int, Number, Field(ge=1, le=1 << 40)]
Width = Annotated[int, Number, Field(ge=1, le=2**32 - 1)]
Widths = Annotated[tuple[Width, ...], Field(max_length=254)]
Depth = Annotated[int, Number, Field(ge=2, le=255)]
BatchSize = Annotated[int, Number, Field(ge=1, le=2**32 - 1)]
Below1 = Annotated[float, Number, Field(ge=0, lt=1), Exact, AfterValidator(_below_1)]
EpochCount = Annotated[int, Number, Field(ge=0, le=MOST_EPOCHS)]
Share = Annotated[float, Number, Field(gt=0, le=1), Exact, AfterValidator(_1_or_below)]
Penalty = Annotated[str | None, BeforeValidator(_none_word, json_schema_input_type=Literal["none", "l1", "l2"])]


_RULE = ("shape", "size", "depth")
"""Axes that give the layers by a rule; `widths` stands instead of them."""


class TaskGrid(BaseGrid, frozen=True):
    """The axes of whatever learns a task: those of `survey.networks.experiment.TaskExperiment`.

    The coefficients of a penalty are crossed with their own type only, momentum is not crossed with adam and adamw, and
    steps only with the schedule `step`.

    Attributes:
        dataset: Names of tasks: `sklearn:NAME`, the name of a table of PMLB, or one of the search space's `tasks`.
        learning_rate: Learning rates of the optimizer.
        batch_size: Rows of a minibatch.
        optimizer: Optimizers; the letter case of their names does not matter.
        momentum: Momentum of RMSprop and SGD.
        kernel_regularizer_type: Penalties on weights.
        kernel_regularizer_l1: Coefficients of the l1 penalty, which go with that type.
        kernel_regularizer_l2: Coefficients of the l2 penalty, likewise.
        label_noise: Fractions of the training labels that are changed.
        validation_split: Fractions of the training rows that are held out, to choose by.
        train_fraction: Fractions of the remaining training rows that are used.
        weight_decay: Decoupled weight decay of adamw.
        schedule: How the learning rate changes from update to update.
        warmup_epochs: Epochs in which the learning rate rises to its value, before the schedule begins.
        step_epochs: Epochs between the changes of the schedule `step`.
        step_factor: What each of these changes multiplies the learning rate by.
        gradient_clip: Norm above which the gradients of a run are scaled down; 0 for no limit.
        epochs: Numbers of epochs.
    """

    dataset: Annotated[tuple[str, ...], Axis]
    learning_rate: Annotated[tuple[Rate, ...], Axis] = (1e-4,)
    batch_size: Annotated[tuple[BatchSize, ...], Axis] = (256,)
    optimizer: Annotated[tuple[Annotated[str, word(OPTIMIZERS, any_case=True)], ...], Axis] = ("adam",)
    momentum: Annotated[tuple[Below1, ...], Axis] = (0.0,)
    kernel_regularizer_type: Annotated[tuple[Penalty, ...], Axis] = (None,)
    kernel_regularizer_l1: Annotated[tuple[Coefficient, ...], Axis] = ()
    kernel_regularizer_l2: Annotated[tuple[Coefficient, ...], Axis] = ()
    label_noise: Annotated[tuple[Fraction, ...], Axis] = (0.0,)
    validation_split: Annotated[tuple[Below1, ...], Axis] = (0.0,)
    train_fraction: Annotated[tuple[Share, ...], Axis] = (1.0,)
    weight_decay: Annotated[tuple[Coefficient, ...], Axis] = (0.0,)
    schedule: Annotated[tuple[Annotated[str, word(SCHEDULES)], ...], Axis] = ("constant",)
    warmup_epochs: Annotated[tuple[EpochCount, ...], Axis] = (0,)
    step_epochs: Annotated[tuple[EpochCount, ...], Axis] = (0,)
    step_factor: Annotated[tuple[Share, ...], Axis] = (1.0,)
    gradient_clip: Annotated[tuple[Coefficient, ...], Axis] = (0.0,)
    epochs: Annotated[tuple[Epochs, ...], Axis] = (3000,)

    @model_validator(mode="after")
    def _penalties_are_complete(self) -> Self:
        for kind in ("l1", "l2"):
            given = bool(getattr(self, f"kernel_regularizer_{kind}"))
            if given != (kind in self.kernel_regularizer_type):
                refuse(
                    f"kernel_regularizer_type {kind} and kernel_regularizer_{kind} (its coefficients) go together: "
                    f"give both or neither"
                )
        return self

    @model_validator(mode="after")
    def _decay_is_of_adamw(self) -> Self:
        others = [name for name in self.optimizer if name != "adamw"]
        if any(self.weight_decay) and others:
            refuse(
                f"weight_decay is that of adamw; {', '.join(others)} has none: give adamw a grid of its own, or others "
                "an l2 penalty (kernel_regularizer_type)"
            )
        if not any(self.weight_decay) and "adamw" in self.optimizer:
            refuse("adamw is adam with weight_decay: give one above 0, such as 0.01, or take adam")
        return self

    @model_validator(mode="after")
    def _schedules_are_complete(self) -> Self:
        has_steps = any(self.step_epochs) and any(factor != 1 for factor in self.step_factor)
        has_any = any(self.step_epochs) or any(factor != 1 for factor in self.step_factor)
        if has_any != ("step" in self.schedule) or has_any != has_steps:
            refuse(
                "schedule step, step_epochs (epochs between changes of the learning rate) and step_factor (what each "
                "multiplies it by) go together: give all or none"
            )
        if max(self.warmup_epochs) >= min(self.epochs):
            refuse(
                f"warmup_epochs {max(self.warmup_epochs):,} leaves the schedule none of {min(self.epochs):,} epochs: "
                "ask for fewer, or for more epochs"
            )
        return self

    @property
    def num_points(self) -> int:
        """Number of combinations of values; equal experiments count separately."""
        crossed = math.prod(len(self.values(name)) for name in self._crossed())
        kinds = self.kernel_regularizer_type
        penalties = [1 if kind is None else len(getattr(self, f"kernel_regularizer_{kind}")) for kind in kinds]
        return crossed * sum(penalties)

    def settings(self) -> Iterator[dict[str, Any]]:
        """Yield every combination of values, by name, in the order of `keys`; equal ones may repeat."""
        for penalty in self._penalties():
            for setting in self.points(self._crossed()):
                yield {**setting, **penalty}

    def _crossed(self) -> list[str]:
        """The axes of which every combination is a point, beside the penalties."""
        return [name for name in self.keys() if not name.startswith("kernel_regularizer_")]

    def _penalties(self) -> Iterator[dict[str, Any]]:
        for kind in self.kernel_regularizer_type:
            if kind is None:
                yield {}
            for coefficient in getattr(self, f"kernel_regularizer_{kind}", ()):
                yield {"kernel_regularizer_type": kind, f"kernel_regularizer_{kind}": coefficient}


class Grid(TaskGrid, frozen=True):
    """A hypercube of hyperparameter values: every combination is an experiment.

    A grid has either shape, size and depth, or `widths`: lists of the widths of hidden layers, of which an empty one is
    a linear model. Each field takes a single value, `{powers_of_two: [first, last]}` with both exponents included, or
    an ordered collection: a list, a range, a NumPy array, a pandas column, a generator. The coefficients of a penalty
    are crossed with their own type only, momentum is not crossed with adam and adamw, and steps only with the schedule
    `step`.

    Attributes:
        shape: Shapes of the networks: how the widths of their layers relate.
        size: Target numbers of trainable parameters; the widths are chosen to come near.
        depth: Numbers of layers with weights, the output layer included.
        widths: Widths of the hidden layers themselves, instead of shape, size and depth: `[[64, 32], [128], []]`.
        activation: Activations of the hidden layers.
        initialization: Distributions of the initial weights.
        dropout: Probabilities with which an output of a hidden layer is dropped.
        normalization: Whether hidden layers are normalized before their activation.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    shape: Annotated[tuple[Annotated[str, word(SHAPES)], ...], Axis] = ()
    size: Annotated[tuple[Size, ...], Axis] = ()
    depth: Annotated[tuple[Depth, ...], Axis] = ()
    widths: Annotated[tuple[Widths, ...], Axis, BeforeValidator(_lists_of_widths)] = ()
    activation: Annotated[tuple[Annotated[str, word(ACTIVATIONS)], ...], Axis] = ("relu",)
    initialization: Annotated[tuple[Annotated[str, word(INITIALIZATIONS)], ...], Axis] = ("glorot_uniform",)
    dropout: Annotated[tuple[Below1, ...], Axis] = (0.0,)
    normalization: Annotated[tuple[Annotated[str, word(NORMALIZATIONS)], ...], Axis] = ("none",)

    @model_validator(mode="after")
    def _layers_are_given_once(self) -> Self:
        missing = [name for name in _RULE if not getattr(self, name)]
        if self.widths and missing != list(_RULE):
            refuse("widths stands instead of shape, size and depth: leave them out, or give them a grid of their own")
        if missing and not self.widths:
            names = "key" if len(missing) == 1 else "keys"
            verb = "is" if len(missing) == 1 else "are"
            refuse(f"the {names} {', '.join(map(repr, missing))} {verb} missing")
        return self

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the names of the axes, those of the layers after the task."""
        first = ("dataset", *_RULE, "widths")
        others = super().keys()
        return (*first, *(name for name in others if name not in first))

    def experiments(
        self, contents: Mapping[str, str] = {}, *, training_version: int = TRAINING_VERSION
    ) -> Iterator[NetworkExperiment]:
        """Yield the experiments of the grid, in the order of `keys`; equal ones may repeat.

        Args:
            contents: Digest of the prepared data of each of the user's own tasks.
            training_version: That of the output that they are of.
        """
        for setting in self.settings():
            content = contents.get(setting["dataset"], "")
            if self.widths:
                setting |= {"hidden_widths": setting.pop("widths"), "shape": WIDTHS, "size": 0, "depth": 1}
            yield NetworkExperiment(**setting, task_content=content, training_version=training_version)

    def _crossed(self) -> list[str]:
        left_out = _RULE if self.widths else ("widths",)
        return [name for name in super()._crossed() if name not in left_out]


class SearchSpace(TaskSpace, frozen=True):
    """A named union of grids.

    Attributes:
        name: Name of the search space, and of its column in the data set.
        description: What it is for.
        repetitions: Runs of each experiment, each with its own seed.
        grids: The grids whose union is surveyed.
        tasks: The user's own tables, by the name that `dataset` uses.
        record_initial: Whether runs record their statistics before training too. A run that is done stays as it is.

    With `train`, the user's own training function, it is a search space of that: see docs/functions.md; with `model`,
    one of the user's own module: see docs/modules.md.

    Raises:
        SearchSpaceError: A value or a name is wrong; the message has a line for each.
    """

    WORKLOAD: ClassVar[str] = NETWORKS

    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]
    record_initial: bool = False

    def __new__(cls, /, **values: Any) -> Any:
        """Make the search space of a training function or of a module where there is one."""
        if own_key(values):
            return space_type_of(values, Path())(**values)
        return super().__new__(cls)
