"""Surveys of how neural networks train: fixed grids of hyperparameters, every epoch of every run recorded.

    import survey
    result = survey.run("quickstart", out="surveys/first")
    result.summary          # a pandas frame, a row per experiment

`run` and the classes are imported when they are first used, so that `import survey` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from survey.api import run
    from survey.errors import InputError, SurveyError
    from survey.experiment import Experiment
    from survey.result import SurveyResult
    from survey.space import Grid, SearchSpace

__all__ = ["Experiment", "Grid", "InputError", "SearchSpace", "SurveyError", "SurveyResult", "run"]

_HOMES = {
    "run": "api",
    "InputError": "errors",
    "SurveyError": "errors",
    "Experiment": "experiment",
    "SurveyResult": "result",
    "Grid": "space",
    "SearchSpace": "space",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'survey' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"survey.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
