"""What a user has given a model, without what is as by default: its `repr`, and its rows in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from survey.text.documented import is_axis

_MOST_VALUES = 16
"""Values of an axis that a notebook shows, at most."""


def given(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield names and values of the fields that were set; an axis of one value is that value."""
    for name, field in type(model).model_fields.items():
        if name not in model.model_fields_set or not field.repr:
            continue
        value = getattr(model, name)
        if isinstance(value, tuple):
            value = value[0] if is_axis(field) and len(value) == 1 else list(value)
        yield field.alias or name, value


def rows(model: BaseModel, indent: str = "") -> Iterator[tuple[str, str]]:
    """Yield the rows of a table of them; those of models in it follow the name of their place, and are indented."""
    for name, value in given(model):
        inner = {name: value}
        if isinstance(value, list) and value and isinstance(value[0], BaseModel):
            inner = {f"{name}[{place}]": each for place, each in enumerate(value)}
        elif isinstance(value, dict):
            inner = {f"{name}.{key}": each for key, each in value.items()}
        for place, each in inner.items():
            if isinstance(each, BaseModel):
                yield indent + place, ""
                yield from rows(each, f"{indent}  ")
            else:
                yield indent + place, _text(each)


def _text(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    more = [f"and {len(value) - _MOST_VALUES:,} more"] if len(value) > _MOST_VALUES else []
    return ", ".join([*map(str, value[:_MOST_VALUES]), *more])
