"""Every exception that the survey raises on purpose, and the exit statuses of its command lines.

SurveyError
├── InputError              bad input; no trial has started (exit status 2)
│   ├── SearchSpaceError    a search space: unknown key, impossible value, misspelt word
│   │   └── LocatedError    with the place of the mistake in it
│   ├── TaskError           a task: its table is not found, not fetched, not numeric, changed
│   └── OutputError         an output folder: locked by another launch, other data under the same name
├── TrackingError           the MLflow store cannot be reached, or answered with an error
│   └── TrackingAwayError   its server does not answer at present
├── DiskFullError           a disk or its quota is full
└── ExportError             an artifact or a data set is damaged

A message says what was wrong, where, what was expected, what was found, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

DONE, INCOMPLETE, WRONG_INPUT, INTERRUPTED, READER_GONE = 0, 1, 2, 130, 141
"""Exit statuses of the command lines. The last is what a shell reports for a program that SIGPIPE killed."""

RUN_AGAIN = "interrupted: run the same command again to continue"
"""What a command says that was interrupted."""


class SurveyError(Exception):
    """Base of all errors raised on purpose; its text is for the user."""


class InputError(SurveyError):
    """The input cannot be used."""


class SearchSpaceError(InputError):
    """A search space that cannot be read or is invalid."""


class LocatedError(SearchSpaceError):
    """A value of a grid that cannot be used; `location` is where, as keys and indices."""

    def __init__(self, location: tuple[str | int, ...], problem: str) -> None:
        self.location = location
        super().__init__("{0}[{1}].{2}[{3}]: {problem}".format(*location, problem=problem))


class TaskError(InputError):
    """A task whose table cannot be found, fetched, read or prepared."""


class OutputError(InputError):
    """An output folder that cannot take this survey."""


class TrackingError(SurveyError):
    """The MLflow tracking store failed."""


class TrackingAwayError(TrackingError):
    """The server of the MLflow tracking store does not answer; the same call may succeed when it is back."""


class DiskFullError(SurveyError):
    """A disk or its quota is full."""


class ExportError(SurveyError):
    """An artifact or data set that cannot be read or written."""


def nearest(word: object, allowed: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` for the allowed word closest to `word`, or an empty string."""
    by_lower = {one.lower(): one for one in allowed}
    match = difflib.get_close_matches(str(word).lower(), list(by_lower), n=1, cutoff=0.6)
    return f" (did you mean {by_lower[match[0]]!r}?)" if match else ""


def nearest_path(path: Path, *folders: Path, fits: Callable[[Path], bool] = Path.exists) -> str:
    """Return `" (did you mean 'x'?)"` with the path of the closest name, or an empty string.

    Args:
        path: What is not there, or is of another kind.
        folders: Where else it may be, before its own folder.
        fits: Whether a path is of the right kind.
    """
    there: dict[str, Path] = {}
    found: list[str] = []
    with suppress(OSError, ValueError):  # no permission, or no name that a file can have
        for folder in filter(Path.is_dir, (*folders, path.parent)):
            for each in islice(folder.iterdir(), _MOST_NAMES):
                there.setdefault(each.name.lower(), each)
        close = difflib.get_close_matches(path.name.lower(), there, n=5, cutoff=0.6)
        here = Path.cwd()
        fitting = (there[name].absolute() for name in close if fits(there[name]))
        found = [str(each.relative_to(here) if each.is_relative_to(here) else each) for each in fitting]
    return f" (did you mean {found[0]!r}?)" if found else ""


_MOST_NAMES = 5_000
"""Names of a folder that are compared, at most."""

FATAL_ERRORS = (TrackingAwayError, DiskFullError)
"""Errors that every trial would meet: they stop the survey, so that its trials do not fail one by one."""
