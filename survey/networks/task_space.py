"""What search spaces have in common whose experiments learn tasks: the names of these, and tasks of the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from survey.errors import LocatedError, SearchSpaceError, TaskError
from survey.spaces.axes import without
from survey.spaces.search_space import BaseSpace
from survey.tasks.names import canonical_name, check_name, user_name_problem
from survey.tasks.own import UserTask
from survey.text.names import clash


class TaskSpace(BaseSpace, frozen=True):
    """A search space whose grids have an axis `dataset`, of names of tasks.

    Attributes:
        tasks: The user's own tables, by the name that `dataset` uses.
    """

    tasks: dict[Annotated[str, without(user_name_problem)], UserTask] = Field(default_factory=dict)

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the tasks that the grids use."""
        return frozenset(name for grid in self.grids for name in grid.values("dataset"))

    def check(self) -> None:
        """Check that the grids name known tasks only, whose folder names differ on every file system.

        Raises:
            SearchSpaceError: A name is unknown or clashes; the message says where, and what is known.
        """
        used: dict[str, None] = {}
        for index, grid in enumerate(self.grids):
            for place, name in enumerate(grid.values("dataset")):
                try:
                    check_name(name, self.tasks)
                except TaskError as error:
                    raise LocatedError(("grids", index, "dataset", place), str(error)) from None
                bare = canonical_name(name)
                if bare not in used and (problem := clash([*used, bare], "task")):
                    raise LocatedError(("grids", index, "dataset", place), problem)
                used[bare] = None

    def located(self, folder: Path) -> Self:
        """Return the search space with the files of its own tasks below a folder."""
        try:
            return self.model_copy(update={"tasks": {name: task.below(folder) for name, task in self.tasks.items()}})
        except TaskError as error:
            raise SearchSpaceError(f"tasks: {error}") from None

    def without_paths(self) -> Self:
        """Return the search space without the folders of its own tasks."""
        return self.model_copy(update={"tasks": {name: task.without_folder() for name, task in self.tasks.items()}})


def own_tasks(spaces: Iterable[TaskSpace]) -> dict[str, UserTask]:
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
