"""The kernel on a GPU: compiled by torch with NVIDIA's run-time compiler, once in a process for each activation.

No toolkit of CUDA is needed: the compiler comes with torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.cuda import _utils
from torch.utils import cpp_extension

from survey.networks.block.layout import Layout
from survey.networks.block.passes import Pass

FOLDERS = (Path(__file__).parent, Path(__file__).parents[1] / "compiled")
"""Where the sources of the kernel are."""

_SHARED_MEMORY_CARVEOUT = 9
"""`CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT`: the share of a multiprocessor's first-level cache that is
shared memory, in percent. All of it, so that as many blocks as possible fit at once."""

_OPTIONS = ("--std=c++17", "-default-device")
"""For the compiler: functions are for the GPU unless they say otherwise, as most are for a CPU too."""


def definitions(activation: str, rows_per_lane: int) -> list[str]:
    """Return what the kernel is compiled for, as options of a compiler."""
    return [f"-DACTIVATION={activation.capitalize()}", f"-DROWS_PER_LANE={rows_per_lane}"]


def to_compile(activation: str, rows_per_lane: int) -> dict[str, Any]:
    """Return the arguments of `torch.cuda._compile_kernel`: the source, and what it is compiled for."""
    return {
        "kernel_source": (FOLDERS[0] / "kernel.cu").read_text(encoding="utf-8"),
        "kernel_name": "train",
        "cuda_include_dirs": [str(each) for each in FOLDERS],
        "nvcc_options": [*_OPTIONS, *definitions(activation, rows_per_lane)],
    }


class CudaKernel:
    """The kernel on the current GPU.

    Args:
        activation: Activation of the hidden layers.
        layout: How a block trains a run.
    """

    def __init__(self, activation: str, layout: Layout) -> None:
        self._layout = layout
        self._function = _compiled(activation, layout.rows_per_lane, torch.cuda.current_device())
        most = max(layout.shared_bytes, self._function._max_shared_mem_bytes)
        self._function.set_shared_memory_config(most)
        library = _utils._get_gpu_runtime_library()
        _utils._check_cuda(library.cuFuncSetAttribute(self._function.func, _SHARED_MEMORY_CARVEOUT, 100))

    def bind(self, described: Pass, runs: int) -> Callable[[], None]:
        """Copy a pass to the GPU; return what starts it there, for so many runs, on the current stream."""
        on_gpu = torch.frombuffer(bytearray(described), dtype=torch.uint8).cuda()
        threads, shared_bytes = self._layout.threads, self._layout.shared_bytes
        return partial(self._function, (runs, 1, 1), (threads, 1, 1), [on_gpu], shared_bytes)


@cache
def _compiled(activation: str, rows_per_lane: int, device: int) -> Any:
    """Compile the kernel for a GPU, by its number."""
    # torch asks where CUDA's headers are, and fails where there are none. The kernel needs none.
    with mock.patch.object(cpp_extension, "CUDA_HOME", cpp_extension.CUDA_HOME or str(FOLDERS[0])):
        return torch.cuda._compile_kernel(**to_compile(activation, rows_per_lane))
