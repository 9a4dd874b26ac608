"""The fits of a task as a table: a row per panel."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class FitRow:
    title: str
    values: tuple[float, ...]


def fit_rows(frame: pd.DataFrame) -> list[FitRow]:
    return []
