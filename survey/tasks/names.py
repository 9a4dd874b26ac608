"""Names of tasks: which are valid, and the error for an unknown one."""

from __future__ import annotations

import re
from collections.abc import Collection

from survey.errors import TaskError, nearest
from survey.tasks.catalog import BUNDLED, PUBLISHED
from survey.text.names import is_device, task_problem

PMLB_PREFIX = "pmlb:"
SKLEARN_PREFIX = "sklearn:"

# A PMLB name becomes a folder and part of a URL, so it must not lead elsewhere.
_PMLB_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


def known_names() -> tuple[str, ...]:
    """Return the names that need no definition: published tasks, then scikit-learn's sets (`sklearn:NAME`)."""
    return (*PUBLISHED, *BUNDLED)


def canonical_name(name: str) -> str:
    """Return the name as the data set has it: without `pmlb:`."""
    return name.removeprefix(PMLB_PREFIX)


def is_pmlb_name(name: str) -> bool:
    """Whether `name`, given without its prefix, could be that of a table of PMLB."""
    return _PMLB_NAME.fullmatch(name) is not None and not is_device(name) and not task_problem(name)


def check_name(name: str, user_tasks: Collection[str] = ()) -> None:
    """Check that `name` is a task.

    Args:
        name: A published task, `sklearn:NAME`, `pmlb:NAME` (any table of PMLB), or a name in `user_tasks`.
        user_tasks: Names of the user's own tasks, or a mapping with these keys.

    Raises:
        TaskError: `name` is none of these, or a name in `user_tasks` already means something else.
    """
    check_user_names(user_tasks)
    if name in PUBLISHED or name in BUNDLED or name in user_tasks:
        return
    if not name.startswith(PMLB_PREFIX):
        raise TaskError(_unknown(name, user_tasks))
    bare = canonical_name(name)
    if bare in user_tasks:
        raise TaskError(
            f"task {name!r}: {bare!r} is also a task of your own; both would be {bare!r} in the data; give yours "
            "another name"
        )
    if not is_pmlb_name(bare):
        raise TaskError(
            f"task {name!r}: {bare!r} cannot be the name of a table of PMLB; expected letters, digits and _ . + -, and "
            f"a valid name for a folder"
        )


def check_user_names(user_tasks: Collection[str]) -> None:
    """Check the names of the user's own tasks.

    Raises:
        TaskError: `user_name_problem` finds a problem with one.
    """
    for name in user_tasks:
        if problem := user_name_problem(name):
            raise TaskError(f"task of your own {name!r}: {problem}")


def user_name_problem(name: str) -> str:
    """Say why a user's own task cannot have this name; an empty string if it can."""
    if name in PUBLISHED or SKLEARN_PREFIX + name in BUNDLED:
        whose = "a published task" if name in PUBLISHED else f"a set of scikit-learn, {SKLEARN_PREFIX + name}"
        return f"that is the name of {whose}; give yours another name"
    return task_problem(name)


def _unknown(name: str, user_tasks: Collection[str]) -> str:
    allowed = (*known_names(), *user_tasks)
    bundled = SKLEARN_PREFIX + name
    guess = f" (did you mean {bundled!r}?)" if bundled in BUNDLED else nearest(name, allowed)
    another = f"{PMLB_PREFIX}{name}" if is_pmlb_name(name) else f"{PMLB_PREFIX}NAME"
    return (
        f"unknown task {name!r}{guess}; expected one of {', '.join(allowed)}, "
        f"or {another!r} for another table of PMLB, or a task of your own, defined under `tasks`"
    )
