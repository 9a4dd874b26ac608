"""Messages on invalid values from YAML and Python: one line for each mistake."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from survey.errors import SearchSpaceError, nearest
from survey.text.documented import Documented, document
from survey.text.given import given, rows
from survey.text.html import html_table

Location = tuple[int | str, ...]
"""Location of a mistake: keys and indices."""

_MOST_LINES = 20
"""Most mistakes that a message lists."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 100


class CheckedModel(BaseModel, metaclass=Documented, frozen=True, extra="forbid"):
    """A frozen model whose constructor reports mistakes as a search space's file does, and which `help` documents.

    Raises:
        SearchSpaceError: Arguments are unknown, missing or invalid; the message has a line for each.
    """

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SearchSpaceError(describe(error, type(self), lambda _: (type(self).__name__, True))) from None

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        document(cls)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        return given(self)

    def __str__(self) -> str:
        return repr(self)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}: {name} cannot be changed; make another {type(self).__name__}")

    def _repr_html_(self) -> str:
        return html_table(rows(self), title=type(self).__name__)

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the fields that users can set."""
        return tuple(cls.model_fields)

    # Keeps pydantic from calling it for nested models, whose mistakes are reported with their location in the whole.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def describe(
    error: ValidationError,
    model: type[BaseModel],
    source: Callable[[Location], tuple[str, bool]],
    more_fields: Iterable[str] = (),
) -> str:
    """Return one line for each mistake: file and line, location, what is wrong, what was found.

    Args:
        error: The mistakes, as pydantic found them.
        model: The model that was to be made.
        source: Returns file and line of a location, and whether the user gave its value, so that it can be shown.
        more_fields: Further keys that are allowed at the top.
    """
    errors = error.errors(include_url=False)
    # pydantic also reports a list without any valid item as too short: the items already say what is wrong.
    inside = {tuple(each["loc"])[:k] for each in errors for k in range(len(each["loc"]))}
    shown = [each for each in errors if each["type"] != "too_short" or tuple(each["loc"]) not in inside]
    lines = list(dict.fromkeys(_describe_one(each, model, source, more_fields) for each in shown))
    more = [f"and {len(lines) - _MOST_LINES:,} more mistakes"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more])


def _describe_one(
    error: ErrorDetails,
    model: type[BaseModel],
    source: Callable[[Location], tuple[str, bool]],
    more_fields: Iterable[str],
) -> str:
    location = tuple(error["loc"])
    where, is_given = source(location)
    place = _place(location)
    if error["type"] in ("extra_forbidden", "invalid_key"):
        fields = _fields_at(model, location[:-1]) + (tuple(more_fields) if len(location) == 1 else ())
        word = str(location[-1])
        message = f"unknown key {_short.repr(word)}{nearest(word, fields)}; allowed are {', '.join(fields)}"
        place = _place(location[:-1])
    elif error["type"] == "missing":
        message = f"the key {location[-1]!r} is missing"
        place = _place(location[:-1])
    else:
        message = error["msg"][0].lower() + error["msg"][1:]
        if is_given and not error["type"].startswith("whole"):
            message += f", found {_short.repr(error['input'])}"
    return f"{where}: {place + ': ' if place else ''}{message}"


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> tuple[str, ...]:
    """Names of the fields of the model at a location."""
    for name in location:
        field = model.model_fields.get(str(name)) if isinstance(name, str) else None
        if field:
            model = next(
                each for each in get_args(field.annotation) if isinstance(each, type) and issubclass(each, BaseModel)
            )
    return model.keys() if issubclass(model, CheckedModel) else tuple(model.model_fields)


def _place(location: Iterable[int | str]) -> str:
    parts = (part for part in location if part != "[key]")  # pydantic's word for a key that is wrong itself
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" for part in parts).removeprefix(".")


def _shown(key: str) -> str:
    return key if key.isprintable() else repr(key)
