"""Steps recorded once as a CUDA graph, and replayed: small networks' kernels take less time than their launches.

A graph repeats the kernels with the arguments that they had: the same memory addresses, the same numbers. So recorded
work may change arrays in place, but no Python state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from survey.system.cuda import side_stream


def record(work: Callable[[], Tensor], state: Sequence[Tensor]) -> Callable[[], Tensor]:
    """Record what `work` does on a GPU.

    It is recorded on the current stream, as graphs that run side by side may not share the memory that libraries keep
    for each stream. The default stream cannot be recorded, so another one replaces it.

    Args:
        work: Queues kernels on the current stream; neither waits for them nor reads their results. What it reads must
            stay at the same memory address.
        state: What `work` changes and continues from. It is restored before this returns: recording needs a warm-up
            run, for the libraries.

    Returns:
        A function that does what `work` does, and returns the tensor that it returned, with new contents.
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
