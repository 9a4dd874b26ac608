"""Workloads by name: networks, those of installed packages, and those of a family, of which a description makes one.

A name in a search space, an output or a data set is not trusted: it finds only what somebody has installed, as an
entry point of the group `survey.workloads`. Nothing is imported before it is asked for. A name `FAMILY:NAME` is that of
a member of a family: training functions, `functions:my_net.train`, and modules, `modules:my_net.build`. What its
description says is plain values, and no code of the user is run for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import InputError, nearest

if TYPE_CHECKING:
    from survey.workloads.experiment import Experiment
    from survey.workloads.workload import Family, Workload

NETWORKS = "networks"
"""The workload of search spaces, outputs and data sets that name none."""

FUNCTIONS = "functions"
"""The family of training functions, of search spaces with the key `train`."""

MODULES = "modules"
"""The family of modules that the networks' loop trains, of search spaces with the key `model`."""

GROUP = "survey.workloads"
"""Group of the entry points; each names a `Workload`."""

_BUILT_IN = {NETWORKS: "survey.networks.workload:WORKLOAD"}
_FAMILIES = {FUNCTIONS: "survey.functions.workload:FAMILY", MODULES: "survey.modules.workload:FAMILY"}
_KEYS = {"train": FUNCTIONS, "model": MODULES}
"""Keys of search spaces that name something of the user's own, and its family."""


@cache
def workload_named(name: str = NETWORKS, about: str = "") -> Workload:
    """Return a workload.

    Args:
        name: Its name.
        about: For a member of a family, the description that an output or a data set has of it.

    Raises:
        InputError: There is none of this name, or it cannot be imported; or it cannot be made of what `about` says.
    """
    if family := _family_of(name):
        return family.member(name, about)
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
    name = record.get("workload", NETWORKS)
    return (_family_of(name) or workload_named(name)).experiment_type.from_record(record)


def space_type_of(document: dict[str, Any], folder: Path, *, is_kept: bool = False) -> type[Any]:
    """Return the class of a search space.

    Args:
        document: The search space as it is written; what only says of which class it is, is taken out of it.
        folder: Folder that relative paths in it start from.
        is_kept: Whether an output keeps it, so that it must not be trusted.

    Raises:
        InputError: There is no such workload, or it cannot be imported.
    """
    if key := own_key(document):
        return _family(_KEYS[key]).space_type_of(document, folder, is_kept=is_kept)
    name = document.pop("workload", NETWORKS)
    if not isinstance(name, str):
        raise InputError(f"workload: expected a name, found {name!r}")
    return workload_named(name).space_type


def own_key(document: Mapping[str, Any]) -> str:
    """Return the key of a search space that names something of the user's own; an empty text if there is none.

    Raises:
        InputError: There are several.
    """
    found = [key for key in _KEYS if key in document]
    if len(found) > 1:
        raise InputError(f"{' and '.join(found)} are both given; expected one of them: each is what is surveyed")
    return "".join(found)


def _family_of(name: object) -> Family | None:
    """The family of a member's name; None for another one."""
    family, colon, _ = str(name).partition(":")
    return _family(family) if colon and family in _FAMILIES else None


@cache
def _family(name: str) -> Family:
    module, _, attribute = _FAMILIES[name].partition(":")
    return getattr(import_module(module), attribute)


def _installed() -> dict[str, str]:
    """Modules and attributes of all workloads, by name; a built-in one cannot be replaced."""
    others: list[EntryPoint] = sorted(entry_points(group=GROUP), key=lambda each: each.name)
    return {**{each.name: each.value for each in others}, **_BUILT_IN}
