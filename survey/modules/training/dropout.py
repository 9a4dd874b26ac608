"""Dropout that draws from a stream of its run, and so depends neither on what is trained beside it nor on restarts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from survey.networks.training import streams


class StreamDropout(nn.Module):
    """`nn.Dropout` whose mask is drawn from a counter-based stream.

    Args:
        p: Probability of each number to become zero; the others are divided by 1 - p.

    Attributes:
        key: int64, the key of the stream: set for each epoch, it goes on with each call.
    """

    key: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with some of its numbers zero, while it is trained."""
        if not self.training or self.p == 0.0:
            return x
        if self.p == 1.0:
            return torch.zeros_like(x)
        keep = streams.bernoulli(x.shape, 1.0 - self.p, self.key)
        streams.advance(self.key, x.numel())
        return x * (keep.to(x.dtype) / (1.0 - self.p))


def with_streams(module: nn.Module) -> nn.Module:
    """Replace each `nn.Dropout` in a module by one that draws from a stream; return the module."""
    made: dict[nn.Module, StreamDropout] = {}
    for layer in list(module.modules()):
        for name, child in list(layer.named_children()):
            if type(child) is nn.Dropout:
                setattr(layer, name, made.setdefault(child, StreamDropout(child.p)))
    return module


def stream_names(module: nn.Module) -> list[str]:
    """Return the names of the buffers with the keys of its streams."""
    return [f"{name}.key" for name, layer in module.named_modules() if isinstance(layer, StreamDropout)]
