"""Whether the rows of tasks can be split as search spaces ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from survey.errors import SearchSpaceError
from survey.networks.rows import count_rows
from survey.networks.task_space import TaskSpace
from survey.tasks.loading import TaskDescription
from survey.text.counting import counted


def check_splits(spaces: Sequence[TaskSpace], describe: Callable[[str], TaskDescription]) -> None:
    """Check that validation sets leave rows to train on, and that no task has two of them.

    Args:
        spaces: The search spaces.
        describe: Returns the rows of a task by its name in a search space.

    Raises:
        SearchSpaceError: One does not; the message names search space, task and value.
    """
    for space in spaces:
        for grid in space.grids:
            held_out = [share for share in grid.values("validation_split") if share]
            for name in grid.values("dataset") if held_out else ():
                if problem := _problem(describe(name), max(held_out)):
                    raise SearchSpaceError(f"{space.name}: validation_split {max(held_out):g} of {name!r}: {problem}")


def _problem(task: TaskDescription, validation_split: float) -> str:
    """Say why a part of the training rows of a task cannot be held out; an empty text if it can."""
    if task.parts and task.parts.validation:
        return (
            f"the data say themselves which rows are for validation, {counted(task.parts.validation, 'row')}; leave "
            "validation_split out for this task, or call these rows train"
        )
    rows = count_rows(task.rows, validation_split, 1.0, task.parts)
    if rows.train:
        return ""
    left = rows.train + rows.validation
    most = math.floor(1000 * (left - 1) / left) / 1000
    return (
        f"of the {counted(left, 'row')} beside the {rows.test:,} of the test set none is left to train on, as numbers "
        f"are rounded up; expected at most {most:g}"
    )
