"""Steps recorded once as a CUDA graph, and replayed: small networks' kernels take less time than their launches.

A graph repeats the kernels with the arguments that they had: the same places in memory, the same numbers. So what is
recorded may change arrays in place, and nothing that Python holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def record(work: Callable[[], object], state: Sequence[Tensor]) -> Callable[[], object]:
    """Record what `work` does on a GPU.

    Args:
        work: Queues kernels on the current stream; neither waits for them nor reads their results.
        state: What `work` changes and goes on from. It is as before when this returns: libraries have to be warm before
            a graph is recorded, which takes a run whose changes do not count.

    Returns:
        Does what `work` does.
    """
    before = [each.clone() for each in state]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()
    torch.cuda.current_stream().wait_stream(stream)
    for each, saved in zip(state, before, strict=True):
        each.copy_(saved)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
