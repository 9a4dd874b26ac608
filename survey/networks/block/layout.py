"""Where the block core keeps what in shared memory, and by how many threads a run is trained.

Plans ask whether a network fits, so nothing here imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

MOST_LAYERS = 64
"""Layers of a network, at most."""

MOST_BYTES = 227 * 1024
"""Shared memory that a block may have on cards of compute capability 9.0; 8.0 has 163 KB, 8.9 has 99 KB."""

_WARP, _MOST_THREADS = 32, 512
_LEAST_THREADS = 128
"""Threads of a block, at least: the four schedulers of a multiprocessor have one warp each."""

_TILE, _SIDE = 8, 4
"""As in `products.h`."""

_MOST_SLICES = 4
_SUMS_BYTES = 11 * 8
"""Sums over the rows of each thread, and of the penalties, in float64."""


@dataclass(frozen=True)
class LayerLayout:
    """A layer; see `Layer` in `pass.h`, which has the same fields."""

    inputs: int
    outputs: int
    columns: int
    weights: int
    x: int
    out: int
    kept: int
    slices: int
    more: int


@dataclass(frozen=True)
class Layout:
    """How a block trains a run.

    Attributes:
        layers: The layers.
        rows_per_lane: Rows of each thread in the products: 1, 2 or 4; a part of a minibatch has 32 times as many.
        threads: Threads of a block.
        size: Floats of the parameters of a run.
        num_gradients: Floats of the gradients of a run: as many, and those of more slices.
        gradients: Place of the gradients in shared memory; -1 where they are in device memory.
        targets: Place of the targets of the rows.
        scratch: Place of a number for each output and row.
        numbers: Place of the numbers of the rows.
        totals: Place of the sums of all threads, at the end.
        floats: Floats of shared memory.
    """

    layers: tuple[LayerLayout, ...]
    rows_per_lane: int
    threads: int
    size: int
    num_gradients: int
    gradients: int
    targets: int
    scratch: int
    numbers: int
    totals: int
    floats: int

    @property
    def shared_bytes(self) -> int:
        """Bytes of shared memory of a block."""
        return 4 * self.floats


class _Places:
    """Places in shared memory, given one after the other, each at a multiple of 16 bytes."""

    def __init__(self) -> None:
        self.end = 0

    def take(self, floats: int) -> int:
        """Give the next place."""
        place = self.end
        self.end = place + _padded(floats)
        return place


def columns_of(fan_in: int) -> int:
    """Return the columns of a layer's weights in memory: its inputs, the bias, and zeros up to a multiple of 4."""
    return _padded(fan_in + 1)


def _padded(count: int) -> int:
    return -(-count // 4) * 4


def layouts(
    num_inputs: int, widths: Sequence[int], *, batch_size: int, keeps_output: bool, most_bytes: int = MOST_BYTES
) -> Iterator[Layout]:
    """Find how a block can train a run of a network; best first, nothing where it does not fit into shared memory.

    Many rows at once are best, as a number that is read from shared memory is used for more of them; then gradients in
    shared memory; and several slices of the rows for small layers, whose gradients are too few for all threads.

    Args:
        num_inputs: Inputs of the network.
        widths: Width of each layer.
        batch_size: Rows of a minibatch.
        keeps_output: Whether the gradient of its activation is computed from the output.
        most_bytes: Shared memory of a block, at most.
    """
    if len(widths) > MOST_LAYERS:
        return
    for rows_per_lane in (4, 2, 1):
        if rows_per_lane > 1 and 16 * rows_per_lane >= batch_size:
            continue  # half of the rows would be padding
        for in_shared, most_slices in ((True, _MOST_SLICES), (True, 1), (False, _MOST_SLICES)):
            shape = _Shape(tuple(pairwise((num_inputs, *widths))), rows_per_lane, most_slices)
            found = _layout(shape, keeps_output=keeps_output, in_shared=in_shared)
            if found.shared_bytes <= most_bytes:
                yield found


@dataclass(frozen=True)
class _Shape:
    """Inputs and outputs of each layer, rows of each thread, and slices of each layer, at most."""

    pairs: tuple[tuple[int, int], ...]
    rows_per_lane: int
    most_slices: int

    @property
    def line(self) -> int:
        """Floats from a feature of the rows to the next, as `STRIDE`."""
        return _WARP * self.rows_per_lane + 4

    @property
    def sizes(self) -> list[int]:
        """Floats of the weights of each layer."""
        return [fan_out * columns_of(fan_in) for fan_in, fan_out in self.pairs]

    @property
    def _tiles(self) -> list[int]:
        """Parts of the gradient of each layer's weights, of which a thread takes one at a time."""
        return [columns_of(fan_in) // _SIDE * (_padded(fan_out) // _SIDE) for fan_in, fan_out in self.pairs]

    @property
    def threads(self) -> int:
        """As many as the largest layer has work for, within limits."""
        warps = max(-(-max(fan_out for _, fan_out in self.pairs) // _TILE), -(-max(self._tiles) // _WARP))
        return min(max(_WARP * warps, _LEAST_THREADS), _MOST_THREADS)

    @property
    def slices(self) -> list[int]:
        """Slices of the rows of each layer."""
        return [max(1, min(self.most_slices, self.threads // each)) for each in self._tiles]


def _starts(sizes: Sequence[int], first: int) -> list[int]:
    """Places of arrays that follow each other from `first` on, and of their end."""
    return list(accumulate(sizes, initial=first))


def _layout(shape: _Shape, *, keeps_output: bool, in_shared: bool) -> Layout:
    """Lay out shared memory, with the gradients or without them."""
    pairs, line, places = shape.pairs, shape.line, _Places()
    *starts, size = _starts(shape.sizes, 0)
    extra = [(slices - 1) * floats for slices, floats in zip(shape.slices, shape.sizes, strict=True)]
    *more, num_gradients = _starts(extra, size)
    # Tiles of the last layer may read beyond its weights.
    places.take(size + _TILE * max(columns_of(fan_in) for fan_in, _ in pairs))
    gradients = places.take(num_gradients) if in_shared else -1
    totals = places.end
    x = [places.take(columns_of(fan_in) * line) for fan_in, _ in pairs]
    num_outputs = pairs[-1][1]
    outputs = [*x[1:], places.take(_padded(num_outputs) * line)]
    kept = outputs if keeps_output else [places.take(fan_out * line) for _, fan_out in pairs]
    targets, scratch = (places.take(num_outputs * line) for _ in range(2))
    numbers = places.take(line)
    fields = zip(pairs, starts, x, outputs, kept, shape.slices, more, strict=True)
    return Layout(
        layers=tuple(
            LayerLayout(fan_in, fan_out, columns_of(fan_in), *others) for (fan_in, fan_out), *others in fields
        ),
        rows_per_lane=shape.rows_per_lane,
        threads=shape.threads,
        size=size,
        num_gradients=num_gradients,
        gradients=gradients,
        targets=targets,
        scratch=scratch,
        numbers=numbers,
        totals=totals,
        floats=max(places.end, totals + _SUMS_BYTES // 4 * shape.threads),
    )
