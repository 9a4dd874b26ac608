"""The kernel of the block core on a CPU: its source, compiled with what CUDA gives it, see `emulated_gpu.cpp`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path

from survey.networks.block.cuda import FOLDERS, definitions
from survey.networks.block.layout import Layout
from survey.networks.block.passes import Pass

_SOURCE = Path(__file__).with_suffix(".cpp")
_WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unknown-pragmas", "-Wno-bool-operation")
COMPILER = shutil.which("g++")


def build(activation: str, rows_per_lane: int, to: Path, *options: str, sources: Path = FOLDERS[0]) -> None:
    """Build a library that has `launch`, with these options of the compiler."""
    folders = [f"-I{each}" for each in (sources, FOLDERS[1])]
    kinds = ["-std=c++20", "-O1", "-shared", "-fPIC", "-fno-strict-aliasing"]  # as CUDA has it
    command = [COMPILER, *kinds, *_WARNINGS, *options, *definitions(activation, rows_per_lane), *folders]
    subprocess.run([*command, str(_SOURCE), "-o", str(to)], check=True)


@cache
def _library(activation: str, rows_per_lane: int) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.so"
        build(activation, rows_per_lane, path)
        return ctypes.CDLL(str(path))


class EmulatedKernel:
    """As `survey.networks.block.cuda.CudaKernel`.

    Args:
        activation: Activation of the hidden layers.
        layout: How a block trains a run.
        backwards: Whether the last thread of a block comes first, up to each barrier.
    """

    def __init__(self, activation: str, layout: Layout, *, backwards: bool = False) -> None:
        self._library, self._layout, self._backwards = _library(activation, layout.rows_per_lane), layout, backwards
        assert self._library.pass_bytes() == ctypes.sizeof(Pass)

    def bind(self, described: Pass, runs: int):
        return partial(self._library.launch, runs, self._layout.threads, ctypes.byref(described), int(self._backwards))
