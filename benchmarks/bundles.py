"""How many runs fill a device: `python -m benchmarks.bundles --device cuda`.

The time of a run's epoch in bundles of more and more runs; in several bundles side by side in one process, each on a
stream of its own, as a packed trial has them; and in as many processes, as trials on a fraction of a GPU have them,
which take turns unless the multi-process service (MPS) runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.synchronize import Barrier
from operator import methodcaller

import torch

from benchmarks.cells import CELLS, Cell, data_of, seeds_of
from survey.networks.cores import make_trainer
from survey.system.cuda import side_stream
from survey.workloads.workload import Trainer

_RUNS = (1, 10, 30, 120, 480, 1920)
_BUNDLES = (2, 4, 8, 16)
_MOST_PARAMETERS = 1 << 27
_MEASURE_S = 0.6
_READY_S = 60.0


def _trainer(cell: Cell, num_runs: int, device: str) -> Trainer:
    inputs, targets = (torch.tensor(each) for each in data_of(cell))
    seeds = seeds_of(cell, num_runs)
    kind, widths = "classification", cell.widths
    return make_trainer(
        cell.experiment, inputs=inputs, targets=targets, task_kind=kind, widths=widths, seeds=seeds, device=device
    )


def side_by_side(cell: Cell, num_runs: int, bundles: int, device: str) -> float:
    """Seconds for an epoch of a run in so many bundles of `num_runs` runs, whose epochs are queued together."""
    return 1.0 / _rate(cell, num_runs, bundles, device)


def _rate(cell: Cell, num_runs: int, bundles: int, device: str, wait: Callable[[], object] = lambda: None) -> float:
    """Epochs of runs per second, after `wait`."""
    return num_runs * epochs_per_second([_trainer(cell, num_runs, device) for _ in range(bundles)], device, wait)


def epochs_per_second(trainers: Sequence[Trainer], device: str, wait: Callable[[], object] = lambda: None) -> float:
    """Epochs of all trainers per second, which are queued together, after `wait`."""
    bundles = len(trainers)
    streams = [side_stream(number) if device == "cuda" and bundles > 1 else None for number in range(1, bundles + 1)]

    def each(act: Callable[[Trainer], object]) -> None:
        for trainer, stream in zip(trainers, streams, strict=True):
            with torch.cuda.stream(stream):
                act(trainer)

    for _ in range(3):
        each(methodcaller("train_epoch"))
    wait()
    began, epochs = time.perf_counter(), 0
    each(methodcaller("start_epoch"))
    while time.perf_counter() < began + _MEASURE_S:
        each(lambda trainer: (trainer.end_epoch(), trainer.start_epoch()))
        epochs += bundles
    each(methodcaller("end_epoch"))
    return (epochs + bundles) / (time.perf_counter() - began)


def _process(cell: Cell, num_runs: int, device: str, ready: Barrier, rates: multiprocessing.Queue[float]) -> None:
    torch.set_num_threads(1)
    rates.put(_rate(cell, num_runs, 1, device, lambda: ready.wait(timeout=_READY_S)))


def in_processes(cell: Cell, num_runs: int, processes: int, device: str) -> float:
    """The same in as many processes."""
    context = multiprocessing.get_context("spawn")
    ready, rates = context.Barrier(processes), context.Queue()
    for _ in range(processes):
        context.Process(target=_process, args=(cell, num_runs, device, ready, rates), daemon=True).start()
    return 1.0 / sum(rates.get(timeout=2 * _READY_S) for _ in range(processes))


def measure(cell: Cell, device: str, processes: list[int]) -> Iterator[tuple[str, float]]:
    """Yield what was measured, and seconds for an epoch of a run."""
    for runs in _RUNS:
        if runs * cell.num_parameters <= _MOST_PARAMETERS:
            yield f"{runs} runs in a bundle", side_by_side(cell, runs, 1, device)
    for bundles in _BUNDLES:
        if bundles * 30 * cell.num_parameters <= _MOST_PARAMETERS * 4:
            yield f"{bundles} bundles of 30 runs", side_by_side(cell, 30, bundles, device)
    for count in processes:
        yield f"{count} processes with 30 runs each", in_processes(cell, 30, count, device)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    names = [cell.name for cell in CELLS]
    parser.add_argument("--cells", nargs="*", choices=names, default=names[:4])
    parser.add_argument("--device", default="cpu", help="where to train (default: %(default)s)")
    parser.add_argument("--processes", nargs="*", type=int, default=[], help="numbers of processes to try too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for cell in (cell for cell in CELLS if cell.name in args.cells):
        print(f"{cell.name}: {cell.num_parameters:,} parameters, microseconds for an epoch of a run")
        for name, seconds in measure(cell, args.device, args.processes):
            print(f"  {name:32}{1e6 * seconds:12.2f}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
