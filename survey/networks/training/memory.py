"""Arrays that the chunks of a bundle use one after the other."""

from __future__ import annotations

import torch
from torch import Tensor


class Memory:
    """Arrays by name and shape: whoever asks for the same one gets the same memory, one after the other.

    Args:
        like: A tensor of the device, and of the dtype of arrays that ask for no other.
    """

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._arrays: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def zeros(self, name: str, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return the array of this name and shape; on its first use it is all zeros."""
        return self._arrays.setdefault((name, shape), self._like.new_zeros(shape, dtype=dtype))
