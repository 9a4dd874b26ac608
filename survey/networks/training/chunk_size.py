"""How many runs of a bundle train together as one array."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from survey.networks.training.network import Architecture

_CHUNK_BYTES, _CHUNK_SHARE = 5 << 18, 5 / 8
"""Limit on the arrays of one operation on a layer, for all runs of a chunk: so many bytes, or that share of the
second-level cache if it is more. A smaller cache does not count: calls cost more than misses."""


def runs_per_chunk_of(architecture: Architecture, batch_size: int, like: Tensor) -> int:
    """Return how many runs to train together; on an accelerator, all.

    An operation on a layer touches about three arrays of [width, batch] for each run. If they outgrow the caches, each
    operation waits for memory; if they are small, the time goes into calls. `python -m benchmarks.chunks` measures it:
    around the limit used here the curve is flat, half or double as much costs about a tenth.
    """
    if like.device.type != "cpu":
        return 1 << 30
    widest = max(architecture.num_inputs, *architecture.widths) + 1
    most = max(_CHUNK_BYTES, int(_CHUNK_SHARE * _second_level_cache_bytes()))
    return max(1, most // (3 * widest * batch_size * like.element_size()))


def _second_level_cache_bytes() -> int:
    """Size of a core's second-level cache; 0 if the system does not tell it, as only Linux does."""
    try:
        size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text(encoding="ascii").strip()
        return 1024 * int(size.removesuffix("K"))
    except (OSError, ValueError):
        return 0
