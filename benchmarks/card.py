"""All that is measured of a GPU, for the minutes that one is at hand: `python -m benchmarks.card`.

Each part has a process of its own and a time limit. It prints a line as soon as it has measured something, so that a
part that is cut off has told all that it knows.

    rates      run-epochs per second by size and number of runs, and the share of the card's peak, in float32 and TF32
    jax        JAX and this project with the same numbers of runs at once
    mix        a survey of networks of all sizes, packed by the plan: the share of its training in which kernels ran
    forecasts  three small surveys: what a pilot has predicted of their training, and what it took
    kernel     the block core: its numbers beside those of PyTorch, then run-epochs per second of both
    products   rates and errors of products of large layers in float32, in TF32, and by three of TF32
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import block_core, split_products
from benchmarks.bundles import side_by_side
from benchmarks.cells import CELLS, Cell
from benchmarks.kernel_share import KernelShare
from benchmarks.training import ONE_THREAD, REFERENCE, measure
from survey.errors import SurveyError
from survey.networks.experiment import FLOAT32, TF32

_PEAKS = {
    "H200": {FLOAT32: 67e12, TF32: 494e12},
    "H100 PCIe": {FLOAT32: 51e12, TF32: 378e12},
    "H100": {FLOAT32: 67e12, TF32: 494e12},
    "A100": {FLOAT32: 19.5e12, TF32: 156e12},
}
"""FLOP/s of matrix products by NVIDIA's data sheets, of dense matrices, for cards whose name has this in it."""

_SMALL_TO_LARGE = CELLS[:4]
_LARGE = (CELLS[3], replace(CELLS[3], size=2**22))
_CELLS = (*_SMALL_TO_LARGE, _LARGE[1], *(replace(cell, precision=TF32) for cell in _LARGE))
_RUNS = (30, 120, 480, 1920)
_JAX = "jax_scan"
_RUNS_OF_JAX = (30, 480, 1920)
_MOST_PARAMETERS = 1 << 28
_TO_STOP_S = 30.0

_MIX = {
    "name": "mix",
    "repetitions": 30,
    "grids": [
        {
            "dataset": ["sklearn:digits", "sklearn:diabetes"],
            "shape": "rectangle",
            "size": {"powers_of_two": [5, 17]},
            "depth": [3, 4],
            "epochs": 1000,
        }
    ],
}
_FORECAST = (
    {
        "name": "small",
        "repetitions": 30,
        "grids": [
            {
                "dataset": ["sklearn:wine", "sklearn:breast_cancer"],
                "shape": ["rectangle", "trapezoid"],
                "size": {"powers_of_two": [7, 11]},
                "depth": [2, 4],
                "batch_size": 32,
                "epochs": 1000,
            }
        ],
    },
    {
        "name": "middle",
        "repetitions": 30,
        "grids": [
            {
                "dataset": "sklearn:digits",
                "shape": ["rectangle", "trapezoid"],
                "size": {"powers_of_two": [10, 16]},
                "depth": 3,
                "batch_size": 64,
                "epochs": 600,
            }
        ],
    },
    {
        "name": "large",
        "repetitions": 10,
        "grids": [
            {
                "dataset": "sklearn:digits",
                "shape": ["rectangle", "wide_first_4x"],
                "size": {"powers_of_two": [18, 21]},
                "depth": 4,
                "epochs": 150,
            }
        ],
    },
)


@dataclass(frozen=True)
class Setting:
    """How a part measures.

    Attributes:
        device: `cuda`, or `cpu` to try the command out.
        seconds: Its time limit.
        folder: An empty folder, which is removed afterwards.
    """

    device: str
    seconds: float
    folder: Path


def _tell(part: str, text: str) -> None:
    print(f"{part:10} {text}", flush=True)


def _peak(precision: str) -> float | None:
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return next((peaks[precision] for known, peaks in _PEAKS.items() if known in name), None)


def rates(setting: Setting) -> None:
    """Run-epochs per second by size, precision and number of runs."""
    torch.set_num_threads(1)
    for cell in _CELLS:
        peak = _peak(cell.precision)
        for runs in _RUNS:
            if runs * cell.num_parameters > _MOST_PARAMETERS:
                break
            try:
                rate = 1.0 / side_by_side(cell, runs, 1, setting.device)
            except (SurveyError, torch.OutOfMemoryError) as error:
                _tell("rates", f"{cell.name:30}{runs:>6} runs  {error}")
                break
            share = f"{cell.flops * rate / peak:>8.1%} of the peak" if peak else ""
            _tell("rates", f"{cell.name:30}{runs:>6} runs{rate:>12,.0f} run-epochs/s{share}")
            gc.collect()
            if setting.device == "cuda":
                torch.cuda.empty_cache()


def jax(setting: Setting) -> None:
    """JAX and this project, with the same numbers of runs at once."""
    if not importlib.util.find_spec("jax"):
        _tell("jax", "left out: JAX for this card is not installed (pip install 'jax[cuda12]')")
        return
    os.environ.update(ONE_THREAD, JAX_PLATFORMS=setting.device)
    for cell in _SMALL_TO_LARGE:
        _beside_jax(cell, setting.device)


