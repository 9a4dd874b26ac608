"""A table of the user's own as a task, and how one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from survey.errors import TaskError
from survey.tasks.loading import load
from survey.tasks.own import UserTask
from survey.tasks.prepared import PreparedTask

KEYS = {"target": "y", "kind": "classification"}


def own(path: Path, **keys: Any) -> PreparedTask:
    """The task `mine` of a file, with further keys."""
    return load("mine", {"mine": UserTask(**{"path": path, **KEYS, **keys})})


def refused(path: Path, *parts: str, **keys: Any) -> None:
    """It is refused with one line that names the task and all this."""
    with pytest.raises(TaskError) as error:
        own(path, **keys)
    message = str(error.value)
    assert "\n" not in message
    for part in ("task 'mine'", *parts):
        assert part in message, f"{part!r} is not in {message!r}"
