"""From which size on PyTorch trains faster than the compiled core: `python -m benchmarks.cores`.

Both cores train the same runs, an epoch each in turn, on one thread; the ratio is that of their least processor times,
so that other work on the machine disturbs little. Settings are drawn without repetition from a grid of networks, tasks
and minibatches, until all are measured or the time is over. `survey.networks.cores` has the rule that follows.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from benchmarks.cells import Cell, data_of, seeds_of
from survey.networks.compiled.library import Unit, units
from survey.networks.compiled.trainer import CompiledTrainer
from survey.networks.training.loop import Trainer

_ROWS = 1280  # of which 1,024 are trained on
_SHAPES = ("rectangle", "wide_first_16x", "exponential", "trapezoid")
_SIZES = tuple(2**k for k in range(16, 22))
_DEPTHS, _BATCH_SIZES = (2, 4, 10), (32, 256, 1024)
_INPUTS, _CLASSES = (11, 784), (2, 100)

_PARAMETERS_AT_ONCE = 1 << 19
_TURNS = 3


@dataclass(frozen=True)
class Compared:
    """A setting, and how the cores compare on it.

    Attributes:
        cell: The setting.
        ratio: Time of the compiled core over that of PyTorch.
        milliseconds: Processor time of the compiled core for an epoch of a run.
    """

    cell: Cell
    ratio: float
    milliseconds: float

    @property
    def largest_layer(self) -> int:
        """Weights of the largest layer."""
        widths = self.cell.num_inputs, *self.cell.widths
        return max(fan_in * fan_out for fan_in, fan_out in pairwise(widths))


def settings(seed: int) -> list[Cell]:
    """Return the grid in an order drawn by the seed."""
    axes = itertools.product(_INPUTS, _CLASSES, _SIZES, _DEPTHS, _BATCH_SIZES, _SHAPES)
    cells = [Cell(f"{axis[0]} to {axis[1]}", _ROWS, *axis) for axis in axes]
    cells = [cell for cell in cells if 0.8 * cell.size < cell.num_parameters < 1.2 * cell.size]
    random.Random(seed).shuffle(cells)
    return cells


def compare(cell: Cell, unit: Unit, turns: int) -> Compared:
    """Measure both cores on a setting."""
    inputs, targets = (torch.tensor(each) for each in data_of(cell))
    num_runs = max(1, _PARAMETERS_AT_ONCE // cell.size)
    arguments = {
        "inputs": inputs,
        "targets": targets,
        "task_kind": "classification",
        "widths": cell.widths,
        "seeds": seeds_of(cell, num_runs),
    }
    trainers = Trainer(cell.experiment, **arguments), CompiledTrainer(cell.experiment, unit=unit, **arguments)
    seconds: list[list[float]] = [[], []]
    for _ in range(turns):
        for its, trainer in zip(seconds, trainers, strict=True):
            began = time.thread_time()
            trainer.train_epoch()
            its.append(time.thread_time() - began)
    pytorch, compiled = map(min, seconds)
    return Compared(cell, compiled / pytorch, 1e3 * compiled / num_runs)


def measure(unit: Unit, *, seconds: float, turns: int, seed: int) -> Iterator[Compared]:
    """Measure settings until all are done or the time is over."""
    ends = time.monotonic() + seconds
    for cell in settings(seed):
        if time.monotonic() > ends:
            return
        yield compare(cell, unit, turns)


def table(compared: Sequence[Compared]) -> str:
    """Return in Markdown, by weights of the largest layer and by minibatch, the median and the greatest ratio."""
    groups: dict[tuple[int, int], list[float]] = {}
    for each in compared:
        groups.setdefault((each.largest_layer.bit_length() - 1, each.cell.batch_size), []).append(each.ratio)
    lines = [f"| weights from | {' | '.join(f'batch {size}' for size in _BATCH_SIZES)} |", "|---" * 4 + "|"]
    for power in sorted({power for power, _ in groups}):
        found = [groups.get((power, size)) for size in _BATCH_SIZES]
        cells = [f"{statistics.median(some):.2f}, {max(some):.2f} ({len(some)})" if some else "" for some in found]
        lines.append(f"| 2^{power} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each setting as it is measured, and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    known = [unit.name for unit in units()]
    if not known:
        raise SystemExit("There is no compiled core: docs/install.md says how to build it")
    parser.add_argument("--unit", choices=known, default=known[0], help="instruction set (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=300.0, help="time to measure for (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=_TURNS, help="epochs of each core (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the order of settings (default: %(default)s)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    (unit,) = (each for each in units() if each.name == options.unit)
    compared = []
    for each in measure(unit, seconds=options.seconds, turns=options.turns, seed=options.seed):
        compared.append(each)
        cell = each.cell
        print(
            f"{cell.task:11} {cell.shape:15} 2^{cell.size.bit_length() - 1:<3} depth {cell.depth:2} "
            f"batch {cell.batch_size:4} largest layer {each.largest_layer:8,} "
            f"{each.milliseconds:8.2f} ms {each.ratio:6.2f}",
            flush=True,
        )
    print("\nBy weights of the largest layer: median and greatest ratio, and of how many settings")
    print(table(compared))


if __name__ == "__main__":
    main()
