"""Grids over a training function: hypercubes of values of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from survey.functions.description import TASK_AXES, FunctionAxis
from survey.functions.experiment import FunctionExperiment
from survey.networks.search_space import Below1, Share
from survey.spaces.axes import Axis
from survey.spaces.search_space import BaseGrid
from survey.tasks.names import canonical_name
from survey.workloads.experiment import TRAINING_VERSION

FIELD = "axis_"
"""Begins the names of the fields of parameters, so that these may be called as the methods of a model are."""

EPOCHS = "epochs"
"""The axis that all experiments have, which may be a parameter too."""

TASK_NAMES = tuple(axis.name for axis in TASK_AXES)
"""Names of the axes of tasks, which have fields of their own names."""


class FunctionGrid(BaseGrid, frozen=True):
    """A hypercube of values of parameters; `space_type_of` makes the class for a function.

    Attributes:
        AXES: The parameters that are axes, but for `epochs`; and those of tasks, if the function asks for data.
        NAME: Name of the workload among all workloads.
        IS_ON_TASKS: Whether the function asks for data.
    """

    AXES: ClassVar[tuple[FunctionAxis, ...]] = ()
    NAME: ClassVar[str] = ""
    IS_ON_TASKS: ClassVar[bool] = False

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the names of the axes, those of the function first."""
        return (*(axis.name for axis in cls.AXES), *BaseGrid.model_fields)

    def values(self, name: str) -> tuple[Any, ...]:
        """Return the values of an axis."""
        is_own = name in BaseGrid.model_fields or (self.IS_ON_TASKS and name in TASK_NAMES)
        return getattr(self, name if is_own else FIELD + name)

    @property
    def floats(self) -> Iterator[tuple[str, float]]:
        """None: the columns of a function's axes have 64 bits."""
        return iter(())

    @property
    def varied(self) -> list[str]:
        """Axes of the function that have several values."""
        return [axis.name for axis in self.AXES if len(self.values(axis.name)) > 1]

    def experiments(
        self,
        contents: Mapping[str, str] = {},
        *,
        training_version: int = TRAINING_VERSION,
        version: int = 1,
        not_identity: Sequence[str] = (),
    ) -> Iterator[FunctionExperiment]:
        """Yield the experiments of the grid; arguments beside those of `BaseGrid` as in a `Description`."""
        defaults = {axis.name: axis.default for axis in self.AXES if axis.has_default}
        for point in self.points(self.keys()):
            content = contents.get(point["dataset"], "") if self.IS_ON_TASKS else ""
            if self.IS_ON_TASKS:
                point["dataset"] = canonical_name(point["dataset"])
            values = sorted((axis.name, point[axis.name]) for axis in self.AXES)
            counted = [
                each
                for each in values
                if each[0] not in not_identity and not (each[0] in defaults and defaults[each[0]] == each[1])
            ]
            yield FunctionExperiment(
                workload=self.NAME,
                version=version,
                axes=tuple(counted),
                rest=tuple(each for each in values if each not in counted),
                epochs=point[EPOCHS],
                draws=point["draws"],
                training_version=training_version,
                is_on_task=self.IS_ON_TASKS,
                task_content=content,
            )


class TaskFunctionGrid(FunctionGrid, frozen=True):
    """A grid of a function that asks for data: with the axes of tasks.

    Attributes:
        dataset: Names of tasks.
        validation_split: Fractions of the training rows that are held out to validate.
        train_fraction: Fractions of the remaining rows that the function gets to train on.
    """

    IS_ON_TASKS: ClassVar[bool] = True

    dataset: Annotated[tuple[str, ...], Axis]
    validation_split: Annotated[tuple[Below1, ...], Axis] = (0.0,)
    train_fraction: Annotated[tuple[Share, ...], Axis] = (1.0,)
