"""Reading untrusted JSON files of an output: bounded in size and checked by type."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

MOST_BYTES = 10_000_000
"""Default limit of the size of a file, in bytes."""

Count = Annotated[int, Field(ge=0, le=10**18)]
Seconds = Annotated[float, Field(ge=0, le=1e13)]
"""A duration in seconds that `datetime.timedelta` can represent."""

Moment = Annotated[float, Field(ge=0, le=2.5e11)]
"""Seconds since 1970 that `datetime.datetime` can represent, to the year 9892."""


def read_json(file: Path, kind: Any, *, most_bytes: int = MOST_BYTES) -> Any:
    """Read a JSON file as `kind`: a type, a dataclass or anything else that pydantic validates.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is larger than `most_bytes`, not JSON, nested too deeply, or not a `kind`; one line says which.
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
