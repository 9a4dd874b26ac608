"""The axes of a grid: lists of hyperparameter values, from YAML or Python, that the data set can store."""

from __future__ import annotations

import itertools
import math
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from survey.errors import nearest
from survey.workloads.limits import MOST_EPOCHS

MOST_VALUES = 50_000
"""Values of all axes of a search space, at most: with more, its file would be too large to read back."""

_LEAST_FLOAT32 = 2.0**-126
"""Smaller float32 numbers lose digits, and some devices treat them as 0."""

_MOST_FLOAT32 = (2 - 2.0**-23) * 2.0**127


def float32(value: float) -> float:
    """Round to the nearest float32, as the data set stores it; infinity if it is too large."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def _as_axis(value: Any) -> Any:
    """Turn a single value, an ordered collection, or `{powers_of_two: [first, last]}` into a list."""
    if isinstance(value, Mapping):
        bounds = value.get("powers_of_two")
        if set(value) != {"powers_of_two"} or not _are_exponents(bounds):
            forms = "a value, a list, {list: NAME}, or {powers_of_two: [first, last]} with 0 <= first <= last <= 40"
            raise PydanticCustomError("axis", f"expected {forms}")
        first, last = bounds
        return [1 << exponent for exponent in range(first, last + 1)]
    if isinstance(value, set | frozenset):
        raise PydanticCustomError("axis", "expected a list, as a set has no order")
    axis = [_plain(each) for each in itertools.islice(_values(value), MOST_VALUES + 1)]
    if not axis:
        raise PydanticCustomError("axis", "expected at least one value")
    if len(axis) > MOST_VALUES:
        raise PydanticCustomError("axis", "expected {most} values at most", {"most": f"{MOST_VALUES:,}"})
    return axis


def _are_exponents(bounds: Any) -> TypeGuard[list[int]]:
    whole = isinstance(bounds, list | tuple) and len(bounds) == 2 and all(type(bound) is int for bound in bounds)
    return whole and 0 <= bounds[0] <= bounds[1] <= 40


def _values(value: Any) -> Iterable[Any]:
    """The values of an axis, which may be an array or scalar of NumPy, or what NumPy turns into one, as of pandas."""
    if hasattr(value, "dtype"):
        import numpy as np

        array = np.asarray(value)
        if array.ndim > 1:
            raise PydanticCustomError("axis", "expected values in one dimension")
        return array.reshape(-1)
    return value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]


def _plain(value: Any) -> Any:
    """The Python value of a NumPy scalar; a float keeps its shortest decimal form, so that 0.1 stays 0.1."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.generic):
        return value
    return float(numpy.format_float_scientific(value)) if isinstance(value, numpy.floating) else value.item()


def _no_bool(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, bool):
        raise PydanticCustomError("number", "expected a number")
    return value


def _exact(value: float) -> float:
    """Refuse what the data set's float32 column would turn into 0, infinity, or a number of fewer digits."""
    if value and not _LEAST_FLOAT32 <= abs(value) <= _MOST_FLOAT32:
        raise PydanticCustomError(
            "float32",
            "the data set keeps it in 32 bits, which hold 0 and numbers from {least} to {most}",
            {"least": f"{_LEAST_FLOAT32:.2g}", "most": f"{_MOST_FLOAT32:.2g}"},
        )
    return value + 0.0  # -0.0 is 0.0


def one_of(words: tuple[str, ...], *, any_case: bool = False) -> Callable[[Any], str]:
    """Return a function that returns one of `words`, perhaps given in other letter case, and refuses all else."""

    def check(value: Any) -> str:
        if any_case and isinstance(value, str):
            value = next((known for known in words if known.lower() == value.lower()), value)
        if not isinstance(value, str) or value not in words:
            raise PydanticCustomError(
                "word",
                "expected one of {words}{nearest}",
                {"words": ", ".join(words), "nearest": nearest(value, words)},
            )
        return words[words.index(value)]  # and not an equal member of an enumeration

    return check


def without(problem_of: Callable[[str], str]) -> AfterValidator:
    """Return a validator that accepts names for which `problem_of` returns an empty string."""

    def check(name: str) -> str:
        if problem := problem_of(name):
            raise PydanticCustomError("name", "{problem}", {"problem": problem})
        return name

    return AfterValidator(check)


def word(words: tuple[str, ...], *, any_case: bool = False) -> BeforeValidator:
    """Return a validator that accepts one of `words`, as `one_of` does."""
    return BeforeValidator(one_of(words, any_case=any_case), json_schema_input_type=Literal[words])


Number = BeforeValidator(_no_bool)
"""Makes an axis of numbers refuse true and false."""

Exact = AfterValidator(_exact)

Axis = BeforeValidator(_as_axis)
Epochs = Annotated[int, Number, Field(ge=1, le=MOST_EPOCHS)]
Rate = Annotated[float, Number, Field(gt=0, allow_inf_nan=False), Exact]
Coefficient = Annotated[float, Number, Field(ge=0, allow_inf_nan=False), Exact]
Fraction = Annotated[float, Number, Field(ge=0, le=1), Exact]
