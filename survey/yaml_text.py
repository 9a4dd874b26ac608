"""YAML files that people write: read as text, parsed with the lines of their nodes, and strict about repeated keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from survey.errors import SearchSpaceError


def read_yaml(source: Path) -> tuple[Any, yaml.Node | None]:
    """Return the document of a file and its nodes, which know their lines.

    Raises:
        SearchSpaceError: It cannot be read, is not valid YAML, or has a key twice; the message says where.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SearchSpaceError(f"{source}: cannot be read as a text file: {error}") from None
    return _parse(text, str(source))


def line_of(node: yaml.Node | None) -> str:
    """Return `, line 3` for a node, or an empty text for none."""
    return f", line {node.start_mark.line + 1}" if node else ""


def _parse(text: str, source: str) -> tuple[Any, yaml.Node | None]:
    try:
        nodes = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeated_keys(nodes, source, set())
        return yaml.safe_load(text), nodes
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise SearchSpaceError(f"{source}{line}: this is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise SearchSpaceError(f"{source}: this is not valid YAML: {error}") from None


def _refuse_repeated_keys(node: yaml.Node | None, source: str, seen: set[int]) -> None:
    """YAML readers let the last of equal keys win in silence. An alias can name one of the nodes above it, `seen`."""
    if id(node) in seen:
        raise SearchSpaceError(f"{source}: an alias stands within what it names")
    inside = seen | {id(node)}
    if isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                raise SearchSpaceError(f"{source}, line {line}: expected a word as key, found a list or mapping")
            if key.value in keys:
                raise SearchSpaceError(f"{source}, line {key.start_mark.line + 1}: the key {key.value!r} stands twice")
            keys.add(key.value)
            _refuse_repeated_keys(value, source, inside)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_repeated_keys(value, source, inside)
