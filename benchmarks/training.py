"""Seconds per run and epoch of the training cores and their peers: `python -m benchmarks.training`.

All train the same runs on the same draws and compute the same twenty statistics, which are compared. Each has a process
of its own, pinned to the same core of the processor, and they take turns. On a CPU the time is the processor's, so that
other work on the machine disturbs little. The first epochs, in which some compile, do not count.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cells import CELLS, Cell
from benchmarks.gemm import best_rate
from benchmarks.worker import pin, serve
from survey.networks import cores
from survey.networks.compiled import library
from survey.networks.metrics import HISTORY_COLUMNS
from survey.networks.training.trained_by import TORCH


class _Peer(NamedTuple):
    """A peer's title, the library that it needs, and the numbers of runs it is tried with; the fastest counts."""

    title: str
    library: str
    num_runs: tuple[int, ...]

    def tried(self, cell: Cell) -> list[int]:
        """Return the numbers of runs for a cell."""
        return sorted({min(count, cell.most_runs) for count in self.num_runs})


_CORES = "cores:"
REFERENCE = _CORES + TORCH
_PEERS = {
    REFERENCE: _Peer("this project, core in PyTorch", "torch", (30,)),
    **{
        _CORES + unit.name: _Peer(f"this project, compiled core ({unit.name})", "torch", (30,))
        for unit in library.units()
    },
    "plain_torch": _Peer("PyTorch, one run at a time", "torch", (1,)),
    "torch_vmap": _Peer("torch.func.vmap", "torch", (30,)),
    "keras_fit": _Peer("Keras fit", "tensorflow", (1,)),
    "keras_tuned": _Peer("Keras fit, several steps a call", "tensorflow", (1,)),
    "jax_scan": _Peer("JAX jit of a scan", "jax", (1, 8, 30, 64)),
}
"""By module in `benchmarks.peers`, and the core if the module has several."""

ONE_THREAD = {
    "MKL_CBWR": "AUTO",  # as a survey's workers have it
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
_ACCURACY_ROWS, _ACCURACY_SHARE = 2, 5e-4
"""Rows whose two best classes are so close that float32's rounding decides, and their share among many rows."""

_RELATIVE = 1e-4


@dataclass
class Measured:
    """What a peer has given for a cell.

    Attributes:
        peer: The peer, one of `_PEERS`.
        num_runs: Runs trained at once.
        seconds: Of each measured epoch, for each run.
        peak_bytes: Memory at the peak beyond what its process had before.
        note: How it was compiled, or why there are no numbers.
    """

    peer: str
    num_runs: int
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    note: str = ""

    @property
    def median_s(self) -> float:
        """Seconds per run and epoch."""
        return statistics.median(self.seconds)


class _Worker:
    """A peer's process."""

    def __init__(self, cell: Cell, peer: str, num_runs: int, num_epochs: int, core: int, device: str) -> None:
        self.measured = Measured(peer, num_runs)
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, peer, cell, num_runs, num_epochs, core, device), daemon=True
        )
        self._process.start()
        theirs.close()
        self._receive()

    def _receive(self) -> Any:
        try:
            kind, value = self._connection.recv()
        except EOFError:
            raise RuntimeError("its process ended") from None
        if kind == "failed":
            raise RuntimeError(_last_line(value))
        return value

    def train(self, epochs: int) -> np.ndarray:
        """Train epochs and note the times of all but the first; return the statistics, [epochs, 20, runs]."""
        self._connection.send(epochs)
        result, self.measured.peak_bytes, self.measured.note = self._receive()
        self.measured.seconds += [each / self.measured.num_runs for each in result.seconds[1:]]
        return result.statistics

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        self._process.join()


def _last_line(traceback: str) -> str:
    """The error itself: the last line that is not indented."""
    return next(line for line in reversed(traceback.splitlines()) if line[:1].strip())


def measure(
    cell: Cell, peers: Sequence[str], *, rounds: int, core: int, device: str, num_runs: Sequence[int] = ()
) -> Iterator[Measured]:
    """Measure a cell: each peer in turn trains some epochs, `rounds` times, with its numbers of runs or the given ones.

    Yields:
        First the attempts that another number of runs beat or that failed, then the best of each peer.
    """
    workers: list[_Worker] = []
    reference: np.ndarray | None = None
    for peer in sorted(peers, key=REFERENCE.__ne__):
        best: _Worker | None = None
        for at_once in num_runs or _PEERS[peer].tried(cell):
            worker = None
            try:
                worker = _Worker(cell, peer, at_once, 2 + rounds * cell.epochs_per_turn, core, device)
                trained = worker.train(2)
                if peer == REFERENCE:
                    reference = trained
                elif reference is not None:
                    for theirs, expected in zip(trained, reference, strict=True):
                        _compare(cell, theirs, expected)
            except RuntimeError as error:
                if worker:
                    worker.stop()
                yield Measured(peer, at_once, note=str(error))
                continue
            loser = worker
            if best is None or worker.measured.median_s < best.measured.median_s:
                best, loser = worker, best
            if loser:
                loser.stop()
                yield loser.measured
        if best:
            best.measured.seconds.clear()
            workers.append(best)
    for _ in range(rounds):
        for worker in workers:
            worker.train(cell.epochs_per_turn)
    for worker in workers:
        worker.stop()
        yield worker.measured


