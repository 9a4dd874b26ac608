"""Surveys of how neural networks train: fixed grids of hyperparameters, every epoch of every run recorded.

    import survey
    survey.dry_run("quickstart", out="surveys/first")  # what would be trained, and what that costs
    result = survey.run("quickstart", out="surveys/first")
    result.summary          # a pandas frame, a row per experiment

`run` and the classes are imported on first use, so `import survey` is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from survey.errors import InputError, SurveyError
    from survey.launch.api import dry_run, run
    from survey.launch.result import SurveyResult
    from survey.networks.experiment import NetworkExperiment as Experiment
    from survey.networks.search_space import Grid, SearchSpace
    from survey.plan.price import Price
    from survey.tasks.own import UserTask
    from survey.workloads.experiment import Run

__all__ = [
    "Experiment",
    "Grid",
    "InputError",
    "Price",
    "Run",
    "SearchSpace",
    "SurveyError",
    "SurveyResult",
    "UserTask",
    "dry_run",
    "run",
]

_HOMES = {
    "run": "launch.api",
    "dry_run": "launch.api",
    "InputError": "errors",
    "SurveyError": "errors",
    "Experiment": "networks.experiment:NetworkExperiment",
    "Run": "workloads.experiment",
    "SurveyResult": "launch.result",
    "Price": "plan.price",
    "Grid": "networks.search_space",
    "SearchSpace": "networks.search_space",
    "UserTask": "tasks.own",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("training-survey")
    if name not in _HOMES:
        raise AttributeError(f"module 'survey' has no attribute {name!r}")
    from importlib import import_module

    module, _, other_name = _HOMES[name].partition(":")
    return getattr(import_module(f"survey.{module}"), other_name or name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
