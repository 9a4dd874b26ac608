"""The kernel as NVIDIA's compiler takes it, where that is installed, for which no GPU is needed."""

from __future__ import annotations

import ctypes
import re
import struct
import sysconfig
from functools import cache
from pathlib import Path

import pytest
from torch.cuda import _utils
from torch.utils import cpp_extension

from survey.networks.block.cuda import to_compile


@cache
def compiler() -> ctypes.CDLL | None:
    """NVRTC: of the system, or of NVIDIA's package for it (`pip install nvidia-cuda-nvrtc-cu12`)."""
    packages = Path(sysconfig.get_path("purelib")) / "nvidia"
    for name in ("libnvrtc.so.13", "libnvrtc.so.12", *map(str, sorted(packages.glob("*/lib/libnvrtc.so.*")))):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


FRAME_SIZE = bytes([4, 0x11, 8, 0])
"""What begins an entry of `.nv.info` in a compiled kernel: a function's number, then the bytes of its stack frame."""


def stack_bytes(binary: bytes) -> set[int]:
    entries = (each.end() for each in re.finditer(re.escape(FRAME_SIZE), binary))
    return {struct.unpack("<II", binary[place : place + 8])[1] for place in entries}


@pytest.mark.skipif(not compiler(), reason="NVIDIA's run-time compiler is not installed")
@pytest.mark.parametrize("rows_per_lane", [1, 2, 4])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_it_compiles_for_a_gpu_and_keeps_all_in_registers(activation, rows_per_lane, monkeypatch):
    monkeypatch.setattr(_utils, "_get_gpu_rtc_library", compiler)
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", "/")
    binary, name = _utils._nvrtc_compile(**to_compile(activation, rows_per_lane), compute_capability="90")
    assert name == "train"
    assert stack_bytes(binary) == {0}
