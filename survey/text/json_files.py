"""JSON files of an output, which may be a stranger's: bounded, and of the types that are meant."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

MOST_BYTES = 10_000_000
"""Bytes of a file, at most, unless more is expected of it."""


Count = Annotated[int, Field(ge=0, le=10**18)]
Seconds = Annotated[float, Field(ge=0, le=1e13)]
"""A duration that `datetime.timedelta` can be made of."""

Moment = Annotated[float, Field(ge=0, le=2.5e11)]
"""Seconds since 1970 that `datetime.datetime` can be made of: to the year 9892."""


def read_json(file: Path, kind: Any, *, most_bytes: int = MOST_BYTES) -> Any:
    """Return what a JSON file holds, as a type, a dataclass or what pydantic makes of it.

    Raises:
        OSError: It cannot be read.
        ValueError: It is too large, no JSON, nested too deeply, or of another type; the message is one line.
    """
    with file.open("rb") as stream:
        text = stream.read(most_bytes + 1)
    if len(text) > most_bytes:
        raise ValueError(f"expected {most_bytes:,} bytes at most, found more")
    try:
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