def _beside_jax(cell: Cell, device: str) -> None:
    counts = [runs for runs in _RUNS_OF_JAX if runs * cell.num_parameters <= _MOST_PARAMETERS]
    best: dict[str, float] = {}
    for each in measure(cell, [REFERENCE, _JAX], rounds=1, core=0, device=device, num_runs=counts):
        if not each.seconds:
            _tell("jax", f"{cell.name:24}{each.peer:12}{each.num_runs:>6} runs  {each.note}")
            continue
        rate = 1.0 / each.median_s
        best[each.peer] = max(rate, best.get(each.peer, 0.0))
        _tell("jax", f"{cell.name:24}{each.peer:12}{each.num_runs:>6} runs{rate:>12,.0f} run-epochs/s")
    if len(best) == 2:
        _tell("jax", f"{cell.name:24}ours is {best[REFERENCE] / best[_JAX]:.2f} times as fast, each at its best")


def mix(setting: Setting) -> None:
    """A survey of networks of all sizes, packed by the plan."""
    _survey("mix", _MIX, setting, setting.seconds)


def forecasts(setting: Setting) -> None:
    """What a pilot has predicted of three surveys, and what they took."""
    for document in _FORECAST:
        _survey("forecasts", document, setting, setting.seconds / len(_FORECAST))


def _survey(part: str, document: dict[str, Any], setting: Setting, seconds: float) -> None:
    """Launch a survey with a pilot, and tell what came of it."""
    from rich.console import Console

    import survey
    from analysis import read
    from survey.output.forecasts import read_forecasts

    space, out = survey.SearchSpace.model_validate(document), setting.folder / document["name"]
    with KernelShare() as kernels:
        result = survey.run(space, out=out, pilot=True, time_limit_s=seconds, console=Console(quiet=True))
    columns = ["epochs", "train_seconds", "start_time", "update_time"]
    runs = read(result.dataset, table="all_repetitions", columns=columns)
    if runs.empty:
        _tell(part, f"{space.name}: no run was trained within {seconds:.0f} s: {'; '.join(result.failures)}")
        return
    began, ended = runs["start_time"].min() / 1e3, runs["update_time"].max() / 1e3
    took, end = runs["train_seconds"].sum(), read_forecasts(out)[-1].end
    expected = end.training_s_expected if end else None
    ratio = f", predicted were {expected:.1f} s: {took / expected:.2f} times" if expected else ""
    share = kernels.between(began, ended)
    busy = "" if share is None else f"; kernels ran in {share:.0%} of it"
    rate = runs["epochs"].sum() / (ended - began)
    _tell(part, f"{space.name}: {len(runs):,} of {result.num_runs:,} runs; training took {took:.1f} s{ratio}")
    _tell(part, f"{space.name}: trials ran for {ended - began:.1f} s, {rate:,.0f} run-epochs/s{busy}")


def kernel(setting: Setting) -> None:
    """The block core beside the core in PyTorch; on a CPU, which emulates it, its numbers alone."""
    if setting.device == "cpu":
        from tests.support.emulated_gpu import EmulatedKernel

        _tell_all("kernel", block_core.compare(EmulatedKernel, "cpu"))
        return
    from survey.networks.block.cuda import CudaKernel

    torch.set_num_threads(1)
    _tell("kernel", f"compiled in {block_core.compiled_in(CudaKernel):.1f} s")
    _tell_all("kernel", block_core.compare(CudaKernel, "cuda"))
    _tell_all("kernel", block_core.rates(CudaKernel, "cuda"))
    _tell_all("kernel", block_core.orders("cuda"))


def products(setting: Setting) -> None:
    """Products of float32 numbers, and whether three of TF32 are as exact and faster."""
    _tell_all("products", split_products.compare(setting.device, partial(block_core.seconds_of, device=setting.device)))


def _tell_all(part: str, lines: Iterator[str]) -> None:
    for line in lines:
        _tell(part, line)


_PARTS: dict[str, Callable[[Setting], None]] = {
    "rates": rates,
    "jax": jax,
    "mix": mix,
    "forecasts": forecasts,
    "kernel": kernel,
    "products": products,
}


def _within(part: str, device: str, seconds: float) -> None:
    """Run a part in a process of its own, and end it at its limit."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        setting = Setting(device, seconds, Path(folder))
        process = multiprocessing.get_context("spawn").Process(target=_PARTS[part], args=(setting,))
        process.start()
        process.join(seconds + (_TO_STOP_S if part in ("mix", "forecasts") else 0.0))  # a survey stops by itself
        if process.is_alive():
            _tell(part, f"cut off after {time.monotonic() - began:.0f} s")
            process.terminate()
            process.join(_TO_STOP_S)
            process.kill()
        elif process.exitcode:
            _tell(part, f"failed, with status {process.exitcode}")
        else:
            _tell(part, f"done in {time.monotonic() - began:.0f} s")


def main() -> None:
    """Measure the parts that are asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(_PARTS), default=list(_PARTS), help="default: all of them")
    parser.add_argument("--seconds", type=float, default=150.0, help="limit for each part (default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu to try the command out")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "torch finds no GPU on this machine: run this where there is one, with a torch that is built for it, or "
            "try the command out with --device cpu"
        )
    card = torch.cuda.get_device_name() if args.device == "cuda" else "a CPU"
    print(f"{card}, torch {torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    for part in args.parts:
        _within(part, args.device, args.seconds)


if __name__ == "__main__":
    main()
