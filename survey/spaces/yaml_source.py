"""YAML files that people write: limited in size, parsed with line numbers, and strict where YAML surprises.

YAML 1.1, which PyYAML implements, reads `010` as 8, `1:30` as 90 and `no` as false; the last of equal keys wins, and
aliases repeat what they name, so that a few lines can stand for billions of values. None of this happens silently here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from survey.errors import SearchSpaceError

MOST_BYTES = 5_000_000
"""Bytes of a file, at most: PyYAML reads some 200,000 in a second."""

MOST_VALUES = 500_000
"""Values of a file, at most, once its aliases and the lists that it names are written out; keys count too."""

_TAG = "tag:yaml.org,2002:"
_WHAT = {"timestamp": "a date", "value": "a default value", "binary": "bytes"}
_SHOWN_LETTERS = 60
_WRITTEN = {
    "str": re.compile(r".*", re.DOTALL),
    "null": re.compile(r".*"),
    "merge": re.compile(r".*"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "float": re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
}
"""Unambiguous notations of a scalar, by the type that YAML gives it."""


def read_yaml(source: Path) -> tuple[Any, yaml.Node | None]:
    """Return the document of a file, and its nodes, which have line numbers.

    Raises:
        SearchSpaceError: It cannot be read, is too large, is not valid YAML, has a key twice, or a value that YAML 1.1
            reads as something else; the message says where.
    """
    try:
        with source.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SearchSpaceError(f"{source}: cannot be read as a text file: {error}") from None
    if len(content) > MOST_BYTES:
        raise SearchSpaceError(f"{source}: expected {MOST_BYTES:,} bytes at most, found more; use several files")
    return parse_yaml(text, str(source))


def parse_yaml(text: str, source: str) -> tuple[Any, yaml.Node | None]:
    """Return the document of a text, as `read_yaml` does; messages name it by `source`."""
    try:
        nodes = _Loader(text, source).get_single_node()
        if nodes is None:
            return None, None
        _Check(source).count(nodes)
        return yaml.SafeLoader("").construct_document(nodes), nodes
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise SearchSpaceError(f"{source}{line}: this is not valid YAML: {error.problem or error.context}") from None
    except RecursionError:
        raise SearchSpaceError(f"{source}: lists or mappings are nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError) as error:
        raise SearchSpaceError(f"{source}: this is not valid YAML: {error}") from None


def line_of(node: yaml.Node | None) -> str:
    """Return `, line 3` for a node, or an empty text for none."""
    return f", line {node.start_mark.line + 1}" if node else ""


def too_many(count: int) -> str:
    """Return the problem if `count` values are more than a file may have, else an empty string."""
    if count <= MOST_VALUES:
        return ""
    return (
        f"expected {MOST_VALUES:,} values at most, found {count:,} once aliases and named lists are written out; "
        f"repeat fewer, or use several files"
    )


class _Loader(yaml.SafeLoader):
    """Stops at the first value that is too many."""

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self._source, self._count = source, 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node."""
        self._count += 1
        if problem := too_many(self._count):
            raise SearchSpaceError(f"{self._source}: {problem}")
        return super().compose_node(parent, index)


class _Check:
    """Checks every node once, however many aliases repeat it, and counts the values that it expands to."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._counts: dict[yaml.Node, int] = {}
        self._open: set[yaml.Node] = set()

    def count(self, node: yaml.Node) -> int:
        """Return how many values a node expands to.

        Raises:
            SearchSpaceError: There are too many, or one of them is refused.
        """
        if node in self._open:
            raise SearchSpaceError(f"{self._source}{line_of(node)}: an alias is within what it names")
        if node not in self._counts:
            self._open.add(node)
            self._counts[node] = 1 + sum(map(self.count, self._parts(node)))
            self._open.remove(node)
            if problem := too_many(self._counts[node]):
                raise SearchSpaceError(f"{self._source}{line_of(node)}: {problem}")
        return self._counts[node]

    def _parts(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
            return [part for pair in node.value for part in pair]
        if isinstance(node, yaml.SequenceNode):
            return node.value
        self._check_scalar(node)
        return []

    def _check_keys(self, node: yaml.MappingNode) -> None:
        keys = set()
        for key, _ in node.value:
            place = f"{self._source}{line_of(key)}"
            if not isinstance(key, yaml.ScalarNode):
                raise SearchSpaceError(f"{place}: expected a word as key, found a list or mapping")
            if key.value in keys:
                raise SearchSpaceError(f"{place}: the key {key.value!r} appears twice")
            keys.add(key.value)

    def _check_scalar(self, node: yaml.Node) -> None:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind in _WRITTEN and _WRITTEN[kind].fullmatch(text):
            return
        if kind not in _WRITTEN and kind not in _WHAT:
            return  # construct_document refuses it
        if kind in _WHAT or len(text) > _SHOWN_LETTERS:
            what, instead = _WHAT.get(kind, "a number"), ""
        else:
            value = yaml.SafeLoader("").construct_object(node)
            what = str(value).lower()
            instead = f"{int(text.replace('_', '')) if re.fullmatch('[0-9_]+', text) else what} or "
        shown = text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..."
        raise SearchSpaceError(
            f"{self._source}{line_of(node)}: {shown} is read as {what} by YAML 1.1; write {instead}'{shown}'"
        )
