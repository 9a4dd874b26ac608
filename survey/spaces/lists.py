"""Named lists of values, `{list: NAME}`, shared by the grids of one or several search spaces.

The key `lists` of a search space defines them: as a mapping from names to lists, or as the name or path of a YAML file
with such a mapping. A list can contain lists defined above it, as `[{list: NAME}, value, ...]`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from survey.errors import SearchSpaceError, nearest
from survey.spaces.yaml_source import line_of, read_yaml, too_many
from survey.system.import_path import SEARCH_SPACES
from survey.text.names import yaml_names

_LISTS = SEARCH_SPACES / "lists"


class _ListError(SearchSpaceError):
    """An unknown or invalid list; whoever catches it adds the place to its text."""


def take_lists(document: dict[str, Any], nodes: yaml.Node | None, source: Path) -> None:
    """Replace named lists in the grids of a search space by their values, and drop the key `lists`.

    Args:
        document: A search space as read; changed in place.
        nodes: Its YAML nodes.
        source: Its file, for messages; the path of a file of lists is relative to it.

    Raises:
        SearchSpaceError: A list is unknown or invalid; the message says where.
    """
    given = document.pop("lists", None)
    lists = _lists(given, nodes, source)
    grids = document.get("grids")
    for index, grid in enumerate(grids if isinstance(grids, list) else ()):
        for name, value in list(grid.items()) if isinstance(grid, dict) else []:
            try:
                grid[name] = lists.expanded(value)
            except _ListError as error:
                line = line_of(_key_node(nodes, "grids", index, name))
                raise SearchSpaceError(f"{source}{line}: grids[{index}].{name}: {error}") from None


def _lists(given: Any, nodes: yaml.Node | None, source: Path) -> _Lists:
    line = line_of(_key_node(nodes, "lists"))
    if given is None:
        return _Lists()
    if isinstance(given, str):
        file = _find(given, source)
        if file is None:
            known = built_in_lists()
            raise SearchSpaceError(
                f"{source}{line}: lists: {given!r} is unknown{nearest(given, known)}; expected {', '.join(known)}, "
                f"the path of a YAML file, or a mapping from names to lists"
            )
        source = file
        given, nodes = read_yaml(file)
        named: tuple[str, ...] = ()
    else:
        named = ("lists",)
    if not isinstance(given, dict):
        place = "" if not named else f"{line}: lists"
        raise SearchSpaceError(f"{source}{place}: expected a mapping from names to lists, found {given!r}")
    return _above_each_other(given, nodes, source, named)


def _above_each_other(given: dict[Any, Any], nodes: yaml.Node | None, source: Path, place: tuple[str, ...]) -> _Lists:
    """Expand lists one by one, each from those above it, so that none can contain itself."""
    lists = _Lists()
    for name, value in given.items():
        try:
            expanded = lists.expanded(value)
            if not isinstance(expanded, list):
                raise _ListError(f"expected a list, found {value!r}")
        except _ListError as error:
            line = line_of(_key_node(nodes, *place, name))
            raise SearchSpaceError(f"{source}{line}: {'.'.join((*place, str(name)))}: {error}") from None
        lists.by_name[str(name)] = expanded
    return lists


class _Lists:
    """Lists by name; counts all values that it expands."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[Any]] = {}
        self._count = 0

    def expanded(self, value: Any) -> Any:
        """Return a value with the lists that it names expanded."""
        if not isinstance(value, list):
            return self.expanded([value]) if _names_list(value) else value
        parts = [self._named(part["list"]) if _names_list(part) else [part] for part in value]
        self._count += sum(map(len, parts))
        if problem := too_many(self._count):
            raise _ListError(problem)
        return [item for part in parts for item in part]

    def _named(self, name: Any) -> list[Any]:
        if isinstance(name, str) and name in self.by_name:
            return self.by_name[name]
        names = self.by_name
        known = f"known here are {', '.join(names)}" if names else "`lists` defines none above this place"
        raise _ListError(f"the list {name!r} is unknown{nearest(name, names)}; {known}")


def _names_list(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"list"}


def built_in_lists() -> tuple[str, ...]:
    """Return the names of the files of lists that come with the package."""
    return yaml_names(_LISTS)


def _find(name: str, source: Path) -> Path | None:
    """The file of lists at a path relative to that of the search space, or the built-in one of that name."""
    beside = source.resolve().parent / Path(name).expanduser()
    if beside.is_file():
        return beside
    return _LISTS / f"{name}.yaml" if name in built_in_lists() else None


def _key_node(node: yaml.Node | None, *path: str | int) -> yaml.Node | None:
    """The node of the last key of a path, whose line is where a person looks."""
    found = node
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found, node = next(((k, v) for k, v in node.value if k.value == str(part)), (node, None))
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node = node.value[part]
    return found
