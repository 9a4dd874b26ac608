"""What a survey of a function needs beside its search spaces: its source, its processes, and what it learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from survey.errors import InputError
from survey.functions.description import Description, taken_names
from survey.functions.experiment import FunctionExperiment
from survey.functions.measuring import MemoryModel, measure
from survey.functions.needs import FunctionNeeds
from survey.functions.search_space import FunctionSpace, TaskFunctionSpace
from survey.functions.server import FunctionServer
from survey.functions.source import Source
from survey.functions.trainer import Calls
from survey.networks.data import TaskData
from survey.workloads.workload import SurveyData

_LARGE_TASK = 1e6
"""Numbers in the inputs of a task that count like the largest value of an axis, before anything is measured."""


class FunctionData(SurveyData):
    """The source of the function, which workers need to call it; and the tasks, if it asks for data.

    Args:
        spaces: The search spaces.
        description: What is known of the function, with what an earlier launch has recorded.
        has_changed: Whether its source is another one than that of an earlier launch.

    Raises:
        InputError: The search spaces are on different functions of one name.
    """

    def __init__(self, spaces: Sequence[FunctionSpace], description: Description, *, has_changed: bool) -> None:
        self._spaces, self._description, self._has_changed = spaces, description, has_changed
        self._is_measured, self._memory = False, MemoryModel()
        sources = {space.SOURCE.digest: space.SOURCE for space in spaces if space.SOURCE}
        if len(sources) > 1:
            raise InputError(
                f"{', '.join(space.name for space in spaces)}: {description.name} is another function in each; give "
                "one of them a name of its own by `workload`, or launch them by themselves"
            )
        self._source: Source | None = next(iter(sources.values()), None)
        on_tasks = [space for space in spaces if isinstance(space, TaskFunctionSpace)]
        self._tasks = TaskData(on_tasks) if on_tasks else None
        self._around: SurveyData = self._tasks or SurveyData()

    @property
    def contents(self) -> dict[str, str]:
        """Digest of the prepared data of each of the user's own tasks that is used, by name."""
        return self._around.contents

    @property
    def guessed(self) -> tuple[str, ...]:
        """Tasks whose number of inputs was guessed, as their data are not at hand."""
        return self._around.guessed

    def check(self, *, may_guess: bool = False) -> None:
        """Check that tasks have rows to train on."""
        self._around.check(may_guess=may_guess)

    def name_problem(self, dataset: Path) -> str:
        """Say which tasks, of these and those of a data set, do not stay distinct on every system."""
        return self._around.name_problem(dataset)

    def check_dataset(self, dataset: Path) -> None:
        """Check that the user's own tasks are those of the rows in a data set."""
        self._around.check_dataset(dataset)

    def fetch(self) -> Iterator[tuple[str, Path | None]]:
        """Fetch the public tasks; yield the name and the file of each, None if it is always at hand."""
        return self._around.fetch()

    def told(self) -> dict[str, dict[str, Any]]:
        """How each of the user's own tasks was prepared, by name."""
        return self._around.told()

    @cached_property
    def _largest(self) -> dict[str, float]:
        """The largest absolute value of each numeric axis, and the largest task."""
        found = dict.fromkeys(self._description.numeric, 0.0)
        for grid in (grid for space in self._spaces for grid in space.grids):
            for name in found.keys() & set(grid.keys()):
                found[name] = max(found[name], *(abs(value or 0) for value in grid.values(name)))
        return {name: most or 1.0 for name, most in found.items()}

    def _terms(self, experiment: FunctionExperiment, *, may_guess: bool = False) -> tuple[float, ...]:
        """What time and memory may depend on: see `FunctionNeeds.terms`."""
        axes = tuple(abs(getattr(experiment, name) or 0) / most for name, most in self._largest.items())
        if not self._tasks:
            return (1.0, *axes)
        task = self._tasks.describe(experiment.dataset, may_guess=may_guess)
        return (1.0, *axes, task.rows * task.num_inputs / _LARGE_TASK)

    def needs(self, experiment: FunctionExperiment, *, may_guess: bool = False) -> FunctionNeeds:
        """Return what a call needs."""
        terms = self._terms(experiment, may_guess=may_guess)
        return FunctionNeeds(experiment, (self._description.objective,), terms, self)

    @cached_property
    def _server(self) -> FunctionServer:
        assert self._source
        return FunctionServer(self._source)

    def epoch_s(self, experiment: FunctionExperiment, *, device: str, seconds: float) -> float:
        """Train a run for about so many seconds, see `survey.functions.measuring.measure`."""
        self._is_measured = True
        description = self._description
        calls = Calls(
            self._server,
            experiment,
            description.objective,
            taken_names(description.columns),
            device,
            str(Path.cwd()),
            self._tasks.task(experiment.dataset) if self._tasks else None,
        )
        found_s, num_bytes = measure(calls, seconds=seconds)
        self._memory.note(self._terms(experiment), num_bytes)
        return found_s

    def run_bytes(self, experiment: FunctionExperiment) -> int:
        """Return the memory of a run by what has been measured; 0 if nothing has."""
        return self._memory.estimate(self._terms(experiment, may_guess=True)) if self._is_measured else 0

    def forget_measurements(self) -> None:
        """Forget what the pilot has measured."""
        self._is_measured, self._memory = False, MemoryModel()

    def caveat(self) -> str:
        """Say that nothing is known of the time, unless it was measured."""
        if self._is_measured:
            return ""
        return "nothing is known of the time that the function takes, so these hours mean nothing: --pilot measures it"

    def lines(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Say that the source has changed, that the function asks for no seed, and how tasks were prepared."""
        yield from self._around.lines(told)
        if not all("seed" in space.SIGNATURE["given"] for space in self._spaces):
            yield f"{self._description.name} asks for no seed: its repetitions are the same, unless it draws by itself"
        if self._has_changed:
            yield (
                f"the source of {self._description.name} has changed since the last launch, under the same version "
                f"{self._description.version}: what is done stays; if it means other work now, raise `version`"
            )

    def load(
        self, experiments: Iterable[FunctionExperiment], dataset: Path, *, bundled: bool = True
    ) -> Mapping[str, Any]:
        """Return the source, the folder that the function runs in, names that no metric can have, and the tasks."""
        return {
            "source": self._source,
            "folder": str(Path.cwd()),
            "spaces": [space.sweep for space in self._spaces],
            "tasks": self._around.load(experiments, dataset, bundled=bundled),
        }
