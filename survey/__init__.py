"""Surveys of how neural networks train: fixed grids of hyperparameters, every epoch of every run recorded.

    import survey
    result = survey.run("quickstart", out="surveys/first")
    result.summary          # a pandas frame, a row per experiment

`run` and the classes are imported on first use, so `import survey` is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from survey.errors import InputError, SurveyError
    from survey.launch.api import run
    from survey.launch.result import SurveyResult
    from survey.spaces.search_space import Grid, SearchSpace
    from survey.tasks.own import UserTask
    from survey.workloads.experiment import Experiment, Run

__all__ = [
    "Experiment",
    "Grid",
    "InputError",
    "Run",
    "SearchSpace",
    "SurveyError",
    "SurveyResult",
    "UserTask",
    "run",
]

_HOMES = {
    "run": "launch.api",
    "InputError": "errors",
    "SurveyError": "errors",
    "Experiment": "experiments.experiment",
    "Run": "experiments.experiment",
    "SurveyResult": "launch.result",
    "Grid": "spaces.search_space",
    "SearchSpace": "spaces.search_space",
    "UserTask": "tasks.own",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("training-survey")
    if name not in _HOMES:
        raise AttributeError(f"module 'survey' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"survey.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