def _compare(cell: Cell, found: np.ndarray, expected: np.ndarray) -> None:
    """See that the statistics of an epoch, [20, runs], are those of the core in PyTorch."""
    runs = min(found.shape[1], expected.shape[1])
    num_test = -(-cell.num_rows // 5)
    for name, theirs, ours in zip(HISTORY_COLUMNS, found[:, :runs], expected[:, :runs], strict=True):
        rows = num_test if name.startswith("val_") else cell.num_rows - num_test
        close = _ACCURACY_ROWS / rows + _ACCURACY_SHARE
        allowed = close if name.endswith("accuracy") else _RELATIVE * np.abs(ours).max()
        if not (difference := np.abs(theirs - ours).max()) <= allowed:
            raise RuntimeError(f"its {name} is off by {difference:.2g}, where {allowed:.2g} is allowed")


def trains(cell: Cell, device: str) -> str:
    """Return which of our cores trains a cell in a survey."""
    unit = cores.unit_for(cell.experiment, cell.num_inputs, cell.widths, on_gpu=device != "cpu")
    return _CORES + (unit.name if unit else TORCH)


def report(cell: Cell, measured: Sequence[Measured], rate: float, device: str) -> list[dict[str, Any]]:
    """Return a row for each peer that has numbers: its time, and how many times those of our cores that is.

    Args:
        cell: What was measured.
        measured: The peers.
        rate: FLOP/s of matrix products, to which the rates of our cores are compared.
        device: Where all were trained.
    """
    done = {each.peer: each for each in measured if each.seconds}

    def times(each: Measured, peer: str) -> float | None:
        return each.median_s / done[peer].median_s if peer in done else None

    return [
        {
            "cell": cell.name,
            "peer": _PEERS[each.peer].title,
            "runs": each.num_runs,
            "ms_per_run_epoch": 1e3 * each.median_s,
            "times_pytorch_core": times(each, REFERENCE),
            "times_ours": times(each, trains(cell, device)),
            "gemm_share": cell.flops / each.median_s / rate if each.peer.startswith(_CORES) else None,
            "peak_mib": each.peak_bytes / 2**20,
            "peak_over_parameters": each.peak_bytes / (4 * cell.num_parameters * each.num_runs),
            "note": each.note,
        }
        for each in done.values()
    ]


def main() -> None:
    """Measure, print a table, and write it as JSON if wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    names = [cell.name for cell in CELLS]
    parser.add_argument("--cells", nargs="*", choices=names, default=names)
    parser.add_argument("--peers", nargs="*", choices=list(_PEERS), default=list(_PEERS))
    parser.add_argument("--rounds", type=int, default=3, help="turns of each peer (default: %(default)s)")
    parser.add_argument("--core", type=int, default=0, help="core that all are pinned to (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for all but Keras (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the table to")
    args = parser.parse_args()
    os.environ.update(ONE_THREAD, JAX_PLATFORMS=args.device)
    peers = []
    for peer in args.peers:
        if args.device != "cpu" and peer.startswith(_CORES) and peer != REFERENCE:
            continue
        if importlib.util.find_spec(_PEERS[peer].library):
            peers.append(peer)
        else:
            print(
                f"{_PEERS[peer].title}: left out, {_PEERS[peer].library} is not installed (pip install -e '.[bench]')"
            )
    rows: list[dict[str, Any]] = []
    for cell in CELLS:
        if cell.name not in args.cells:
            continue
        measured = []
        for each in measure(cell, peers, rounds=args.rounds, core=args.core, device=args.device):
            measured.append(each)
            if not each.seconds:
                print(f"{cell.name}: {_PEERS[each.peer].title}, {each.num_runs} runs: {each.note}", file=sys.stderr)
        rows += report(cell, measured, _gemm_rate(cell, args.core, args.device), args.device)
        _print(rows, cell)
        if args.json:
            machine = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
            args.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


def _gemm_rate(cell: Cell, core: int, device: str) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, initializer=pin, initargs=(core, device)) as pool:
        return pool.apply(best_rate, (cell, device))


def _print(rows: Sequence[dict[str, Any]], cell: Cell) -> None:
    print(f"\n{cell.name}: {cell.num_parameters:,} parameters, depth {cell.depth}, batch {cell.batch_size}")
    print(f"{'':38}{'runs':>5}{'ms/run-epoch':>14}{'PyTorch core':>14}{'ours':>8}{'GEMM share':>12}{'peak MiB':>10}")
    for row in (row for row in rows if row["cell"] == cell.name):
        ratios = [f"{row[name]:.2f}x" if row[name] else "" for name in ("times_pytorch_core", "times_ours")]
        share = f"{row['gemm_share']:.0%}" if row["gemm_share"] else ""
        print(
            f"{row['peer']:38}{row['runs']:>5}{row['ms_per_run_epoch']:>14.3f}{ratios[0]:>14}{ratios[1]:>8}{share:>12}"
            f"{row['peak_mib']:>10.0f}  {row['note']}"
        )
    sys.stdout.flush()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
