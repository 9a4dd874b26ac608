"""The block core on a GPU beside the core in PyTorch: its numbers, and how fast it is. A part of `benchmarks.card`."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.bundles import epochs_per_second
from benchmarks.cells import CELLS, Cell, data_of, seeds_of
from survey.networks.block.layout import Layout
from survey.networks.block.passes import Compile
from survey.networks.block.trainer import BlockTrainer
from survey.networks.cores import block_layouts
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import METRICS
from survey.networks.training import streams
from survey.networks.training.graphs import record
from survey.networks.training.loop import Trainer

_SMALL = CELLS[:2]
_CALLS = 10
_RUNS = (480, 1920, 30)
_TO_COMPARE = replace(CELLS[0], num_rows=400, batch_size=96)
_COMPARED_EPOCHS, _RELATIVE, _ABSOLUTE = 5, 1e-5, 1e-6
_CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"activation": "gelu", "optimizer": "RMSprop"},
    {"activation": "tanh", "optimizer": "SGD", "batch_size": 32},
    {"activation": "swish", "optimizer": "adamw", "weight_decay": 0.1, "batch_size": 64},
)


def _options(cell: Cell, experiment: NetworkExperiment, num_runs: int) -> dict[str, Any]:
    """What trainers of both cores take."""
    inputs, targets = (torch.tensor(each) for each in data_of(cell))
    return {
        "experiment": experiment,
        "inputs": inputs,
        "targets": targets,
        "task_kind": "classification",
        "widths": cell.widths,
        "seeds": seeds_of(cell, num_runs),
    }


def compare(compile_kernel: Compile, device: str) -> Iterator[str]:
    """Yield how far statistics of five epochs are from those of PyTorch in float64, for several kinds of training."""
    accuracies = [k for k, name in enumerate(METRICS.names[:20]) if name.endswith("accuracy")]
    others = [k for k in range(20) if k not in accuracies]
    for changes in _CHANGES:
        options = _options(_TO_COMPARE, replace(_TO_COMPARE.experiment, **changes), 3)
        layout = next(block_layouts(options["experiment"], _TO_COMPARE.num_inputs, _TO_COMPARE.widths))
        ours = BlockTrainer(**options, layout=layout, compile_kernel=compile_kernel, device=device)
        theirs = Trainer(**options, dtype=torch.float64, device=device)
        furthest = 0.0
        for _ in range(_COMPARED_EPOCHS):
            found, expected = ours.train_epoch()[others].double(), theirs.train_epoch()[others]
            allowed = _ABSOLUTE + _RELATIVE * expected.abs()
            furthest = max(furthest, float(((found - expected).abs() / allowed).max()))
        verdict = "agrees" if furthest <= 1.0 else "DOES NOT AGREE"  # also where it is not a number
        yield f"{changes or 'relu, adam'} {verdict}: {furthest:.2g} of the difference of 1e-5 that is allowed"


def rates(compile_kernel: Compile, device: str) -> Iterator[str]:
    """Yield run-epochs per second of both cores: of the block core by each layout, and then by the best of them."""
    for cell in _SMALL:
        best: Layout | None = None
        for runs in _RUNS:
            options = _options(cell, cell.experiment, runs)
            torch_rate = runs * epochs_per_second([Trainer(**options, device=device)], device)
            yield f"{cell.name:24}{runs:>6} runs{torch_rate:>12,.0f} run-epochs/s, core in PyTorch"
            layouts = [best] if best else list(block_layouts(cell.experiment, cell.num_inputs, cell.widths))
            found: dict[float, Layout] = {}
            for layout in layouts:
                _free(device)
                trainer = BlockTrainer(**options, layout=layout, compile_kernel=compile_kernel, device=device)
                rate = runs * epochs_per_second([trainer], device)
                found[rate] = layout
                times = f"{rate / torch_rate:.2f} times as fast"
                yield f"{cell.name:24}{runs:>6} runs{rate:>12,.0f} run-epochs/s, {times}: {_told(layout)}"
            best = found[max(found)]


def orders(device: str) -> Iterator[str]:
    """Yield how long the orders of an epoch take, which the block core has drawn by torch."""
    for cell in _SMALL[:1]:
        for runs in _RUNS:
            keys = streams.order_keys(seeds_of(cell, runs), 1).to(device)
            draw = partial(streams.orders, cell.num_rows * 4 // 5, keys)
            yield f"{cell.name:24}{runs:>6} runs: orders take {1e6 * seconds_of(draw, device) / runs:.2f} us a run"


def seconds_of(work: Callable[[], Tensor], device: str) -> float:
    """Return the mean time of some calls; on a GPU they are recorded, and replayed at once."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    if device == "cuda":
        work = record(work, [])
    work()
    wait()
    began = time.perf_counter()
    for _ in range(_CALLS):
        work()
    wait()
    return (time.perf_counter() - began) / _CALLS


def _told(layout: Layout) -> str:
    where = "shared" if layout.gradients >= 0 else "device"
    slices = max(each.slices for each in layout.layers)
    block = f"{layout.threads} threads, {layout.shared_bytes / 1024:.0f} KB"
    return f"{32 * layout.rows_per_lane} rows, {block}, gradients in {where} memory, up to {slices} slices"


def _free(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def compiled_in(compile_kernel: Compile) -> float:
    """Return the seconds that it takes to compile the kernel, which a process does once for each activation."""
    cell = _SMALL[0]
    layout = next(block_layouts(cell.experiment, cell.num_inputs, cell.widths))
    began = time.perf_counter()
    compile_kernel("relu", layout)
    return time.perf_counter() - began
