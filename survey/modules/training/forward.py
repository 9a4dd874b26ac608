"""The forward and backward pass of the modules of all runs: as one, or one after the other.

Both read the parameters from one flat buffer and write their gradients to another; what differs is the pass alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from survey.modules.training.linear import WeightsFirst
from survey.modules.training.parameters import Parameters, trainable
from survey.networks.training import streams
from survey.networks.training.streams import Purpose


class Forward(Protocol):
    """The passes of all runs."""

    def set_training(self, is_training: bool) -> None:
        """Let layers such as BatchNorm behave as in training, or as in evaluation."""
        ...

    def __call__(self, inputs: Tensor, number: int) -> Tensor:
        """Return the outputs, [runs, rows, outputs].

        Args:
            inputs: [runs, rows, *shape].
            number: That of the pass, on which depends what a module draws by itself.
        """
        ...

    def backward(self, outputs: Tensor, gradient: Tensor) -> None:
        """Fill the gradients of the parameters from those of the outputs."""
        ...

    def buffers(self) -> dict[str, Tensor]:
        """Return the buffers by name, [runs, *shape]; they may be copies."""
        ...

    def set_buffers(self, buffers: Mapping[str, Tensor]) -> None:
        """Overwrite some of the buffers."""
        ...


class Fused:
    """All runs as one: `torch.vmap` over the forward pass, autograd outside of it.

    A module that draws by itself is refused: its draws would depend on how many runs are trained together.
    """

    def __init__(self, modules: Sequence[nn.Module], parameters: Parameters, seeds: Sequence[int]) -> None:
        self._module, self._gradients = modules[0], parameters.gradients
        self._parameters = {name: view.detach().requires_grad_() for name, view in parameters.by_name.items()}
        self._buffers = _stacked([dict(module.named_buffers()) for module in modules])
        frozen = [
            {name: each for name, each in module.named_parameters() if not each.requires_grad} for module in modules
        ]
        self._frozen = _stacked(frozen)
        self._apply = vmap(self._one, randomness="error")

    def _one(self, tensors: dict[str, Tensor], inputs: Tensor) -> Tensor:
        with WeightsFirst():
            return functional_call(self._module, tensors, (inputs,))

    def set_training(self, is_training: bool) -> None:
        """Set the mode of all runs."""
        self._module.train(is_training)

    def __call__(self, inputs: Tensor, number: int) -> Tensor:
        """Return the outputs of all runs."""
        return self._apply({**self._parameters, **self._frozen, **self._buffers}, inputs)

    def backward(self, outputs: Tensor, gradient: Tensor) -> None:
        """Fill the gradients of all runs."""
        leaves = list(self._parameters.values())
        found = torch.autograd.grad(outputs, leaves, gradient, allow_unused=True, materialize_grads=True)
        torch.cat([each.flatten(1) for each in found], dim=1, out=self._gradients)

    def buffers(self) -> dict[str, Tensor]:
        """Return the buffers themselves."""
        return self._buffers

    def set_buffers(self, buffers: Mapping[str, Tensor]) -> None:
        """Overwrite some of the buffers."""
        for name, values in buffers.items():
            self._buffers[name].copy_(values)


class OneByOne:
    """A module for each run, called one after the other; it may do whatever PyTorch can differentiate.

    Before each pass of a run PyTorch's generator is seeded by the run's seed and the number of the pass.
    """

    def __init__(self, modules: Sequence[nn.Module], parameters: Parameters, seeds: Sequence[int]) -> None:
        self._modules, self._gradients, self._seeds = modules, parameters.gradients, seeds
        for run, module in enumerate(modules):
            for name, parameter in trainable(module):
                parameter.data = parameters.by_name[name][run]  # the optimizer steps on the buffer
        self._leaves = [parameter for module in modules for _, parameter in trainable(module)]

    def set_training(self, is_training: bool) -> None:
        """Set the mode of all runs."""
        for module in self._modules:
            module.train(is_training)

    def __call__(self, inputs: Tensor, number: int) -> Tensor:
        """Return the outputs of all runs."""
        found = []
        for module, rows, seed in zip(self._modules, inputs.unbind(), self._seeds, strict=True):
            torch.manual_seed(streams.key_of(seed, Purpose.MODULE_DRAWS, number))
            found.append(module(rows))
        return torch.stack(found)

    def backward(self, outputs: Tensor, gradient: Tensor) -> None:
        """Fill the gradients of all runs."""
        found = torch.autograd.grad(outputs, self._leaves, gradient, allow_unused=True, materialize_grads=True)
        torch.cat([each.flatten() for each in found], out=self._gradients.view(-1))

    def buffers(self) -> dict[str, Tensor]:
        """Return copies of the buffers."""
        return _stacked([dict(module.named_buffers()) for module in self._modules])

    def set_buffers(self, buffers: Mapping[str, Tensor]) -> None:
        """Overwrite some of the buffers."""
        for run, module in enumerate(self._modules):
            own = dict(module.named_buffers())
            for name, values in buffers.items():
                own[name].copy_(values[run])


def _stacked(by_run: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of all runs by name, [runs, *shape]."""
    return {name: torch.stack([tensors[name].detach() for tensors in by_run]) for name in by_run[0]}
