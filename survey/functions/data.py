"""What a survey of a function needs beside its search spaces: its source, its processes, and what it learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from survey.functions.description import Description
from survey.functions.experiment import FunctionExperiment
from survey.functions.measurements import Measurements
from survey.functions.needs import FunctionNeeds
from survey.functions.search_space import FunctionSpace, TaskFunctionSpace
from survey.functions.source import one_source
from survey.networks.data import TaskData
from survey.spaces.search_space import sweep_of


class FunctionData(TaskData):
    """The source of the function, which workers need to call it; and the tasks, if it asks for data.

    Args:
        spaces: The search spaces.
        description: What is known of the function, with what an earlier launch has recorded.
        has_changed: Whether its source is another one than that of an earlier launch.

    Raises:
        InputError: The search spaces are on different functions of one name.
    """

    def __init__(self, spaces: Sequence[FunctionSpace], description: Description, *, has_changed: bool) -> None:
        super().__init__([space for space in spaces if isinstance(space, TaskFunctionSpace)])
        self._of_function, self._description, self._has_changed = spaces, description, has_changed
        self._source = one_source(description.name, {space.name: space.SOURCE for space in spaces})
        self.measurements = Measurements(self._source, description, spaces, self)

    def needs(self, experiment: FunctionExperiment, *, may_guess: bool = False) -> FunctionNeeds:
        """Return what a call needs."""
        terms = self.measurements.terms(experiment, may_guess=may_guess)
        return FunctionNeeds(experiment, (self._description.objective,), terms, self.measurements)

    def forget_measurements(self) -> None:
        """Forget what the pilot has measured."""
        self.measurements.forget()

    def lines(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Say that the source has changed, that the function asks for no seed, and how tasks were prepared."""
        yield from super().lines(told)
        if not all("seed" in space.SIGNATURE["given"] for space in self._of_function):
            yield f"{self._description.name} asks for no seed: its repetitions are the same, unless it draws by itself"
        if self._has_changed:
            yield self._description.told_of_other_source

    def load(self, experiments: Iterable[Any], dataset: Path, *, bundled: bool = True) -> Mapping[str, Any]:
        """Return the source, the folder that the function runs in, names that no metric can have, and the tasks."""
        on_tasks = (each for each in experiments if each.is_on_task)
        return {
            "source": self._source,
            "folder": str(Path.cwd()),
            "spaces": [sweep_of(space) for space in self._of_function],
            "tasks": super().load(on_tasks, dataset, bundled=bundled),
        }
