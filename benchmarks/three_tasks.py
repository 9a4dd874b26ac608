"""Pictures and tables of docs/three_tasks/README.md: a survey of three tasks, compared with the publication.

python -m benchmarks.three_tasks DATASET [DATASET OF cells.yaml]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import generalization, zone_grid
from analysis.figures.grid import INK, Room, key, layout, log_sizes, loss_axis, rule
from analysis.figures.pictures import png
from analysis.reading.curves import curve_matrix
from analysis.reading.labels import loss_words
from analysis.report.condense import curves_of, experiments

FOLDER = Path(__file__).parents[1] / "docs" / "three_tasks"
WINE, HOUSES = "wine_quality_white", "537_houses"
PUBLISHED = {
    WINE: {5: 1.29, 7: 1.12, 10: 1.08, 14: 1.03, 17: 1.01},
    HOUSES: {5: 0.018, 10: 0.013, 14: 0.011, 18: 0.0107},
}
"""Minimum of the median test loss by log2 of the size; rectangle, depth 3, 3000 epochs; read off the published figure,
within about 3 %."""

_CURVES = ("test_loss_median", "test_loss_q1", "test_loss_q3", "test_loss_stddev", "test_loss_avg")
_OURS, _LONG, _THEIRS = "#0072b2", "#009e73", "#d55e00"


def minima(frame: pd.DataFrame) -> pd.DataFrame:
    """Per experiment: the least median test loss, its epoch, the quartiles there, and whether it is at the end.

    `change` is how far the median loss fell in the second half of the epochs, as a fraction: from its mean over the
    last twentieth of the first half to that over the last of all.
    """
    rows = []
    for row in frame.to_dict("records"):
        last = len(row["test_loss_median"])
        loss, q1, q3 = (
            curve_matrix([row[f"test_loss_{name}"]], np.arange(1, last + 1))[0] for name in ("median", "q1", "q3")
        )
        at, part = int(np.nanargmin(loss)), last // 20
        change = loss[-part:].mean() / loss[last // 2 - part : last // 2].mean() - 1
        named = {
            name: row[name]
            for name in ("dataset", "task", "shape", "size", "num_free_parameters", "num_runs", "epochs")
        }
        rows.append({**named, "loss": loss[at], "q1": q1[at], "q3": q3[at], "epoch": at + 1, "change": change})
    return pd.DataFrame(rows).sort_values(["dataset", "shape", "size"])


def table(ours: pd.DataFrame, longer: pd.DataFrame | None) -> str:
    """Our minima beside the published ones, as Markdown."""
    names = ["task", "size", "published", "ours, 1000 epochs", "q1 to q3", "at epoch", "difference", "second half"]
    names += [] if longer is None else ["ours, 3000 epochs", "at epoch", "difference"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for task, cells in PUBLISHED.items():
        for power, published in cells.items():
            cell = _cell(ours, task, power)
            if cell is None:
                continue
            parts = [task, f"2^{power}", f"{published:g}", f"{cell.loss:.4g}", f"{cell.q1:.4g} to {cell.q3:.4g}"]
            parts += [f"{cell.epoch:,}", f"{cell.loss / published - 1:+.1%}", f"{cell.change:+.1%}"]
            if longer is not None:
                parts += _longer(_cell(longer, task, power), published)
            lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def _longer(cell: pd.Series | None, published: float) -> list[str]:
    return (
        ["", "", ""] if cell is None else [f"{cell.loss:.4g}", f"{cell.epoch:,}", f"{cell.loss / published - 1:+.1%}"]
    )


def least_table(ours: pd.DataFrame) -> str:
    """Our minimum of each size, task and shape, with its epoch, as Markdown."""
    groups = list(ours.groupby(["dataset", "shape"], sort=True))
    lines = [
        "| size | " + " | ".join(f"{dataset}, {shape}" for (dataset, shape), _ in groups) + " |",
        "|---|" + "---|" * len(groups),
    ]
    for size in sorted(ours["size"].unique()):
        cells = []
        for _, rows in groups:
            found = rows[rows["size"] == size]
            row = None if found.empty else found.iloc[0]
            cells.append("" if row is None else f"{row['loss']:.4g} @ {row['epoch']:,}")
        lines.append(f"| 2^{int(size).bit_length() - 1} | {' | '.join(cells)} |")
    return "\n".join(lines)


def against(ours: pd.DataFrame, longer: pd.DataFrame | None) -> Figure:
    """Draw our minima by size beside the published ones, for the two tasks whose published values are known."""
    room = Room(right=1.5, bottom=0.7, gap_x=0.8)
    figure, (axes,) = layout(1, 2, panel_height=2.9, room=room, sharey=False)
    for one, (task, cells) in zip(axes, PUBLISHED.items(), strict=True):
        rows = ours[(ours["dataset"] == task) & (ours["shape"] == "rectangle")]
        sizes = rows["num_free_parameters"].to_numpy(float)
        one.fill_between(sizes, rows["q1"], rows["q3"], color=_OURS, alpha=0.2, linewidth=0)
        one.plot(sizes, rows["loss"], color=_OURS, marker="o", markersize=4, linewidth=1.4)
        if longer is not None:
            long = longer[longer["dataset"] == task]
            one.plot(long["num_free_parameters"], long["loss"], color=_LONG, marker="D", markersize=6, linestyle="none")
        one.errorbar(
            [2.0**power for power in cells],
            list(cells.values()),
            yerr=[0.03 * value for value in cells.values()],
            color=_THEIRS,
            marker="s",
            markersize=5,
            markerfacecolor="none",
            linestyle="none",
            capsize=2,
        )
        rule(one)
        bars = [value * (1 + off) for value in cells.values() for off in (-0.03, 0.03)]
        loss_axis(one, np.array([*rows["q1"], *rows["q3"], *bars]))
        one.set_title(f"{task}, rectangle, depth 3", fontsize=9.5, color=INK, loc="left", pad=4)
        one.set_xlabel("trainable parameters", fontsize=9.5, color=INK)
        one.set_ylabel(f"minimum of the median test {_unit(rows)}", fontsize=9, color=INK)
    log_sizes(axes[0], np.array([2.0**5 / 1.3, 2.0**18 * 1.3]))
    theirs = Line2D([], [], color=_THEIRS, marker="s", markerfacecolor="none", linestyle="none", label="3000 epochs")
    mine = Line2D([], [], color=_OURS, marker="o", markersize=4, label="1000 epochs")
    band = Patch(color=_OURS, alpha=0.2, linewidth=0, label="q1 to q3")
    long_line = Line2D([], [], color=_LONG, marker="D", linestyle="none", label="3000 epochs")
    key(
        figure,
        axes,
        [("published (±3 %)", [theirs]), ("ours", [mine, band, *([long_line] if longer is not None else [])])],
    )
    return figure


def _unit(rows: pd.DataFrame) -> str:
    """The loss without its definition, which is too long for the axis."""
    return "loss (nats)" if "nats" in loss_words(rows) else "loss (squared error)"


def _cell(frame: pd.DataFrame, task: str, power: int) -> pd.Series | None:
    found = frame[(frame["dataset"] == task) & (frame["shape"] == "rectangle") & (frame["size"] == 2**power)]
    return None if found.empty else found.iloc[0]


def main() -> None:
    """Write the pictures and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("cells", type=Path, nargs="?")
    options = parser.parse_args()
    frame = curves_of(options.dataset, experiments(options.dataset), _CURVES)
    ours = minima(frame)
    longer = None
    if options.cells:
        longer = minima(curves_of(options.cells, experiments(options.cells), _CURVES))
    pictures = {"zones": zone_grid(frame, by="shape"), "variation": zone_grid(frame, by="shape", vary=True)}
    pictures |= {name: generalization(rows) for name, rows in frame.groupby("dataset")}
    pictures["published"] = against(ours, longer)
    for name, figure in pictures.items():
        (FOLDER / f"{name}.png").write_bytes(png(figure))
    print(table(ours, longer), least_table(ours), sep="\n\n")


if __name__ == "__main__":
    main()
