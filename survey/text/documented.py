"""The documentation of a model, from its docstring and its fields: what `help` shows in Python and in a notebook.

A docstring says under `Attributes:` what a field means. Which values it takes, and which it has if it is left out, is
added here from the field itself, so that it cannot go out of date; so are fields that bases describe.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, dataclass_transform, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, Field
from pydantic.fields import FieldInfo

_WIDTH = 100
_ENTRY = re.compile(r"^ {4}(\w+): ", flags=re.MULTILINE)
_PLAIN = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    type(None): "none",
    Any: "anything",
}
_BEYOND = 1 << 62
"""Bounds from here on are those of the data set's integers, and tell nobody anything."""


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))  # as pydantic's own class of models
class Documented(type(BaseModel)):  # pyright: ignore[reportUntypedBaseClass]
    """Class of models whose names, for `help` and completion, are what users call: none of pydantic, no constants."""

    def __dir__(cls) -> list[str]:
        names = (name for name in super().__dir__() if not name.startswith("_") and not name.isupper())
        return [name for name in names if not hasattr(BaseModel, name)]


def document(model: type[BaseModel]) -> None:
    """Complete the docstring, the signature and the descriptions of the fields of a model, once it has all of them."""
    own = model.__dict__.get("__doc__")
    head, texts, rest = _parts(inspect.cleandoc(own or getattr(model.__base__, "__doc__", None) or ""))
    texts = texts if own else {}  # those of the base have their values already
    for name, field in model.model_fields.items():
        field.description = texts.pop(name, None) or _inherited(model, name)
    fields = _in_order(model.model_fields)
    lines = [*(f"{name}: {text}" for name, text in texts.items()), *(f"{name}: {_told(each)}" for name, each in fields)]
    attributes = "\n".join(["Attributes:", *map(_wrapped, lines)]) if lines else ""
    model.__doc__ = "\n\n".join(filter(None, [head, attributes, rest.strip()]))
    signature = inspect.Signature([_parameter(name, field) for name, field in fields])
    model.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]


def _parts(docstring: str) -> tuple[str, dict[str, str], str]:
    """What stands before the attributes in a docstring, the text of each attribute, and what follows them."""
    head, found, after = docstring.partition("Attributes:\n")
    if not found:
        head, raises, rest = docstring.partition("Raises:\n")
        return head.strip(), {}, raises + rest
    section, _, rest = after.partition("\n\n")
    _, *entries = _ENTRY.split(section)
    return head.strip(), {name: " ".join(text.split()) for name, text in zip(*[iter(entries)] * 2, strict=True)}, rest


def _inherited(model: type[BaseModel], name: str) -> str | None:
    """What the nearest base that describes a field says of it."""
    fields = (base.model_fields.get(name) for base in model.__mro__ if issubclass(base, BaseModel))
    return next((field.description for field in fields if field and field.description), None)


def _in_order(fields: Mapping[str, FieldInfo]) -> list[tuple[str, FieldInfo]]:
    """The fields by the names that users give them, those first that must be given."""
    named = [(field.alias or name, field) for name, field in fields.items()]
    return sorted(named, key=lambda item: not item[1].is_required())


def _told(field: FieldInfo) -> str:
    """What a field means, which values it takes, and its default."""
    values = _values(field.annotation, field.metadata)
    default = "required" if field.is_required() else f"by default {_shown(_default(field))}"
    meaning = f"{field.description} " if field.description else ""
    return f"{meaning}{values[0].upper()}{values[1:]}; {default}."


def _wrapped(entry: str) -> str:
    return textwrap.fill(entry, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False)


def _default(field: FieldInfo) -> Any:
    """The default as a person gives it: an axis of a single value is that value."""
    default = field.get_default(call_default_factory=True, validated_data={})
    return default[0] if isinstance(default, tuple) and len(default) == 1 else default


def _shown(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) and value.isprintable() and value[0].isalnum() else repr(value)


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.is_required() else _default(field)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)


def _values(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """The values of a type, in words: `a whole number from 1 to 255`."""
    known = list(_flat(metadata))
    given = [each.json_schema_input_type for each in known if isinstance(each, BeforeValidator)]
    if words := next((each for each in given if get_origin(each) is Literal), None):
        annotation = words
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(inner[0], [*inner[1:], *known])
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple:
        return _values(inner[0]) if _is_axis(known) else f"a list, each {_values(inner[0])}"
    if origin is dict:
        return f"a mapping, each value {_values(inner[1])}"
    if origin in (Union, type(int | str)):
        return " or ".join(_values(each, known) for each in inner)
    if annotation in _PLAIN:
        return _PLAIN[annotation] + _bounds(known)
    return f"a {getattr(annotation, '__name__', annotation)}"


def is_axis(field: FieldInfo) -> bool:
    """Whether a single value of a field stands for a list of it."""
    return get_origin(field.annotation) is tuple and _is_axis(field.metadata)


def _is_axis(metadata: Iterable[Any]) -> bool:
    """Whether a validator takes what is given before it is a list."""
    return any(isinstance(each, BeforeValidator) for each in metadata)


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for each in metadata:
        yield from _flat(each.metadata) if isinstance(each, FieldInfo) else [each]


def _bounds(known: Iterable[Any]) -> str:
    """` from 1 to 255`, ` above 0`, or an empty string."""
    least, most = "", ""
    for each in known:
        if isinstance(each, Ge) and abs(cast("float", each.ge)) < _BEYOND:
            least = f" from {each.ge:,}"
        elif isinstance(each, Gt):
            least = f" above {each.gt:,}"
        elif isinstance(each, Le):
            most = f" to {each.le:,}"
        elif isinstance(each, Lt) and abs(cast("float", each.lt)) < _BEYOND:
            most = f" to below {each.lt:,}"
    return f"{least}{most or ' up'}" if least.startswith(" from") else f"{least}{most}"
