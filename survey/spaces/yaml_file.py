"""Search spaces as YAML files: found by name or path, and read, with every mistake reported at its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from survey.errors import InputError, LocatedError, SearchSpaceError, nearest, nearest_path
from survey.spaces.changes import change_grids
from survey.spaces.lists import take_lists
from survey.spaces.search_space import BaseSpace, axes_of
from survey.spaces.yaml_source import line_of, read_yaml
from survey.system.import_path import SEARCH_SPACES
from survey.text.names import inside, yaml_names
from survey.text.validation import Location, describe
from survey.workloads.registry import NETWORKS, space_type_of


def built_in_names() -> tuple[str, ...]:
    """Return the names of the search spaces that come with the package."""
    return yaml_names(SEARCH_SPACES)


def load_space(name_or_path: str | Path, changes: Mapping[str, Any] = {}) -> BaseSpace:
    """Read and check a search space.

    Args:
        name_or_path: Name of a file in `search_spaces/`, or a path to a YAML file.
        changes: Values of axes that replace those of every grid, see `survey.spaces.changes`.

    Raises:
        SearchSpaceError: There is no such search space, or it has a mistake; the message says where.
    """
    return _load(_find(str(name_or_path)), changes=changes)


def spaces_in(folder: Path) -> list[BaseSpace]:
    """Read the search spaces that an output keeps in a folder, in files by their names as `dump_space` writes them.

    Raises:
        SearchSpaceError: One has a mistake.
        InputError: One is a link that leads out of the folder.
    """
    files = [inside(folder, f"{name}.yaml") for name in yaml_names(folder)]
    return [space for file in files if (space := _load(file, is_kept=True)).name == file.stem]


def _load(source: Path, *, is_kept: bool = False, changes: Mapping[str, Any] = {}) -> BaseSpace:
    """Read a search space; in one that an output keeps, `lists` is refused, as it could name any file."""
    document, nodes = read_yaml(source)
    if not isinstance(document, dict):
        raise SearchSpaceError(f"{source}: expected keys such as `grids`, found {type(document).__name__}")
    document.setdefault("name", Path(source.name).stem)
    if not is_kept:
        take_lists(document, nodes, source)
    space_type = _type_of(document, nodes, source, is_kept=is_kept)
    if changes:
        change_grids(document, changes, axes_of(space_type))
    try:
        space = space_type.model_validate(document)
    except ValidationError as error:

        def place(location: Location) -> tuple[str, bool]:
            if len(location) > 2 and location[2] in changes:
                return "--set", True
            node, is_given = _node_at(nodes, location)
            return f"{source}{line_of(node)}", is_given or location == ("name",)  # which may be that of the file

        # What was set is wrong in every grid, which is one mistake.
        lines = describe(error, space_type, place, ["workload", "lists"]).splitlines()
        told = dict.fromkeys(re.sub(r"^--set: grids\[\d+\]\.", "--set ", line) for line in lines)
        raise SearchSpaceError("\n".join(told)) from None
    try:
        space = space.located(Path(str(source)).resolve().parent)
        space.check()
    except LocatedError as error:
        node, _ = _node_at(nodes, error.location)
        raise SearchSpaceError(f"{source}{line_of(node)}: {error}") from None
    except SearchSpaceError as error:
        raise SearchSpaceError(f"{source}: {error}") from None
    return space


def _type_of(document: dict[str, Any], nodes: yaml.Node | None, source: Path, *, is_kept: bool) -> type[BaseSpace]:
    """The class of a document, by what it says of its workload, which is dropped from it."""
    key = next((each for each in ("train", "model") if each in document), "workload")
    try:
        return space_type_of(document, Path(str(source)).resolve().parent, is_kept=is_kept)
    except InputError as error:
        node, _ = _node_at(nodes, [key])
        raise SearchSpaceError(f"{source}{line_of(node)}: {error}") from None


def dump_space(space: BaseSpace) -> str:
    """Write a search space as YAML that `load_space` reads back unchanged."""
    document = space.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    if space.WORKLOAD != NETWORKS:
        document = {"workload": space.WORKLOAD, **document, **space.kept}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _find(name: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise SearchSpaceError(f"search space {name}: expected a YAML file, found a folder")
    built_in = SEARCH_SPACES / f"{name}.yaml"
    if path.suffix not in (".yaml", ".yml") and len(path.parts) == 1 and built_in.is_file():
        return built_in
    names = built_in_names()
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise SearchSpaceError(f"search space {name}: there is no such file{nearest_path(path, fits=Path.is_file)}")
    raise SearchSpaceError(
        f"search space {name!r} is unknown{nearest(name, names)}; known are {', '.join(names)}, or give a path to a "
        f"YAML file (`survey example` prints one to start from)"
    )


def _node_at(node: yaml.Node | None, location: Iterable[int | str]) -> tuple[yaml.Node | None, bool]:
    """The node at a location, or the last one on the way there, and whether the location was found.

    A single value, or a mapping such as `{powers_of_two: ...}`, may stand for a list: an index into it means itself. Of
    a key from a merge (`<<`) and one that overrides it, the latter is last.
    """
    for part in location:
        if isinstance(node, yaml.MappingNode) and part != "[key]":  # pydantic's word for a key that is wrong itself
            match = next(((key, value) for key, value in reversed(node.value) if key.value == str(part)), None)
            if match is None and isinstance(part, str):
                return node, False
            if match is None:
                continue
            node = match[1] if isinstance(match[1], yaml.ScalarNode) else _at_key(match[1], match[0])
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
    return node, True


def _at_key(value: yaml.Node, key: yaml.Node) -> yaml.Node:
    """The value, with the line of its key as its start: a block list starts a line later."""
    value.start_mark = key.start_mark
    return value
