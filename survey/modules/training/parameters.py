"""The trainable parameters of all runs in one flat buffer, so that an optimizer step is one element-wise operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


def trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters that are trained, by name; those that are shared once."""
    return ((name, each) for name, each in module.named_parameters() if each.requires_grad)


def count(module: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(parameter.numel() for _, parameter in trainable(module))


class Parameters:
    """Parameters and gradients of some runs of a module.

    Args:
        modules: The module of each run, all of one architecture.

    Attributes:
        flat: [runs, parameters], those of each run in the order of the module.
        gradients: The same shape.
        by_name: Views of `flat`, [runs, *shape].
        kernels: Pairs of views of `flat` and `gradients`, [runs, numbers], of the parameters with two or more
            dimensions, which penalties count: weights of linear, convolutional and recurrent layers, and embeddings,
            not biases nor the scales of a normalization.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        by_run = [torch.cat([each.detach().flatten() for _, each in trainable(module)]) for module in modules]
        self.flat = torch.stack(by_run)
        self.gradients = torch.zeros_like(self.flat)
        self.by_name: dict[str, Tensor] = {}
        self.kernels: list[tuple[Tensor, Tensor]] = []
        first = 0
        for name, parameter in trainable(modules[0]):
            part = slice(first, first + parameter.numel())
            self.by_name[name] = self.flat[:, part].view(len(modules), *parameter.shape)
            if parameter.dim() >= 2:
                self.kernels.append((self.flat[:, part], self.gradients[:, part]))
            first = part.stop

    def penalise(self, l1: float, l2: float, penalties: Tensor, factor: float, *, with_gradient: bool = True) -> None:
        """Add a penalty of the kernels, times a factor, to `penalties`, [runs], and its gradient to the gradients.

        Args:
            l1: Coefficient of sum |w|; 0 for none.
            l2: Coefficient of sum w^2, of which there is none beside the other.
            penalties: [runs], those of earlier minibatches.
            factor: What the penalties are multiplied by, but not their gradient.
            with_gradient: Whether the gradient is added.
        """
        if not l1 and not l2:
            return
        for kernel, gradient in self.kernels:
            norm = kernel.abs().sum(1) if l1 else kernel.square().sum(1)
            penalties.add_(norm, alpha=(l1 or l2) * factor)
            if with_gradient:
                gradient.add_(kernel.sign() if l1 else kernel, alpha=l1 or 2.0 * l2)
