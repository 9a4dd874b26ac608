"""How many runs fill a device: `python -m benchmarks.bundles --device cuda`.

The time of a run's epoch in bundles of more and more runs; in several bundles side by side in one process, each with a
thread and a stream of its own, as a joined trial has them; and in as many processes, as trials on a fraction of a GPU
have them, which take turns unless the multi-process service (MPS) runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from multiprocessing.synchronize import Barrier, Event

import torch

from benchmarks.cells import CELLS, Cell, data_of, seeds_of
from survey.training import Trainer

_RUNS = (1, 10, 30, 120, 480, 1920)
_BUNDLES = (2, 4, 8, 16)
_MOST_PARAMETERS = 1 << 27
_MEASURE_S = 0.6
_READY_S = 60.0


def _trainer(cell: Cell, num_runs: int, device: str) -> Trainer:
    inputs, targets = (torch.tensor(each) for each in data_of(cell))
    seeds = seeds_of(cell, num_runs)
    kind, widths = "classification", cell.widths
    return Trainer(
        cell.experiment, inputs=inputs, targets=targets, task_kind=kind, widths=widths, seeds=seeds, device=device
    )


def _train(
    cell: Cell, num_runs: int, device: str, ready: threading.Barrier | Barrier, ended: threading.Event | Event
) -> float:
    """Train until the time is over; return epochs of runs per second."""
    with torch.cuda.stream(torch.cuda.Stream()) if device == "cuda" else nullcontext():
        try:
            trainer = _trainer(cell, num_runs, device)
            for _ in range(3):
                trainer.train_epoch()
        except BaseException:
            traceback.print_exc()
            ready.abort()
            raise
        ready.wait(timeout=_READY_S)
        began, epochs = time.perf_counter(), 0
        while not ended.is_set():
            trainer.train_epoch()
            epochs += 1
        return epochs * num_runs / (time.perf_counter() - began)


def side_by_side(cell: Cell, num_runs: int, bundles: int, device: str) -> float:
    """Seconds for an epoch of a run in so many bundles of `num_runs` runs, in threads."""
    ready, ended = threading.Barrier(bundles + 1), threading.Event()
    with ThreadPoolExecutor(bundles) as pool:
        rates = [pool.submit(_train, cell, num_runs, device, ready, ended) for _ in range(bundles)]
        _let_train(ready, ended)
        return 1.0 / sum(rate.result() for rate in rates)


def _process(
    cell: Cell, num_runs: int, device: str, ready: Barrier, ended: Event, rates: multiprocessing.Queue[float]
) -> None:
    torch.set_num_threads(1)
    rates.put(_train(cell, num_runs, device, ready, ended))


def in_processes(cell: Cell, num_runs: int, processes: int, device: str) -> float:
    """The same in as many processes."""
    context = multiprocessing.get_context("spawn")
    ready, ended, rates = context.Barrier(processes + 1), context.Event(), context.Queue()
    arguments = (cell, num_runs, device, ready, ended, rates)
    for _ in range(processes):
        context.Process(target=_process, args=arguments, daemon=True).start()
    _let_train(ready, ended)
    return 1.0 / sum(rates.get(timeout=60) for _ in range(processes))


def _let_train(ready: threading.Barrier | Barrier, ended: threading.Event | Event) -> None:
    ready.wait(timeout=_READY_S)
    time.sleep(_MEASURE_S)
    ended.set()


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
