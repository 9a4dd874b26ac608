"""The kinds of axes: what their values may be, in search spaces, records and data sets.

A kind is a plain value, as `survey.functions.signature` makes it: `int`, `float`, `bool`, `str`,
`{choice: [values]}`, `{optional: kind}`, or `{list: kind}` with a `length` where that is fixed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, Strict, TypeAdapter, WrapValidator
from pydantic_core import PydanticCustomError

from survey.errors import nearest

if TYPE_CHECKING:
    import pyarrow as pa

_YAML_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
"""What YAML 1.1 takes for a text, as in `1e-3`, and everyone else for a number."""

_MOST_LETTERS = 1000
_MOST_ITEMS = 1000

_SCALARS: dict[str, Any] = {
    "int": Annotated[int, Strict(), Field(ge=-(1 << 63), lt=1 << 63)],
    "float": Annotated[
        float,
        Strict(),
        Field(allow_inf_nan=False),
        BeforeValidator(
            lambda value: float(value) if isinstance(value, str) and _YAML_FLOAT.fullmatch(value) else value
        ),
        AfterValidator(lambda value: value + 0.0),  # -0.0 is 0.0
    ],
    "bool": Annotated[bool, Strict()],
    "str": Annotated[str, Strict(), Field(max_length=_MOST_LETTERS)],
}


def is_kind(kind: Any) -> bool:
    """Whether a plain value, perhaps a stranger's, is a kind."""
    if not isinstance(kind, dict):
        return isinstance(kind, str) and kind in _SCALARS
    match [name for name in kind if name != "length"]:
        case ["choice"]:
            values = kind["choice"]
            is_list = isinstance(values, list) and len({type(value) for value in values}) == 1
            return is_list and type(values[0]) in (int, float, bool, str)
        case ["optional"]:
            return is_kind(kind["optional"]) and "optional" not in kind["optional"]
        case ["list"]:
            is_item = is_kind(kind["list"]) and (isinstance(kind["list"], str) or "choice" in kind["list"])
            return is_item and isinstance(kind.get("length", 1), int)
    return False


def annotation(kind: Any) -> Any:
    """Return the type of the values of a kind, as pydantic checks them; lists become tuples."""
    if isinstance(kind, str):
        return _SCALARS[kind]
    if "choice" in kind:
        return Annotated[Any, BeforeValidator(_one_of(kind["choice"]))]
    if "optional" in kind:
        inner = annotation(kind["optional"])
        return Annotated[inner, WrapValidator(lambda value, handler: None if value is None else handler(value))]
    length = kind.get("length")
    item = annotation(kind["list"])
    return Annotated[
        tuple[item, ...],
        BeforeValidator(_as_tuple),
        Field(min_length=length, max_length=_MOST_ITEMS if length is None else length),
    ]


def checked(kind: Any, value: Any) -> Any:
    """Return a value of a kind.

    Raises:
        pydantic.ValidationError: It is none.
    """
    return TypeAdapter(annotation(kind)).validate_python(value)


def parsed(kind: Any, text: str) -> Any:
    """Return the value of a kind that a text says, as YAML has it.

    Raises:
        ValueError: There is none.
    """
    try:
        return hashable(checked(kind, yaml.safe_load(text)))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def arrow_type(kind: Any) -> pa.DataType:
    """Return the type of the column of an axis."""
    import pyarrow as pa

    if isinstance(kind, str):
        return {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}[kind]
    if "choice" in kind:
        return arrow_type(type(kind["choice"][0]).__name__)
    if "optional" in kind:
        return arrow_type(kind["optional"])
    return pa.list_(pa.field("element", arrow_type(kind["list"])))


def is_number(kind: Any) -> bool:
    """Whether the values of a kind are numbers, or none."""
    return kind in ("int", "float") or (isinstance(kind, dict) and is_number(kind.get("optional")))


def can_be_in_paths(kind: Any) -> bool:
    """Whether every value of a kind can be part of a path of the data set: words and numbers can."""
    if isinstance(kind, str):
        return kind != "str"
    if "optional" in kind:
        return can_be_in_paths(kind["optional"])
    return "choice" in kind and all(
        not isinstance(value, str) or re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", value) for value in kind["choice"]
    )


def words(kind: Any) -> str:
    """Say a kind in words."""
    if isinstance(kind, str):
        return kind
    if "choice" in kind:
        return f"one of {', '.join(map(str, kind['choice']))}"
    if "optional" in kind:
        return f"{words(kind['optional'])}, or none"
    return f"a list of {words(kind['list'])}"


def hashable(value: Any) -> Any:
    """Return a value with tuples for its lists, as experiments hold it."""
    return tuple(map(hashable, value)) if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """Write a value in a name for people: `0.01`, `64x32` of a tuple."""
    if isinstance(value, tuple):
        return "x".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _one_of(values: list[Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        for each in values:
            if type(value) is type(each) and value == each:
                return each
        shown = ", ".join(map(str, values))
        raise PydanticCustomError(
            "word", "expected one of {words}{nearest}", {"words": shown, "nearest": nearest(value, map(str, values))}
        )

    return check


def _as_tuple(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise PydanticCustomError("axis", "expected a list of lists, as each value of this axis is a list")
    return tuple(value)
