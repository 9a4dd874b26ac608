"""Workloads by name: networks, and those of installed packages.

A name in a search space, an output or a data set is not trusted: it finds only what somebody has installed, as an
entry point of the group `survey.workloads`. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from survey.errors import InputError, nearest

if TYPE_CHECKING:
    from survey.workloads.experiment import Experiment
    from survey.workloads.workload import Workload

NETWORKS = "networks"
"""The workload of search spaces, outputs and data sets that name none."""

GROUP = "survey.workloads"
"""Group of the entry points; each names a `Workload`."""

_BUILT_IN = {NETWORKS: "survey.networks.workload:WORKLOAD"}


@cache
def workload_named(name: str = NETWORKS) -> Workload:
    """Return a workload.

    Raises:
        InputError: There is none of this name, or it cannot be imported.
    """
    found = _installed()
    if name not in found:
        raise InputError(
            f"workload: {name!r} is unknown{nearest(name, found)}; expected {', '.join(found)}, or one of an installed "
            f"package, as an entry point of the group {GROUP!r}"
        )
    module, _, attribute = found[name].partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # of code that is not ours
        raise InputError(f"workload: {name!r} cannot be imported: {type(error).__name__}: {error}") from error


def experiment_of(record: Mapping[str, Any]) -> Experiment:
    """Make the experiment of a record: `Experiment.to_dict`, and perhaps more.

    Raises:
        InputError: It is of a workload that is not installed.
        TypeError, ValueError: It is not the record of an experiment.
    """
    return workload_named(record.get("workload", NETWORKS)).experiment_type.from_record(record)


def _installed() -> dict[str, str]:
    """Modules and attributes of all workloads, by name; a built-in one cannot be replaced."""
    others: list[EntryPoint] = sorted(entry_points(group=GROUP), key=lambda each: each.name)
    return {**{each.name: each.value for each in others}, **_BUILT_IN}
