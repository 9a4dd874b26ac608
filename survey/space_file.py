"""Search spaces as YAML files: found by name or path, read, and every mistake reported with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from survey.errors import DatasetError, SearchSpaceError, TaskError, nearest
from survey.import_path import SEARCH_SPACES
from survey.space import Grid, SearchSpace
from survey.space_lists import take_lists
from survey.tasks import UserTask
from survey.yaml_text import line_of, read_yaml

_FIELDS = {
    "grids": tuple(Grid.model_fields),
    "tasks": tuple(UserTask.model_fields),
    "": (*SearchSpace.model_fields, "lists"),
}


def built_in_names() -> tuple[str, ...]:
    """Names of the search spaces that come with the package."""
    return tuple(sorted(file.stem for file in SEARCH_SPACES.glob("*.yaml")))


def load_space(name_or_path: str | Path) -> SearchSpace:
    """Read and check a search space.

    Args:
        name_or_path: Name of a file in `search_spaces/`, or a path to a YAML file.

    Raises:
        SearchSpaceError: There is no such search space, or it has a mistake; the message says where.
    """
    source = _find(str(name_or_path))
    document, nodes = read_yaml(source)
    if not isinstance(document, dict):
        raise SearchSpaceError(f"{source}: expected keys such as `grids`, found {type(document).__name__}")
    document.setdefault("name", Path(source.name).stem)
    take_lists(document, nodes, source)
    try:
        space = SearchSpace.model_validate(document)
    except ValidationError as error:
        raise SearchSpaceError(_describe(error.errors(), nodes, str(source))) from None
    except TaskError as error:
        raise SearchSpaceError(f"{source}: tasks: {error}") from None
    base = source.resolve().parent
    tasks = {
        name: task.model_copy(update={"path": base / task.path.expanduser()}) for name, task in space.tasks.items()
    }
    space = space.model_copy(update={"tasks": tasks})
    try:
        space.check_datasets()
    except DatasetError as error:
        node, _ = _node_at(nodes, error.location)
        raise SearchSpaceError(f"{source}{line_of(node)}: {error}") from None
    return space


def dump_space(space: SearchSpace) -> str:
    """Write a search space as YAML that `load_space` reads back as the same."""
    return yaml.safe_dump(space.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)


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
        raise SearchSpaceError(f"search space {name}: there is no such file")
    raise SearchSpaceError(
        f"search space {name!r} is unknown{nearest(name, names)}; known are {', '.join(names)}, or give a path to a "
        f"YAML file (`--example` prints one to start from)"
    )


def _describe(errors: Sequence[ErrorDetails], nodes: yaml.Node | None, source: str) -> str:
    """One line for each mistake: file, line, place, what is wrong, what was found."""
    # A list none of whose items is valid is also reported as too short: the items say what is wrong.
    inside = {tuple(error["loc"])[:k] for error in errors for k in range(len(error["loc"]))}
    shown = [error for error in errors if error["type"] != "too_short" or tuple(error["loc"]) not in inside]
    return "\n".join(dict.fromkeys(_describe_one(error, nodes, source) for error in shown))


def _describe_one(error: ErrorDetails, nodes: yaml.Node | None, source: str) -> str:
    location = tuple(error["loc"])
    node, known = _node_at(nodes, location)
    line = line_of(node)
    place = _place(location)
    if error["type"] == "extra_forbidden":
        fields = _fields_at(location)
        word = str(location[-1])
        message = f"unknown key {word!r}{nearest(word, fields)}; allowed are {', '.join(fields)}"
        place = _place(location[:-1])
    elif error["type"] == "missing":
        message = f"the key {location[-1]!r} is missing"
        place = _place(location[:-1])
    else:
        message = error["msg"][0].lower() + error["msg"][1:]
        if known and error["type"] != "penalty":
            message += f", found {error['input']!r}"
    return f"{source}{line}: {place + ': ' if place else ''}{message}"


def _fields_at(location: tuple[int | str, ...]) -> tuple[str, ...]:
    return _FIELDS["" if len(location) == 1 else str(location[0])]


def _place(location: Iterable[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _node_at(node: yaml.Node | None, location: Iterable[int | str]) -> tuple[yaml.Node | None, bool]:
    """The node at a location, or the last one on the way there, and whether it is the one asked for.

    A single value, or a mapping such as `{powers_of_two: ...}`, stands where a list is meant, so an index into it is it
    itself.
    """
    for part in location:
        if isinstance(node, yaml.MappingNode) and isinstance(part, str):
            match = next((value for key, value in node.value if key.value == part), None)
            if match is None:
                return node, False
            key_node = next(key for key, _ in node.value if key.value == part)
            node = match if isinstance(match, yaml.ScalarNode) else _at_key(match, key_node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
    return node, True


def _at_key(value: yaml.Node, key: yaml.Node) -> yaml.Node:
    """The value, said to start where its key stands: a block list starts a line later."""
    value.start_mark = key.start_mark
    return value
