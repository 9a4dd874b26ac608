"""Pictures and tables of docs/own_module/README.md: modules against BUTTER's rectangle of the same size, run by run.

python -m benchmarks.own_module DATASET_OF_MODULES DATASET_OF_RECTANGLES
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import analysis
from analysis.conclusions.differences import Difference
from analysis.figures.grid import INK, Room, key, layout, loss_axis, rule
from analysis.figures.pictures import png
from analysis.statistics.mean_intervals import paired_interval
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.workloads.experiment import Run

FOLDER = Path(__file__).parents[1] / "docs" / "own_module"

_RECTANGLE = "rectangle"
_NAMES = {
    _RECTANGLE: "rectangle",
    "plain": "plain MLP",
    "layer_norm": "LayerNorm",
    "batch_norm": "BatchNorm",
    "lstm": "LSTM",
}
_COLOURS = dict(zip(_NAMES, (INK, "#0072b2", "#009e73", "#d55e00", "#cc79a7"), strict=True))
_MARKERS = dict(zip(_NAMES, "osD^v", strict=True))
_COMPARED = [(_RECTANGLE, kind) for kind in _NAMES if kind != _RECTANGLE]
_COMPARED += [("plain", kind) for kind in ("layer_norm", "batch_norm")]

_LEVEL = 0.95
_TOGETHER = 1 - (1 - _LEVEL) / len(_COMPARED)
"""Level of each comparison, at which all of them hold together at `_LEVEL` (Bonferroni)."""

_CURVES = ["val_loss", "val_accuracy", "validation_loss", "loss"]

_EXAMPLES = Path(__file__).parents[1] / "examples" / "own_module"
_TIMED_EPOCHS = 9


@dataclass(frozen=True)
class Runs:
    """The runs of all experiments, each at the epoch of its least validation loss.

    Attributes:
        frame: A row for each run: kind, learning_rate, repetition, curves; and `test_loss`, `test_accuracy`,
            `validation`, `epoch` there.
        datasets: The data set of each kind.
    """

    frame: pd.DataFrame
    datasets: Mapping[str, Path]

    @classmethod
    def of(cls, modules: Path, rectangle: Path) -> Runs:
        """Read both data sets."""
        columns = ["learning_rate", "repetition", "num_free_parameters", *_CURVES]
        own = analysis.read(modules, table="all_repetitions", columns=["kind", *columns])
        theirs = analysis.read(rectangle, table="all_repetitions", columns=columns).assign(kind=_RECTANGLE)
        frame = pd.concat([theirs, own], ignore_index=True).sort_values(["learning_rate", "repetition"])
        frame["learning_rate"] = [float(f"{rate:.6g}") for rate in frame["learning_rate"]]  # it is kept in 32 bits
        best = frame["validation_loss"].map(np.argmin)
        for name, curve in (("test_loss", "val_loss"), ("test_accuracy", "val_accuracy")):
            frame[name] = [values[epoch] for values, epoch in zip(frame[curve], best, strict=True)]
        frame["validation"], frame["epoch"] = frame["validation_loss"].map(np.min), best + 1
        return cls(frame, {kind: rectangle if kind == _RECTANGLE else modules for kind in _NAMES})

    def at(self, kind: str, rate: float) -> pd.DataFrame:
        """The runs of an experiment, by repetition."""
        return self.frame[(self.frame["kind"] == kind) & (self.frame["learning_rate"] == rate)]

    @property
    def rates(self) -> list[float]:
        """All learning rates."""
        return sorted(set(self.frame["learning_rate"]))

    def chosen(self, kind: str) -> float:
        """The learning rate with the least mean validation loss, which the test set has no part in."""
        return min(self.rates, key=lambda rate: self.at(kind, rate)["validation"].mean())

    def difference(self, a: tuple[str, float], b: tuple[str, float], level: float) -> Difference:
        """Compare two experiments, each a kind and a learning rate, run by run."""
        settings = [_setting(kind, rate) for kind, rate in (a, b)]
        one, other = (self.datasets[kind] for kind, _ in (a, b))
        return analysis.difference(one, *settings, other=other, level=level)


def _setting(kind: str, rate: float) -> dict[str, Any]:
    return {"learning_rate": rate} if kind == _RECTANGLE else {"kind": kind, "learning_rate": rate}


def best_table(runs: Runs) -> str:
    """Each kind at its learning rate, and what its runs cost, as Markdown."""
    names = ["", "parameters", "learning rate", "test loss", "accuracy", "epoch", "ms an epoch of a run"]
    costs = {**milliseconds(_EXAMPLES / "rectangle.yaml"), **milliseconds(_EXAMPLES / "modules.yaml")}
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for kind, name in _NAMES.items():
        rate = runs.chosen(kind)
        found = runs.at(kind, rate)
        loss, accuracy = (_interval(found[name]) for name in ("test_loss", "test_accuracy"))
        parts = [name, f"{found['num_free_parameters'].iloc[0]:,}", f"{rate:g}", loss, accuracy]
        parts += [f"{found['epoch'].median():.0f}", f"{costs[kind]:.2g}"]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def milliseconds(space: Path) -> dict[str, float]:
    """Train some epochs of each kind; return the processor time of one, divided by its runs, in ms."""
    torch.set_num_threads(1)
    request = prepare(space, Options(out="not made"))
    plan = request.plan({})
    data, found = request.load_data(plan), {}
    for bundle in plan.bundles:
        kind = getattr(bundle.experiment, "kind", _RECTANGLE)
        if kind in found:
            continue
        training = request.workload.training(bundle.experiment, bundle.needs.details, data, torch.device("cpu"))
        trainer = training.make_trainer(seeds=[Run(bundle.experiment, number).seed for number in bundle.repetitions])
        times = []
        for _ in range(_TIMED_EPOCHS + 1):
            began = time.thread_time()
            trainer.start_epoch()
            trainer.end_epoch()
            times.append(time.thread_time() - began)
        found[kind] = 1e3 * float(np.median(times[1:])) / len(bundle.repetitions)  # the first one takes longer
    return found


def _interval(values: pd.Series) -> str:
    found = paired_interval(np.zeros(len(values)), values.to_numpy(np.float64), _LEVEL)
    return f"{found.estimate:.3f} ± {(found.high - found.low) / 2:.3f}"


def difference_table(runs: Runs) -> str:
    """The comparisons at the best learning rate of each, as Markdown."""
    lines = ["| | test loss less that of | difference | interval |", "|---|---|---|---|"]
    for a, b in _COMPARED:
        found = runs.difference((a, runs.chosen(a)), (b, runs.chosen(b)), _TOGETHER)
        numbers = f"{found.difference:+.3f} | {found.low:+.3f} to {found.high:+.3f}"
        lines.append(f"| {_NAMES[b]} | {_NAMES[a]} | {numbers} |")
    return "\n".join(lines)


def differences(runs: Runs) -> Figure:
    """Draw the mean test loss by learning rate, and its difference from that of the rectangle."""
    figure, ((left, right),) = layout(
        1, 2, panel_height=2.9, room=Room(right=1.45, gap_x=0.8), sharex=False, sharey=False
    )
    ends = [_draw_means(left, runs, kind) for kind in _NAMES]
    loss_axis(left, np.concatenate(ends))
    for kind in _NAMES:
        if kind != _RECTANGLE:
            found = [runs.difference((_RECTANGLE, rate), (kind, rate), _LEVEL) for rate in runs.rates]
            _whiskers(right, kind, runs.rates, [(each.low, each.difference, each.high) for each in found])
    right.axhline(0.0, color=INK, linewidth=0.8)
    for axes, title in ((left, "mean test loss"), (right, "less that of the rectangle, run by run")):
        rule(axes)
        axes.set_title(title, fontsize=9.5, color=INK, loc="left", pad=4)
        axes.set_xscale("log")
        axes.set_xticks(runs.rates, [f"{rate:g}" for rate in runs.rates])
        axes.minorticks_off()
        axes.set_xlabel("learning rate", fontsize=9.5, color=INK)
    key(figure, [left, right], [("mean, 95 %", list(_signs()))])
    return figure


def _draw_means(axes: Axes, runs: Runs, kind: str) -> npt.NDArray[np.float64]:
    """Draw the means of a kind; return the ends of their intervals."""
    scores = [runs.at(kind, rate)["test_loss"].to_numpy(np.float64) for rate in runs.rates]
    found = [paired_interval(np.zeros(len(each)), each, _LEVEL) for each in scores]
    whiskers = [(each.low, each.estimate, each.high) for each in found]
    _whiskers(axes, kind, runs.rates, whiskers)
    return np.ravel(whiskers)


def _whiskers(axes: Axes, kind: str, rates: list[float], found: list[tuple[float, float, float]]) -> None:
    """Draw means with their intervals, beside those of the other kinds."""
    x = np.array(rates) * 1.05 ** (list(_NAMES).index(kind) - 2)
    low, middle, high = np.transpose(found)
    axes.vlines(x, low, high, color=_COLOURS[kind], linewidth=1.4)
    axes.plot(x, middle, color=_COLOURS[kind], marker=_MARKERS[kind], markersize=4, linewidth=0.8)


def curves(runs: Runs) -> Figure:
    """Draw the mean test and training loss by epoch, each kind at its best learning rate."""
    figure, (panels,) = layout(1, 2, panel_height=2.9, room=Room(right=1.45, gap_x=0.5))
    drawn = []
    for axes, name, title in zip(panels, ("val_loss", "loss"), ("test loss", "training loss"), strict=True):
        rule(axes)
        axes.set_title(title, fontsize=9.5, color=INK, loc="left", pad=4)
        axes.set_xlabel("epoch", fontsize=9.5, color=INK)
        for kind in _NAMES:
            mean = np.mean(np.stack(list(runs.at(kind, runs.chosen(kind))[name])), axis=0)
            axes.plot(np.arange(1, len(mean) + 1), mean, color=_COLOURS[kind], linewidth=1.4)
            drawn.append(mean)
    loss_axis(panels[0], np.concatenate(drawn))
    signs = [
        Line2D([], [], color=_COLOURS[kind], label=f"{name}, {runs.chosen(kind):g}") for kind, name in _NAMES.items()
    ]
    key(figure, panels, [("mean, learning rate", signs)])
    return figure


def _signs() -> Iterator[Line2D]:
    for kind, name in _NAMES.items():
        yield Line2D([], [], color=_COLOURS[kind], marker=_MARKERS[kind], markersize=4, linewidth=0.8, label=name)


def main() -> None:
    """Write the pictures and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", type=Path)
    parser.add_argument("rectangle", type=Path)
    options = parser.parse_args()
    runs = Runs.of(options.modules, options.rectangle)
    FOLDER.mkdir(exist_ok=True)
    for name, figure in (("differences", differences(runs)), ("curves", curves(runs))):
        (FOLDER / f"{name}.png").write_bytes(png(figure))
    print(best_table(runs), difference_table(runs), f"level of each: {100 * _TOGETHER:.2f} %", sep="\n\n")


if __name__ == "__main__":
    main()
