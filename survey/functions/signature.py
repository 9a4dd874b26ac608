"""What a training function asks for, as plain values: whoever has them needs neither the function nor its types.

It is read in the process that imports the function, and so needs the standard library alone.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

GIVEN = ("data", "device", "folder", "seed", "state")
"""Parameters that are no axes: the function gets them by their names."""

_SCALARS = {int: "int", float: "float", bool: "bool", str: "str"}
_KNOWN = "int, float, bool, str, Literal, an Enum of texts or numbers, Optional, or a list or tuple of these"


class SignatureError(Exception):
    """A function cannot be surveyed; the text says why, and what to do."""


def describe(function: Callable[..., Any], given: Sequence[str] = GIVEN) -> dict[str, Any]:
    """Describe the parameters of a function.

    Args:
        function: The function.
        given: Names of parameters that are no axes.

    Returns:
        `axes`: for each axis its `name`, its `kind` (see `survey.functions.kinds`), and its `default` if it has one;
        `given`: those of `given` that it asks for; `is_plain`: whether it returns, and does not yield.

    Raises:
        SignatureError: It is no function; a parameter has no annotation, or one that is not understood.
    """
    _check_is_function(inspect.unwrap(function))
    parameters = inspect.signature(function).parameters.values()
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY):
            raise SignatureError(
                f"the parameter {each.name!r} has no name to give it by; name each axis, and use functools.wraps in a "
                "decorator"
            )
    axes = [each for each in parameters if each.name not in given]
    for each in axes:
        if each.annotation is each.empty:
            raise SignatureError(f"the parameter {each.name!r} has no annotation; expected {_KNOWN}")
    hints = _hints(function)
    return {
        "axes": [_axis(each, hints[each.name]) for each in axes],
        "given": [each.name for each in parameters if each.name in given],
        "is_plain": not inspect.isgeneratorfunction(inspect.unwrap(function)),
    }


def _check_is_function(found: Any) -> None:
    if not inspect.isroutine(found):
        what = "a class" if isinstance(found, type) else f"an object of {type(found).__name__}"
        raise SignatureError(f"it is {what}, and no function; write a function that calls it, and yields its metrics")
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        raise SignatureError("it is async; expected a function that yields, which may call asyncio.run")


def converters(function: Callable[..., Any]) -> dict[str, Callable[[Any], Any]]:
    """Return what makes the value of an axis from a plain one, for those whose values are not plain: enums, tuples."""
    hints = _hints(function)
    return {name: found for name, hint in hints.items() if name not in GIVEN and (found := _converter(hint))}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except Exception as error:  # of annotations that name what is not there, in many ways
        raise SignatureError(f"its annotations cannot be read: {error}") from None


def _axis(parameter: inspect.Parameter, hint: Any) -> dict[str, Any]:
    kind = _kind(hint)
    if kind is None:
        shown = inspect.formatannotation(parameter.annotation)
        raise SignatureError(f"the parameter {parameter.name!r} has the annotation {shown}; expected {_KNOWN}")
    if parameter.name == "epochs" and kind != "int":
        raise SignatureError("the parameter 'epochs' is the number of epochs to train; annotate it as int")
    axis = {"name": parameter.name, "kind": kind}
    if parameter.default is not parameter.empty:
        axis["default"] = _default(parameter)
    return axis


def _default(parameter: inspect.Parameter) -> Any:
    value = _plain(parameter.default)
    items = value if isinstance(value, list) else [value]
    if not all(each is None or type(each) in _SCALARS for each in items):
        raise SignatureError(
            f"the default of {parameter.name!r} is {parameter.default!r}; expected a plain value of Python, as its "
            "annotation says"
        )
    return value


def _kind(hint: Any) -> Any:
    """The kind of an annotation, as JSON has it; None if it is not understood."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice([member.value for member in hint])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        values = [value for value in arguments if value is not None]
        found = _choice(values)
        return {"optional": found} if found and len(values) < len(arguments) else found
    if origin in (typing.Union, types.UnionType):
        return _optional(arguments)
    if origin in (list, tuple):
        return _sequence(origin, arguments)
    return None


def _choice(values: list[Any]) -> Any:
    """One of some texts, or of some numbers, as a data set has columns of one type."""
    kinds = {type(value) for value in values}
    return {"choice": values} if len(kinds) == 1 and kinds <= set(_SCALARS) else None


def _optional(arguments: tuple[Any, ...]) -> Any:
    others = [each for each in arguments if each is not type(None)]
    kind = _kind(others[0]) if len(others) == 1 and len(arguments) == 2 else None
    return {"optional": kind} if kind else None


def _sequence(origin: type, arguments: tuple[Any, ...]) -> Any:
    """Lists and tuples of one kind of scalars; a tuple may have a fixed length."""
    items = [each for each in arguments if each is not Ellipsis]
    kinds = [_kind(each) for each in items]
    if not kinds or any(kind != kinds[0] for kind in kinds) or not _is_scalar(kinds[0]):
        return None
    is_fixed = origin is tuple and Ellipsis not in arguments
    return {"list": kinds[0], "length": len(kinds)} if is_fixed else {"list": kinds[0]}


def _is_scalar(kind: Any) -> bool:
    return isinstance(kind, str) or (isinstance(kind, dict) and "choice" in kind)


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next((found for each in arguments if (found := _converter(each))), None)
        return (lambda value: None if value is None else inner(value)) if inner else None
    if origin in (list, tuple):
        item = _converter(arguments[0]) or (lambda value: value)
        return lambda values: origin(map(item, values))
    return None
