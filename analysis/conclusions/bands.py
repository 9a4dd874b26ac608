"""Bands around the mean curve of the repetitions: what the runs say of a mean at each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.reading.curves import curve_matrix
from analysis.reading.curves import curves as by_epoch
from analysis.reading.frames import column
from analysis.statistics.mean_intervals import check_level, half_width
from survey.errors import InputError

_Array = npt.NDArray[np.float64]
_AVG, _STDDEV = "_avg", "_stddev"


def intervals(curves: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Estimate the mean curve over the repetitions, with Student's interval at each epoch.

    The interval of an epoch contains its mean with the probability `level` if the values of the runs are about normal.
    It holds for each epoch alone: that the whole mean curve lies within the band is less probable.

    Args:
        curves: What `analysis.curves` or `analysis.read` return: either runs, with `experiment_id`, or a summary with
            NAME_avg, NAME_stddev and `num` (or `num_runs`), and NAME_num_finite if it has that.
        level: Level of the intervals.

    Returns:
        A row for each experiment and epoch: what describes the experiment, `epoch`, and for each NAME of the curves
        NAME_mean, NAME_low, NAME_high, float64, and NAME_runs and NAME_not_finite, int64: how many runs reach the
        epoch, and how many of them have no finite value there. If one has none, there is no mean, and all three are
        NaN; a single run has no interval. A summary without NAME_num_finite does not tell whether runs are missing
        from its averages; these are then taken to be of all runs.

    Raises:
        InputError: The level is not between 0 and 1, `curves` is no frame, or it has neither runs nor averages of them.
    """
    check_level(level)
    if not isinstance(curves, pd.DataFrame):
        raise InputError(
            f"curves is a {type(curves).__name__}; expected a frame, as analysis.read or analysis.curves return"
        )
    long = curves if "epoch" in curves.columns else by_epoch(curves)
    place = list(long.columns).index("epoch")
    described, names = long.columns[:place].tolist(), long.columns[place + 1 :].tolist()
    averages = [name.removesuffix(_AVG) for name in names if name.endswith(_AVG)]
    for name in names:
        if not is_numeric_dtype(long[name]):
            raise InputError(f"{name!r} holds no numbers, but stands after epoch, where the curves are; leave it out")
    if averages:
        return _of_summaries(long, described, averages, level)
    if names and "experiment_id" in described and not {"num_runs", "num"} & {*described, *names}:
        return _of_runs(long, described, names, level)
    raise InputError(
        "the frame has neither runs with experiment_id and curves, nor a summary with NAME_avg, NAME_stddev and num; "
        "read the table all_repetitions with experiment_id and a curve, or complete_summary with these columns"
    )


def mean_band(frame: pd.DataFrame, name: str, epochs: npt.NDArray[np.int64], level: float) -> tuple[_Array, _Array]:
    """Return the ends of the intervals of the means of a metric, each (experiments, epochs).

    Args:
        frame: n rows of a summary table, with NAME_avg, NAME_stddev, `num_runs` and perhaps NAME_num_finite.
        name: The metric.
        epochs: m epochs, counted from 1.
        level: Level of the intervals.

    Returns:
        Two arrays (n, m), float64; NaN where there is no interval.
    """
    average, stddev = (curve_matrix(frame[f"{name}{part}"], epochs) for part in (_AVG, _STDDEV))
    runs = np.broadcast_to(column(frame, "num_runs").to_numpy(np.float64)[:, None], average.shape)
    finite = f"{name}_num_finite"
    known = curve_matrix(frame[finite], epochs) if finite in frame else runs
    half = half_width(stddev, np.where(known == runs, runs, np.nan), level)
    return average - half, average + half


def _of_summaries(long: pd.DataFrame, described: list[str], names: Sequence[str], level: float) -> pd.DataFrame:
    runs = next((long[name] for name in ("num", "num_runs") if name in long), None)
    lacking = [f"{name}{_STDDEV}" for name in names if f"{name}{_STDDEV}" not in long]
    if runs is None or lacking:
        raise InputError(f"the frame lacks {', '.join([*lacking, *(['num'] if runs is None else [])])}; read it too")
    bands: dict[str, npt.NDArray[Any]] = {}
    for name in names:
        finite = long.get(f"{name}_num_finite", runs)
        bands |= _band(name, (long[f"{name}{_AVG}"], long[f"{name}{_STDDEV}"], runs, finite), level)
    return _joined(long[[*described, "epoch"]], bands)


def _of_runs(long: pd.DataFrame, described: list[str], names: Sequence[str], level: float) -> pd.DataFrame:
    keys = ["experiment_id", "epoch"]
    groups = long.groupby(keys, sort=False, dropna=False)
    common = [name for name in described if name != "experiment_id" and _is_of_experiments(long, name)]
    found = groups[common].first().reset_index() if common else groups.size().reset_index()[keys]
    bands: dict[str, npt.NDArray[Any]] = {}
    for name in names:
        values = long[name].astype(np.float64).where(np.isfinite(long[name].astype(np.float64)))
        by_group = values.groupby([long[key] for key in keys], sort=False)
        bands |= _band(name, (by_group.mean(), by_group.std(), by_group.size(), by_group.count()), level)
    return _joined(found[[*(name for name in described if name in found), "epoch"]], bands)


def _is_of_experiments(long: pd.DataFrame, name: str) -> bool:
    """Whether a column has one value in each experiment."""
    return bool((long.groupby("experiment_id")[name].nunique(dropna=False) == 1).all())


def _band(name: str, statistics: Sequence[pd.Series], level: float) -> dict[str, npt.NDArray[Any]]:
    """The columns of a curve, from its mean, standard deviation, number of runs and of finite values."""
    mean, stddev, runs, finite = (part.to_numpy(np.float64) for part in statistics)
    known = np.where(finite == runs, mean, np.nan)
    half = half_width(stddev, runs, level)
    return {
        f"{name}_mean": known,
        f"{name}_low": known - half,
        f"{name}_high": known + half,
        f"{name}_runs": runs.astype(np.int64),
        f"{name}_not_finite": (runs - finite).astype(np.int64),
    }


def _joined(described: pd.DataFrame, bands: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """What describes each row, and its bands, of which there may be hundreds."""
    return pd.concat([described, pd.DataFrame(bands, index=described.index)], axis=1)
