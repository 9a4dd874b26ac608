"""Steps recorded once as a CUDA graph, and replayed: small networks' kernels take less time than their launches.

A graph repeats the kernels with the arguments that they had: the same places in memory, the same numbers. So what is
recorded may change arrays in place, and nothing that Python holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor


@cache
def side_stream(number: int) -> torch.cuda.Stream:
    """One of the streams on which bundles train side by side: the same for a number, as libraries keep memory for each.

    That memory, 32 MB on some GPUs, is given back to nobody, so that streams are few and used again.
    """
    return torch.cuda.Stream()


def record(work: Callable[[], Tensor], state: Sequence[Tensor]) -> Callable[[], Tensor]:
    """Record what `work` does on a GPU.

    It is recorded on the stream that is current, as graphs that are to run side by side may not share what libraries
    keep for each stream. Where that is the default one, which cannot be recorded, another stands in for it.

    Args:
        work: Queues kernels on the current stream; neither waits for them nor reads their results. What it reads stays
            where it is in memory.
        state: What `work` changes and goes on from. It is as before when this returns: libraries have to be warm before
            a graph is recorded, which takes a run whose changes do not count.

    Returns:
        Does what `work` does, and returns the tensor that it returned, with new contents.
    """
    current = torch.cuda.current_stream()
    stream = side_stream(0) if current == torch.cuda.default_stream() else current
    before = [each.clone() for each in state]
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        work()
    current.wait_stream(stream)
    for each, saved in zip(state, before, strict=True):
        each.copy_(saved)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        result = work()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay
