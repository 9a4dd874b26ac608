"""The full grid among experiments on which effects are exact: which axes and values of them are all crossed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.axes import varied_axes
from analysis.reading.frames import column, where

_Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FullGrid:
    """Experiments that have every combination of the values of their axes, once.

    Attributes:
        experiments: Their rows, so ordered that the last axis varies fastest.
        axes: The axes that take several values here; none if there is but one experiment.
        levels: Number of values of each of them.
        together: For each axis those that it determines in all experiments that were to choose from, such as a
            momentum that only one optimizer has: what one of them does cannot be told from what the other does.
    """

    experiments: pd.DataFrame
    axes: tuple[str, ...]
    levels: tuple[int, ...]
    together: dict[str, tuple[str, ...]]


def largest_grid(experiments: pd.DataFrame, axes: Sequence[str]) -> FullGrid:
    """Find a full grid among experiments: all of them if they are one.

    From a union of grids, values are left out one by one until the rest is a full grid: each time the value of an axis
    with the smallest share of its combinations with the values of the others; of several, one of the axis with the
    most values, and there the last one. To find the largest grid for certain would take too long (it is as hard as
    finding the largest biclique).

    Args:
        experiments: Rows of a summary table, at least one.
        axes: Their axes.
    """
    varied = varied_axes(experiments, axes)
    codes = {name: _codes(column(experiments, name)) for name in varied}
    independent, together = _independent(codes)
    matrix = np.stack([codes[name] for name in independent], axis=1) if independent else _no_axes(len(experiments))
    _, first = np.unique(matrix, axis=0, return_index=True)  # sorted, so that the last axis varies fastest
    kept = first[_peeled(matrix[first])]
    levels = {name: len(np.unique(codes[name][kept])) for name in independent}
    crossed = tuple(name for name, count in levels.items() if count > 1)
    return FullGrid(
        experiments.iloc[kept],
        crossed,
        tuple(levels[name] for name in crossed),
        {name: together[name] for name in crossed if name in together},
    )


def thinned(grid: FullGrid, most: int) -> FullGrid:
    """Return a grid of at most so many experiments: again and again, half of the values of its longest axis."""
    codes = {name: _codes(column(grid.experiments, name)) for name in grid.axes}
    kept = {name: np.arange(count) for name, count in zip(grid.axes, grid.levels, strict=True)}
    while math.prod(map(len, kept.values())) > most:
        longest = max(kept, key=lambda name: len(kept[name]))
        places = np.rint(np.linspace(0, len(kept[longest]) - 1, max(len(kept[longest]) // 2, 1)))
        kept[longest] = kept[longest][places.astype(np.int64)]
    inside = np.ones(len(grid.experiments), np.bool_)
    for name, values in kept.items():
        inside &= np.isin(codes[name], values)
    crossed = tuple(name for name, values in kept.items() if len(values) > 1)
    return FullGrid(
        where(grid.experiments, inside),
        crossed,
        tuple(len(kept[name]) for name in crossed),
        {name: others for name, others in grid.together.items() if name in crossed},
    )


def _codes(values: pd.Series) -> _Codes:
    """Numbers for the values of an axis, in their order, null first."""
    return np.asarray(pd.factorize(values, sort=True)[0], np.int64) + int(values.isna().any())


def _no_axes(count: int) -> _Codes:
    return np.zeros((count, 0), np.int64)


def _independent(codes: dict[str, _Codes]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """The axes that no other determines, and for each of them those that it does; of equal ones the first remains."""
    kept, together = list(codes), dict[str, tuple[str, ...]]()
    for name in reversed(codes):
        by = next((other for other in kept if other != name and _determines(codes[other], codes[name])), None)
        if by is not None:
            kept.remove(name)
            together[by] = (name, *together.pop(name, ()), *together.get(by, ()))
    return kept, together


def _determines(one: _Codes, other: _Codes) -> bool:
    return len(np.unique(np.stack([one, other]), axis=1).T) == len(np.unique(one))


def _peeled(codes: _Codes) -> npt.NDArray[np.intp]:
    """The rows of distinct combinations that remain as a full grid."""
    rows = np.arange(len(codes))
    while True:
        values = [np.unique(codes[rows, axis], return_counts=True) for axis in range(codes.shape[1])]
        sizes = [len(found) for found, _ in values]
        if len(rows) == math.prod(sizes):
            return rows
        shares = [
            counts * size for (_, counts), size in zip(values, sizes, strict=True)
        ]  # times what all have in common
        axis = min(range(len(sizes)), key=lambda axis: (shares[axis].min(), -sizes[axis]))
        last = np.flatnonzero(shares[axis] == shares[axis].min())[-1]
        rows = rows[codes[rows, axis] != values[axis][0][last]]
