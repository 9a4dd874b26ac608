"""The figure that compares two data sets: the losses of their runs, and where they differ significantly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.compare import LOSSES, MATCHED, compare, run_losses
from analysis.figures.grid import INK, Room, footnote, key, layout, log_sizes, loss_axis, name_panel, notice, rule
from analysis.figures.panels import base, evenly
from analysis.reading.frames import distinct, equal, where
from analysis.reading.labels import figure_text, fixed_text, loss_words
from survey.errors import InputError

LEVEL = 0.05
"""Corrected p-value below which two distributions differ significantly."""

MAX_TASKS = 3
"""Most tasks drawn side by side."""

MAX_SIZES = 12
"""Most sizes drawn of each task, evenly chosen."""

_HUES, _APART = ("#0072b2", "#d55e00"), 1.13


def comparison(
    a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str] = ("first", "second"), *, statistic: str = "val_loss"
) -> Figure:
    """Draw final and minimum test losses of the runs of two data sets, for experiments in both.

    By size, a dot per run and a bar at the median, the first data set to the left; other hyperparameters have their
    most frequent values. A star marks experiments that differ by the test of `analysis.compare.compare`, corrected for
    all experiments in both; the footnote counts them all.

    Args:
        a: Rows of `all_repetitions` of one data set, as for `compare`.
        b: The same of the other.
        names: Names of the two, for the legend.
        statistic: The curve of a run.

    Returns:
        The figure, 8.6 inches wide (6.4 with one task): a row per loss, a column per task, `MAX_TASKS` at most.

    Raises:
        InputError: A column is missing, or the two share no experiment.
    """
    compared = compare(a, b, statistic=statistic)
    if compared.empty:
        raise InputError("the two data sets share no experiment; compare some with the same hyperparameters")
    shared, fixed = base(compared, [])
    tasks = distinct(shared, "dataset")[:MAX_TASKS]
    figure, rows = layout(
        len(LOSSES),
        len(tasks),
        width=8.6 if len(tasks) > 1 else 6.4,
        panel_height=2.2,
        room=Room(right=1.5, bottom=0.86, gap_x=0.62),
        sharey=False,
    )
    for number, task in enumerate(tasks):
        shown, unit = _thinned(equal(shared, "dataset", task)), _unit(equal(a, "dataset", task))
        runs = [_losses(frame, shown, statistic) for frame in (a, b)]
        for loss, row in zip(LOSSES, rows, strict=True):
            _draw(row[number], loss, shown, runs)
            row[number].set_ylabel(f"{loss} test loss{unit}", fontsize=9.5, color=INK)
        name_panel(rows[0][number], figure_text(task), pad=4)
        rows[-1][number].set_xlabel("size (trainable parameters)", fontsize=9.5, color=INK)
    sizes = where(shared, shared["dataset"].isin(tasks))["size"].to_numpy(np.float64)
    log_sizes(rows[0][0], np.array([sizes.min() / _APART**4, sizes.max() * _APART**4]), most=6)
    key(figure, [axes for row in rows for axes in row], _signs(names))
    footnote(figure, _counted(compared, fixed), 0)
    return figure


def _unit(frame: pd.DataFrame) -> str:
    return " (nats)" if "nats" in loss_words(frame) else ""


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    return where(frame, frame["size"].isin(evenly(distinct(frame, "size"), MAX_SIZES)))


def _losses(frame: pd.DataFrame, shown: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """Size, final and minimum loss of the runs of some experiments; NaN where not finite."""
    names = [name for name in MATCHED if name in shown.columns]
    wanted = shown[names].astype({name: frame[name].dtype for name in names})  # also where all are null
    runs = frame[[*names, statistic]].merge(wanted, on=names)
    losses = run_losses(runs[statistic])
    final, minimum = np.where(np.isfinite(losses), losses, np.nan).T
    return pd.DataFrame({"size": runs["size"], "final": final, "minimum": minimum})


def _draw(axes: Axes, loss: str, shown: pd.DataFrame, runs: Sequence[pd.DataFrame]) -> None:
    rule(axes)
    for side, (frame, hue) in enumerate(zip(runs, _HUES, strict=True)):
        x = frame["size"].to_numpy(np.float64) * _APART ** (2 * side - 1)
        y = frame[loss].to_numpy(np.float64)
        axes.plot(x, y, ".", color=hue, alpha=0.45, markersize=4.5, markeredgewidth=0, gid=f"runs {side}")
        for place in np.unique(x):
            middle = np.nanmedian(y[x == place]) if np.isfinite(y[x == place]).any() else np.nan
            axes.plot([place], [middle], marker="_", color=hue, markersize=9, markeredgewidth=2, gid=f"median {side}")
    finite = np.concatenate([frame[loss].to_numpy(np.float64) for frame in runs])
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        notice(axes, "no finite loss")
        return
    loss_axis(axes, finite)
    differ = where(shown, shown[f"{loss}_p_corrected"] < LEVEL)["size"].to_numpy(np.float64)
    high: npt.NDArray[np.float64] = np.full(len(differ), 0.97)
    axes.plot(differ, high, "*", color=INK, markersize=6, transform=axes.get_xaxis_transform(), gid="differ")


def _signs(names: tuple[str, str]) -> list[tuple[str, list[Artist]]]:
    sides: list[Artist] = [
        Line2D([], [], linestyle="none", marker=".", markersize=8, color=hue, label=figure_text(name))
        for name, hue in zip(names, _HUES, strict=True)
    ]
    marks: list[Artist] = [
        Line2D([], [], linestyle="none", marker="_", markersize=9, markeredgewidth=2, color=INK, label="median"),
        Line2D([], [], linestyle="none", marker="*", markersize=6, color=INK, label=f"differ, p < {LEVEL}"),
    ]
    return [("runs of", sides), ("signs", marks)]


def _counted(compared: pd.DataFrame, fixed: dict[str, object]) -> str:
    counts = [f"{loss} {int((compared[f'{loss}_p_corrected'] < LEVEL).sum())}" for loss in LOSSES]
    text = f"Of {len(compared):,} experiments in both, differ: {', '.join(counts)}."
    return f"{text} Drawn at {fixed_text(fixed)}." if fixed else text
