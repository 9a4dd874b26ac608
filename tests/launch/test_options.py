"""An option is declared for Python, for the command line and for the launch: it is the same in all three."""

from __future__ import annotations

import dataclasses
import inspect

import survey
from survey.launch.__main__ import command as launch
from survey.launch.options import Options

OF_OPTIONS = {field.name: field.default for field in dataclasses.fields(Options)}


def defaults(function) -> dict[str, object]:
    """Default of each parameter."""
    return {name: each.default for name, each in inspect.signature(function).parameters.items()}


def test_python_takes_all_options_with_their_defaults():
    taken = {name: default for name, default in defaults(survey.run).items() if name not in ("space", "console")}
    assert taken.pop("unknown") is inspect.Parameter.empty
    assert taken == {**OF_OPTIONS, "ui": False}, "a notebook has no terminal to show addresses in"


def test_python_describes_all_options():
    described = inspect.getdoc(survey.run)
    assert [name for name in OF_OPTIONS if f"\n    {name}: " not in described] == []


def test_the_command_line_takes_all_options_with_their_defaults():
    taken = defaults(launch)
    assert taken.pop("time_limit") is None
    assert taken.pop("no_ui") is False
    for of_the_command_alone in ("space", "set_axes", "dry_run", "as_json", "fetch_only", "example"):
        del taken[of_the_command_alone]
    assert taken == {name: default for name, default in OF_OPTIONS.items() if name not in ("time_limit_s", "ui")}
