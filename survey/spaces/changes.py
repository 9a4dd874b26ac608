"""Axes that a command line sets, `NAME=VALUE[,VALUE...]`, in every grid of its search spaces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from survey.errors import InputError, SearchSpaceError, nearest
from survey.spaces.yaml_source import parse_yaml


def parse_changes(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Parse `learning_rate=0.1,0.01` and the like, of which the last one of a name counts.

    Values are written as in a search space, with commas between them: `widths=[64,32],[128]`, or as a mapping:
    `size={powers_of_two: [8, 12]}`.

    Raises:
        InputError: A text has no name, or no values that YAML can read.
    """
    changes: dict[str, Any] = {}
    for text in texts:
        name, equals, values = (each.strip() for each in text.partition("="))
        if not name or not equals or not values:
            raise InputError(
                f"{option}: expected NAME=VALUE[,VALUE...], such as learning_rate=0.1,0.01; found {text!r}"
            )
        try:
            changes[name], _ = parse_yaml(values if values.startswith("{") else f"[{values}]", f"{option} {name}")
        except SearchSpaceError:
            raise InputError(
                f"{option} {name}: expected values as in a search space, with commas between them, found {values!r}"
            ) from None
    return changes


def change_grids(document: Mapping[str, Any], changes: Mapping[str, Any], axes: Collection[str]) -> None:
    """Give the grids of a search space, as it was read, other values of some axes.

    Args:
        document: The search space; its grids are changed in place.
        changes: Values by axis.
        axes: Names of the axes that its grids can have.

    Raises:
        SearchSpaceError: There is no such axis; the message says which there are.
    """
    for name in changes:
        if name not in axes:
            known = ", ".join(axes)
            raise SearchSpaceError(
                f"--set: {name!r} is no axis of {document['name']}{nearest(name, axes)}; expected one of {known}"
            )
    grids = document.get("grids")
    for grid in grids if isinstance(grids, list) else ():
        if isinstance(grid, dict):
            grid.update(changes)
