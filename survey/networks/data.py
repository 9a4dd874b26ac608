"""The tasks that the networks of a launch learn: described, checked and loaded by their names in the search spaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from survey.dataset.layout import existing_tasks
from survey.dataset.reading import check_task_digest
from survey.networks import cores
from survey.networks.experiment import NetworkExperiment
from survey.networks.needs import NetworkNeeds
from survey.networks.search_space import SearchSpace
from survey.networks.sizes import check_sizes
from survey.networks.splits import check_splits
from survey.networks.task_space import TaskSpace, own_tasks
from survey.tasks import preparation
from survey.tasks.catalog import BUNDLED
from survey.tasks.loading import TaskDescription, describe, fetch, load
from survey.tasks.names import canonical_name, check_name
from survey.tasks.prepared import PreparedTask
from survey.text.names import clash
from survey.workloads.workload import SurveyData


class TaskData(SurveyData):
    """The tasks of some search spaces, public ones and the user's own.

    Args:
        spaces: The search spaces.

    Raises:
        InputError: Two of them define one task differently, or a name is unknown.
    """

    def __init__(self, spaces: Sequence[TaskSpace]) -> None:
        self._spaces, self._own = spaces, own_tasks(spaces)
        used = {name for space in spaces for name in space.datasets}
        self._declared = {canonical_name(name): name for name in sorted(used)}
        for name in sorted(used):
            check_name(name, self._own)  # tasks of another space may contradict it
        self._described: dict[tuple[str, bool], TaskDescription] = {}
        self._contents: dict[str, str] | None = None

    @property
    def contents(self) -> dict[str, str]:
        """Digest of the prepared data of each of the user's own tasks that is used, by name."""
        if self._contents is None:
            used = sorted(set(self._declared.values()) & set(self._own))
            self._contents = {name: load(name, self._own).digest for name in used}
        return self._contents

    def describe(self, task: str, *, may_guess: bool = False) -> TaskDescription:
        """Describe a task by its name in the data set; see `survey.tasks.loading.describe`."""
        key = task, may_guess
        if key not in self._described:
            self._described[key] = describe(self._declared[task], user_tasks=self._own, may_guess=may_guess)
        return self._described[key]

    def task(self, name: str) -> PreparedTask:
        """Return the prepared data of a task by its name in the data set."""
        return load(self._declared[name], self._own)

    @property
    def guessed(self) -> tuple[str, ...]:
        """Tasks whose number of inputs was guessed, as their data are not at hand."""
        return tuple(task for (task, _), found in self._described.items() if found.inputs_guessed)

    def check(self, *, may_guess: bool = False) -> None:
        """Check that tasks have rows to train on."""
        check_splits(self._spaces, lambda task: self.describe(canonical_name(task), may_guess=may_guess))

    def name_problem(self, dataset: Path) -> str:
        """Say which tasks, of these and those of a data set, do not stay distinct on every system."""
        return clash([*existing_tasks(dataset), *self._declared], "task")

    def check_dataset(self, dataset: Path) -> None:
        """Check that the user's own data are those of the rows in a data set."""
        for name, digest in self.contents.items():
            check_task_digest(dataset, name, digest)

    def load(self, experiments: Iterable[Any], dataset: Path, *, bundled: bool = True) -> Mapping[str, PreparedTask]:
        """Prepare the tasks of experiments, and check that they are those of the rows in a data set.

        Without `bundled`, leave out those that come with scikit-learn, which takes two seconds to import.
        """
        used = {experiment.dataset for experiment in experiments}
        names = sorted(used if bundled else used - set(BUNDLED))
        data = {name: self.task(name) for name in names}
        for name, task in data.items():
            check_task_digest(dataset, name, task.digest)
        return data

    def fetch(self) -> Iterator[tuple[str, Path | None]]:
        """Fetch the public tasks into the cache; yield the name and the file of each, None if it is always at hand."""
        for name in sorted(set(self._declared.values()) - self._own.keys()):
            yield name, fetch(name)

    def told(self) -> dict[str, dict[str, Any]]:
        """How each of the user's own tasks was prepared, by name; see `survey.tasks.preparation.told`."""
        return {name: preparation.told(load(name, self._own)) for name in self.contents}

    def lines(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield `told` as lines for people."""
        for name, about in told.items():
            yield from preparation.lines(name, about)


class NetworkData(TaskData):
    """The tasks that networks learn.

    Args:
        spaces: The search spaces.
    """

    def __init__(self, spaces: Sequence[SearchSpace]) -> None:
        super().__init__(spaces)
        self._of_networks = spaces
        self._records_initial = any(space.record_initial for space in spaces)

    def needs(self, experiment: NetworkExperiment, *, may_guess: bool = False) -> NetworkNeeds | None:
        """Return what a network's training needs; None if none comes near its size."""
        task = self.describe(experiment.dataset, may_guess=may_guess)
        return NetworkNeeds.of(experiment, task, records_initial=self._records_initial)

    def check(self, *, may_guess: bool = False) -> None:
        """Check that tasks have rows to train on, and at least one experiment a network that comes near its size."""
        super().check(may_guess=may_guess)
        check_sizes(self._of_networks, self.contents, lambda task: self.describe(task, may_guess=may_guess))

    def lines(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Say how tasks were prepared, and which core trains."""
        yield from super().lines(told)
        yield cores.told()

    def caveat(self) -> str:
        """Say what was guessed; an empty text if nothing was."""
        if not self.guessed:
            return ""
        return (
            f"The data of {', '.join(self.guessed)} are not at hand: their numbers of inputs, and so which of their "
            "experiments are within the size tolerance, are guesses; `survey fetch` fetches them"
        )
