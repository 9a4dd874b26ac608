"""The precision of a network's matrix products: float32, or TF32 on the tensor cores of an NVIDIA GPU.

TF32 rounds the operands of a product to 10 bits of mantissa, where float32 has 23, keeps the range of float32, and sums
in float32. Only products are affected: parameters, activations, updates and statistics are as with float32.

torch chooses by a setting of the whole process. A trainer sets it while it queues its own products, and then sets it
back. A CUDA graph keeps the kernels that it was recorded with, whatever holds when it is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from survey.errors import InputError
from survey.networks.experiment import FLOAT32

_FIRST_WITH_TF32 = (8, 0)
"""Compute capability of the first GPUs with TF32; torch computes in float32 on older ones, without a word."""


def check_precision(precision: str, device: torch.device) -> None:
    """Check that a device computes products in a precision.

    Raises:
        InputError: It does not.
    """
    if precision == FLOAT32:
        return
    found = ""
    if device.type != "cuda":
        found = f"the device is {device.type}"
    elif (capability := torch.cuda.get_device_capability(device)) < _FIRST_WITH_TF32:
        found = f"{torch.cuda.get_device_name(device)} has {'.'.join(map(str, capability))}"
    if found:
        needed = "an NVIDIA GPU of compute capability {}.{} or higher".format(*_FIRST_WITH_TF32)
        raise InputError(
            f"precision {precision}: expected {needed}, and {found}; train it on such a GPU, or in {FLOAT32}"
        )


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Have the matrix products that are queued meanwhile computed in a precision, on a GPU.

    Args:
        precision: `tf32`; or `float32`, which changes nothing.
    """
    if precision == FLOAT32:
        yield
        return
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = precision
    try:
        yield
    finally:
        products.fp32_precision = before
