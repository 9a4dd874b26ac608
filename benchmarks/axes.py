"""Time of an epoch with each axis of networks, relative to the default: `python -m benchmarks.axes`.

All trainers of a cell take turns, one epoch each, and each epoch is divided by that of the default in its turn: so what
else the machine does, which changes from minute to minute, concerns both. Processor time is compared, not wall time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.cells import CELLS, Cell, data_of, seeds_of
from survey.networks.cores import make_trainer
from survey.workloads.workload import Trainer

_NUM_RUNS = 30
_LONG = 1_000_000
_SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "adamw": ({}, {"optimizer": "adamw", "weight_decay": 0.01}),
    "cosine, adam": ({}, {"schedule": "cosine"}),
    "cosine, SGD": ({"optimizer": "SGD"}, {"optimizer": "SGD", "schedule": "cosine"}),
    "cosine, RMSprop": ({"optimizer": "RMSprop"}, {"optimizer": "RMSprop", "schedule": "cosine"}),
    "gradient_clip": ({}, {"gradient_clip": 0.1}),
    "initialization": ({}, {"initialization": "he_normal"}),
    "dropout": ({}, {"dropout": 0.1}),
    "normalization": ({}, {"normalization": "layer"}),
}
"""What is compared, by its name: without the axis, and with it."""


def _trainer(cell: Cell, setting: dict[str, Any]) -> Trainer:
    inputs, targets = (torch.tensor(each) for each in data_of(cell))
    return make_trainer(
        replace(cell.experiment, epochs=_LONG, **setting),
        inputs=inputs,
        targets=targets,
        task_kind="classification",
        widths=cell.widths,
        seeds=seeds_of(cell, _NUM_RUNS),
    )


def _ratios(cell: Cell, turns: int) -> dict[str, float]:
    """Median ratio of each comparison, and the milliseconds of the default for each run, as `default`."""
    settings = {repr(setting): setting for pair in _SETTINGS.values() for setting in ({}, *pair)}
    trainers = {name: _trainer(cell, setting) for name, setting in settings.items()}
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for turn in range(turns + 1):
        for name, trainer in trainers.items():
            began = time.thread_time()
            trainer.train_epoch()
            if turn:  # the first one takes longer
                seconds[name].append(time.thread_time() - began)
    found = {"default": 1e3 * statistics.median(seconds[repr({})]) / _NUM_RUNS}
    for name, (without, with_it) in _SETTINGS.items():
        pairs = zip(seconds[repr(with_it)], seconds[repr(without)], strict=True)
        found[name] = statistics.median(a / b for a, b in pairs)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table in Markdown: a column for each cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args(arguments).turns
    torch.set_num_threads(1)
    cells = [cell for cell in CELLS if cell.num_rows < 10_000 and cell.size <= 2**14]
    found = [_ratios(cell, turns) for cell in cells]
    print(f"| axis | {' | '.join(cell.name for cell in cells)} |")
    print("|---|" + "---|" * len(cells))
    print("| default: ms per run and epoch | " + " | ".join(f"{each['default']:.3g}" for each in found) + " |")
    for name in _SETTINGS:
        print(f"| {name} | " + " | ".join(f"{each[name]:.2f}x" for each in found) + " |")


if __name__ == "__main__":
    main()
