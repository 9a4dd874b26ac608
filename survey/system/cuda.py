"""Streams of a GPU."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@cache
def side_stream(number: int) -> torch.cuda.Stream:
    """Return one of the streams on which bundles train side by side, always the same for a number.

    Libraries keep memory for each stream, 32 MB on some GPUs, and never free it: so streams are few and reused.
    """
    import torch

    return torch.cuda.Stream()
