"""What a module needs, found out by a pass over a few rows: its parameters, operations and memory, and its mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from survey.errors import InputError
from survey.modules.building import Builder, Setting
from survey.modules.training.dropout import with_streams
from survey.modules.training.parameters import count, trainable

_ROWS = 4
"""More than one, as BatchNorm needs several."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What is known of a module.

    Attributes:
        num_free_parameters: Numbers that are trained.
        calls: Operators of PyTorch that a forward and a backward pass call.
        row_flops: Floating-point operations of matrix products and convolutions in both, for each row.
        row_numbers: Numbers that the forward pass keeps for the backward one, for each row.
        can_fuse: Whether `torch.vmap` takes it, so that the passes of all runs can be one.
    """

    num_free_parameters: int
    calls: int
    row_flops: float
    row_numbers: float
    can_fuse: bool


def probe(builder: Builder, setting: Setting) -> Probe:
    """Build a module, and let it pass over a few rows.

    Raises:
        InputError: It fails, or its outputs cannot be trained; the message says what was expected.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = with_streams(builder.build(setting)).float()
        shape = (setting.inputs,) if isinstance(setting.inputs, int) else setting.inputs
        rows, kept = torch.rand(_ROWS, *shape), _Kept(module)
        what = f"model: the module of {setting}, for inputs of shape {tuple(rows.shape)}"
        counter, flops = _Calls(), FlopCounterMode(display=False)
        try:
            with flops, counter, torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
                outputs = module(rows)
                check_outputs(what, outputs, (_ROWS, setting.outputs))
                outputs.sum().backward()
            can_fuse = _can_fuse(module, rows)
        except (InputError, KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # of the user's code
            raise InputError(f"{what}: {builder.told(error)}") from None
    parameters = count(module)
    row_flops = max(flops.get_total_flops() / _ROWS, 6.0 * parameters)
    return Probe(parameters, counter.count, row_flops, kept.numbers / _ROWS, can_fuse)


def _can_fuse(module: nn.Module, rows: Tensor) -> bool:
    """Let a module pass over rows as two runs do that are trained as one; `training.fusing` compares numbers, too."""
    own = [*module.named_parameters(), *module.named_buffers()]
    both = {name: torch.stack([each.detach()] * 2) for name, each in own}
    try:
        vmap(lambda tensors, x: functional_call(module, tensors, (x,)))(both, torch.stack([rows] * 2))
    except Exception:  # of what vmap cannot do; the module itself has passed over these rows before
        return False
    return True


def check_outputs(what: str, outputs: Any, shape: tuple[int, ...]) -> None:
    """Check what a module has returned.

    Raises:
        InputError: It has another shape or type, or does not depend on the parameters.
    """
    if not isinstance(outputs, Tensor):
        raise InputError(f"{what}: expected a tensor {shape} [rows, outputs], it returned {type(outputs).__name__}")
    if outputs.shape != shape:
        raise InputError(f"{what}: expected outputs of shape {shape} [rows, outputs], found {tuple(outputs.shape)}")
    if not outputs.is_floating_point():
        raise InputError(f"{what}: expected outputs of real numbers, found {outputs.dtype}")
    if not outputs.requires_grad:
        raise InputError(f"{what}: its outputs do not depend on its parameters, so it cannot be trained")


class _Calls(TorchDispatchMode):
    """Counts the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


class _Kept:
    """Counts the numbers that are kept for the backward pass, but for the parameters themselves."""

    def __init__(self, module: nn.Module) -> None:
        self._parameters = {parameter.untyped_storage().data_ptr() for _, parameter in trainable(module)}
        self.numbers = 0

    def pack(self, tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in self._parameters:
            self.numbers += tensor.numel()
        return tensor
