"""Typed helpers for frames: by pandas' annotations, `frame[x]` can be a column or a frame."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return one column."""
    return cast(pd.Series, frame[name])


def where(frame: pd.DataFrame, condition: Any) -> pd.DataFrame:
    """Return the rows where a boolean array is true."""
    return cast(pd.DataFrame, frame.take(np.flatnonzero(np.asarray(condition, dtype=bool))))


def equal(frame: pd.DataFrame, name: str, value: object) -> pd.DataFrame:
    """Return the rows with a value in a column."""
    return where(frame, column(frame, name).isin([value]))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dictionaries from column to value."""
    return cast(list[dict[str, Any]], frame.to_dict("records"))


def varies(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column has several values; a missing one counts as a value."""
    return not column(frame, name).duplicated().iloc[1:].all()


def distinct(frame: pd.DataFrame, name: str) -> list[Any]:
    """Return the distinct values of a column, sorted, without missing ones."""
    return sorted(column(frame, name).dropna().unique().tolist())
