"""What paired draws bring: `python -m benchmarks.paired [SPACE ...]`.

Trains the experiments of search spaces with `draws: independent` and with `draws: paired`, and compares neighbours:
experiments that differ in one axis by one step. The result of a run is its least test loss. For each task and axis:

- spread: the standard deviation, over repetitions, of the difference between the two runs of the same number; its
  median over the pairs of neighbours;
- speckle: the same of the difference between the medians of two neighbours over the pairs, estimated by their median
  absolute deviation, as few networks that learn nothing would outweigh all others. What the step really changes is part
  of it.

Then some experiments are trained with one thing redrawn in each repetition, and all else as in the first, which shows
by size what the least loss depends on. Pairing shares everything but the initial weights of layers of other size.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.grid import INK, Room, key, layout, loss_axis, name_axes, parameters_text, rule, shades
from analysis.figures.pictures import png
from analysis.reading.labels import size_text
from survey.networks.cores import make_trainer
from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import layer_widths
from survey.networks.training import streams
from survey.networks.training.streams import Purpose
from survey.spaces.yaml_file import load_space
from survey.tasks.catalog import BUNDLED
from survey.tasks.loading import load
from survey.tasks.sources import is_at_hand
from survey.workloads.experiment import Run

SPACES = ("quickstart", str(Path(__file__).parent / "spaces" / "paired.yaml"))
AXES = ("shape", "size", "depth", "learning_rate", "batch_size", "label_noise", "activation")
DRAWS = ("independent", "paired")
REDRAWN = {"test set": Purpose.SPLIT, "orders of rows": Purpose.ORDER, "initial weights": Purpose.PARAMETERS}

_SAMPLE = 4
"""Every so many experiments are trained with one thing redrawn."""

_DRAWN = 5
"""Repetitions of the figure: few, as in a survey."""

_RATES = 4
"""A task with at least so many learning rates is drawn."""

Losses = Mapping[NetworkExperiment, np.ndarray]
"""The least test loss of each repetition of the experiments of a task: float64 [repetitions]."""

Pair = tuple[str, NetworkExperiment, NetworkExperiment]
"""An axis, and two experiments that differ in it by one step."""


def least_losses(experiment: NetworkExperiment, repetitions: int, redrawn: Collection[Purpose]) -> np.ndarray:
    """Train an experiment; draws that are not `redrawn` are in each repetition those of the first."""
    torch.set_num_threads(1)
    task = load(experiment.dataset)
    widths, _ = layer_widths(experiment.shape, experiment.size, experiment.depth, task.num_inputs, task.num_outputs)
    seeds = [Run(experiment, number).seed for number in range(repetitions)]
    draw = streams._key

    def key_of(seed: int, purpose: Purpose, index: int = 0) -> int:
        return draw(seed if purpose in redrawn else seeds[0], purpose, index)

    inputs, targets = torch.tensor(task.inputs), torch.tensor(task.targets)
    with patch.object(streams, "_key", key_of):
        trainer = make_trainer(
            experiment, inputs=inputs, targets=targets, task_kind=task.kind, widths=widths, seeds=seeds
        )
        return np.min([trainer.train_epoch()[0].double().numpy() for _ in range(experiment.epochs)], axis=0)


def train(
    pool: ProcessPoolExecutor,
    experiments: Sequence[NetworkExperiment],
    repetitions: int,
    redrawn: Iterable[Purpose] = Purpose,
) -> list[np.ndarray]:
    """Train experiments side by side."""
    jobs = [pool.submit(least_losses, experiment, repetitions, tuple(redrawn)) for experiment in experiments]
    return [job.result() for job in jobs]


def neighbours(experiments: Collection[NetworkExperiment]) -> Iterator[Pair]:
    """Yield each pair of experiments of a task that differ in one axis by one step."""
    for axis in AXES:
        values = sorted({getattr(experiment, axis) for experiment in experiments})
        following: dict[Any, Any] = dict(pairwise(values))
        for experiment in experiments:
            here = getattr(experiment, axis)
            if here in following and (other := replace(experiment, **{axis: following[here]})) in experiments:
                yield axis, experiment, other


def spread(losses: Losses, pairs: Sequence[Pair]) -> float:
    """Return the spread of the differences between neighbours."""
    return float(np.median([(losses[after] - losses[before]).std(ddof=1) for _, before, after in pairs]))


def speckle(losses: Losses, pairs: Sequence[Pair]) -> float:
    """Return the speckle of the medians."""
    steps = np.array([np.median(losses[after]) - np.median(losses[before]) for _, before, after in pairs])
    return 1.4826 * float(np.median(np.abs(steps - np.median(steps))))


def table(task: str, losses: Mapping[str, Losses]) -> Iterator[str]:
    """Yield the lines of a table in Markdown: spread and speckle by axis, for losses by kind of draws."""
    pairs = list(neighbours(losses["paired"]))
    yield f"| {task} | pairs | spread, independent | paired | ratio | speckle, independent | paired |"
    yield "|---|---|---|---|---|---|---|"
    axes = list(dict.fromkeys(axis for axis, *_ in pairs))
    for name, chosen in [*((axis, [axis]) for axis in axes), ("all axes", axes)]:
        some = [pair for pair in pairs if pair[0] in chosen]
        (before, after), (rough, smooth) = (
            [measure(losses[draws], some) for draws in DRAWS] for measure in (spread, speckle)
        )
        yield (
            f"| {name} | {len(some)} | {before:.3g} | {after:.3g} | {after / before:.2f} | {rough:.3g} | {smooth:.3g} |"
        )


def causes(losses: Mapping[str, Losses], redrawn: Mapping[str, Losses]) -> Iterator[str]:
    """Yield the lines of a table in Markdown: spread by size, and the standard deviations of what was redrawn."""
    pairs = list(neighbours(losses["paired"]))
    yield f"| size | spread, independent | paired | ratio | {' | '.join(f'{name} redrawn' for name in redrawn)} |"
    yield "|---|---|---|---|---|---|---|"
    for size in sorted({experiment.size for experiment in redrawn["test set"]}):
        before, after = (spread(losses[draws], [pair for pair in pairs if pair[1].size == size]) for draws in DRAWS)
        alone = [
            np.median([runs.std(ddof=1) for experiment, runs in each.items() if experiment.size == size])
            for each in redrawn.values()
        ]
        shown = " | ".join(f"{each:.3g}" for each in (before, after, after / before, *alone))
        yield f"| {size_text(size)} | {shown} |"


def learning_rates(losses: Mapping[str, Losses]) -> Figure:
    """Draw the median least test loss of few repetitions against the learning rate, by size and kind of draws."""
    sizes = sorted({experiment.size for experiment in losses["paired"]})
    colours = shades(sizes)
    figure, (axes,) = layout(1, 2, panel_height=2.9, room=Room(right=0.9))
    medians = []
    for one, draws in zip(axes, DRAWS, strict=True):
        for size in sizes:
            rows = [(e.learning_rate, np.median(runs[:_DRAWN])) for e, runs in losses[draws].items() if e.size == size]
            rates, median = zip(*sorted(rows), strict=True)
            medians += median
            one.plot(rates, median, color=colours[size], marker="o", markersize=3.5, linewidth=1.4)
        rule(one)
        one.set_xscale("log")
        one.set_title(f"draws: {draws}", fontsize=9.5, color=INK, loc="left", pad=4)
    loss_axis(axes[0], np.array(medians))
    name_axes(figure, axes, x="learning rate", y="least test loss, median")
    lines = [Line2D([], [], color=colours[size], label=parameters_text(size)) for size in sizes]
    key(figure, axes, [("size", lines)])
    return figure


def main() -> None:
    """Train, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=SPACES, help="search spaces (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=10, help="of each experiment (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="that train side by side (default: %(default)s)")
    parser.add_argument("--figure", type=Path, help="file for the picture of a task with several learning rates")
    args = parser.parse_args()
    experiments = [experiment for space in args.spaces for experiment in load_space(space).experiments()]
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        for task in dict.fromkeys(experiment.dataset for experiment in experiments):
            if task not in BUNDLED and not is_at_hand(task):
                print(f"{task} is not on this machine and is left out; SURVEY_PMLB_DIR names a folder that has it\n")
                continue
            here = [experiment for experiment in experiments if experiment.dataset == task]
            losses = {}
            for draws in DRAWS:
                found = train(pool, [replace(each, draws=draws) for each in here], args.repetitions)
                losses[draws] = dict(zip(here, found, strict=True))
            print(*table(task, losses), "", sep="\n", flush=True)
            some = here[::_SAMPLE]
            redrawn = {
                name: dict(zip(some, train(pool, some, args.repetitions, [purpose]), strict=True))
                for name, purpose in REDRAWN.items()
            }
            print(*causes(losses, redrawn), "", sep="\n", flush=True)
            if args.figure and len({each.learning_rate for each in here}) >= _RATES:
                args.figure.write_bytes(png(learning_rates(losses)))


if __name__ == "__main__":
    main()
