"""Batched matrix products, set up once and computed at every step.

On a CPU, each uses the library that is fastest for its shape and layout. torch's (MKL) is made for large matrices and
for Intel's processors. numpy's (OpenBLAS) has kernels for small matrices on processors with AVX-512, which do not pack
their operands: they come near the processor's peak where MKL reaches half of it to nine tenths
(`python -m benchmarks.products`). OpenBLAS uses them up to limits (its pull request 3335), so larger products are split
into tiles within those:

    a [rows, inner] times b [inner, columns]             rows * inner * columns <= 10^6
    the same, if the inner axis is contiguous in both    rows * columns <= 1200, from inner = 32

On Intel's processors MKL is faster than tiles. There OpenBLAS computes products that need a single tile and, if the
inner axis is contiguous in both, results that are small beside it, which MKL computes at half its rate.

The choice depends on the shapes and the layout of the matrices, and not on how many runs are in the batch: a bundle
gives bit for bit what its runs give alone.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_info
from torch import Tensor

Product = Callable[[], object]
"""Computes a product: reads the operands as they are then, and overwrites the result."""

_SMALL_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}
"""OpenBLAS's names for processors with AVX-512, of any maker."""

_SMALL, _SMALL_BY_INNER = 10**6, 1200
"""OpenBLAS's limits for its small kernels, see above."""

_MIN_INNER = 100
"""With a shorter inner axis, the kernels for matrices in which it is contiguous do not pay."""

_SMALL_BESIDE_INNER = 16
"""Results with up to so many times the length of the inner axis are small beside it."""

_TILE = 8
"""Columns of a tile are a multiple of this."""

_STAYS = 80_000
"""Numbers of `a` that stay in the second-level cache while each tile of columns uses them."""

_PAGE_BYTES = 4096
"""Rows this far apart share the same lines of the first-level cache."""


@cache
def has_small_kernels() -> bool:
    """Return whether numpy's library has kernels for small matrices on this processor."""
    found = threadpool_info()
    return any(each["internal_api"] == "openblas" and each.get("architecture") in _SMALL_KERNELS for each in found)


@cache
def is_mkl_ahead() -> bool:
    """Return whether MKL is at its best on this processor, so that tiles of small kernels do not pay."""
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return "GenuineIntel" in platform.processor()


def takes_strided_results(a: Tensor, b: Tensor) -> bool:
    """Return whether `product` writes as fast to a part of an array, [runs, :rows, columns], as to a whole one."""
    return a.device.type != "cpu" or _by_small_kernels(a, b)


def _by_small_kernels(a: Tensor, b: Tensor) -> bool:
    """Whether OpenBLAS computes the product, whole or in tiles; else torch does."""
    if a.device.type != "cpu" or not has_small_kernels():
        return False
    rows, inner, columns = *a.shape[1:], b.shape[2]
    if _hold_inner_together(a, b):
        if inner < _MIN_INNER:
            return rows < 3 * _TILE
        return not is_mkl_ahead() or rows * columns <= _SMALL_BESIDE_INNER * inner
    return not is_mkl_ahead() or rows * inner * columns <= _SMALL


def _hold_inner_together(a: Tensor, b: Tensor) -> bool:
    return a.stride(2) == 1 and b.stride(1) == 1


def product(a: Tensor, b: Tensor, out: Tensor) -> Product:
    """Set up `out = a @ b`.

    Args:
        a: [runs, rows, inner].
        b: [runs, inner, columns].
        out: [runs, rows, columns]. All three must keep their memory addresses.
    """
    if not _by_small_kernels(a, b):
        return partial(torch.bmm, a, b, out=out)
    rows, inner = a.shape[1:]
    if _hold_inner_together(a, b):
        if inner < _MIN_INNER:
            return _whole(a, b, out)
        most, narrowest, fewest_rows = _SMALL_BY_INNER, _TILE, 1
    else:
        # A matrix whose columns are contiguous needs more rows at a time.
        most, narrowest, fewest_rows = _SMALL // inner, 2 * _TILE, 100 if a.stride(1) == 1 else 64
    row_tiles = -(-rows // max(1, min(most // narrowest, _STAYS // inner)))
    tile_rows = -(-rows // row_tiles)
    width = _width(b.shape[2], most // tile_rows)
    if row_tiles > 1 and max(b.stride()[1:]) * b.element_size() % _PAGE_BYTES == 0:
        width = _TILE if narrowest == _TILE else 0
    if not width or (row_tiles > 1 and tile_rows < fewest_rows):
        return _whole(a, b, out)
    tiles = list(_tiles(a, b, out, row_tiles, width))
    return tiles[0] if len(tiles) == 1 else partial(_all, tiles)


def _whole(a: Tensor, b: Tensor, out: Tensor) -> Product:
    return partial(np.matmul, a.numpy(), b.numpy(), out=out.numpy())


def _width(columns: int, most: int) -> int:
    """Width of equal tiles: all columns, or the largest multiple of `_TILE` up to `most` that divides them, or 0."""
    if columns <= most:
        return columns
    return next((width for width in range(most // _TILE * _TILE, 0, -_TILE) if columns % width == 0), 0)


def _tiles(a: Tensor, b: Tensor, out: Tensor, row_tiles: int, width: int) -> Iterator[Product]:
    """Parts of a product: each of some rows, for all tiles of `width` columns."""
    by_tile = (b.shape[2] // width, width)
    b_tiles = b.unflatten(2, by_tile).transpose(1, 2)  # [runs, tiles, inner, width]
    bounds = [a.shape[1] * k // row_tiles for k in range(row_tiles + 1)]
    for first, last in pairwise(bounds):
        yield _whole(a[:, None, first:last], b_tiles, out[:, first:last].unflatten(2, by_tile).transpose(1, 2))


def _all(products: list[Product]) -> None:
    for each in products:
        each()
