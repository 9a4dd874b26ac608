"""Seconds per run and epoch by the number of runs that are trained together: `python -m benchmarks.chunks`."""

from __future__ import annotations

import time

import torch

from benchmarks.cells import CELLS, data_of, seeds_of
from survey.networks.training.loop import Trainer

_NUM_RUNS = 24
_SIZES = (1, 2, 3, 4, 6, 8, 12, 24)
_ROUNDS = 3


def main() -> None:
    """Print a line for each cell; the sizes take turns, and the least time of each counts."""
    torch.set_num_threads(1)
    print(
        f"{'ms per run and epoch, by runs in a chunk':32}" + "".join(f"{size:>9}" for size in _SIZES) + f"{'chosen':>9}"
    )
    for cell in CELLS:
        if cell.num_rows > 10_000 or cell.size > 2**17:
            continue
        inputs, targets = (torch.tensor(each) for each in data_of(cell))

        def make(runs_per_chunk: int | None, cell=cell, inputs=inputs, targets=targets) -> Trainer:
            return Trainer(
                cell.experiment,
                inputs=inputs,
                targets=targets,
                task_kind="classification",
                widths=cell.widths,
                seeds=seeds_of(cell, _NUM_RUNS),
                runs_per_chunk=runs_per_chunk,
            )

        trainers = [make(size) for size in _SIZES]
        seconds: list[list[float]] = [[] for _ in _SIZES]
        for trainer in trainers:
            trainer.train_epoch()
        for _ in range(_ROUNDS):
            for trainer, its in zip(trainers, seconds, strict=True):
                began = time.perf_counter()
                trainer.train_epoch()
                its.append((time.perf_counter() - began) / _NUM_RUNS)
        chosen = -(-_NUM_RUNS // len(make(None)._chunks))
        least = "".join(f"{1e3 * min(its):>9.2f}" for its in seconds)
        print(f"{cell.name:32}{least}{chosen:>9}", flush=True)


if __name__ == "__main__":
    main()
