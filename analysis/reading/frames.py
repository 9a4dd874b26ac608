"""Typed helpers for frames: pandas' own annotations leave open whether `frame[x]` is a column or a frame."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """One column."""
    return cast(pd.Series, frame[name])


def where(frame: pd.DataFrame, condition: Any) -> pd.DataFrame:
    """The rows for which a condition, an array of booleans, holds."""
    return cast(pd.DataFrame, frame.take(np.flatnonzero(np.asarray(condition, dtype=bool))))


def equal(frame: pd.DataFrame, name: str, value: object) -> pd.DataFrame:
    """The rows that have a value in a column."""
    return where(frame, column(frame, name).isin([value]))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, each by the names of its columns."""
    return cast(list[dict[str, Any]], frame.to_dict("records"))


def distinct(frame: pd.DataFrame, name: str) -> list[Any]:
    """The distinct values of a column in order, missing ones left out."""
    return sorted(column(frame, name).dropna().unique().tolist())
