"""Layer normalization of many runs at once, with a hand-written backward pass."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-5
"""Added to the variance, as in `torch.nn.LayerNorm`."""


class LayerNorm:
    """Normalizes the units of a hidden layer in each row (Ba, Kiros and Hinton, 2016), as `torch.nn.LayerNorm` does.

    y = gain * (x - mean) / sqrt(variance + epsilon) + shift, with mean and variance over the units of the layer.

    Args:
        x: [runs, width, rows], the layer's product, which is overwritten with its normalized values.
        y: The same shape, for the result.
        parameters: [runs, 2, width], gain and shift.
        gradients: The same shape, for their gradients.
        scratch: The shape of x, for intermediate results.
    """

    def __init__(self, x: Tensor, y: Tensor, parameters: Tensor, gradients: Tensor, scratch: Tensor) -> None:
        self._x, self._y, self._scratch = x, y, scratch
        self._gain, self._shift = (each[:, :, None] for each in parameters.unbind(1))  # [runs, width, 1]
        self._gain_gradient, self._shift_gradient = gradients.unbind(1)
        self._inverse = x.new_empty(x.shape[0], 1, x.shape[2])  # of the standard deviation of each row

    def forward(self) -> None:
        """Compute y from x."""
        x, scratch, width = self._x, self._scratch, self._x.shape[1]
        x.sub_(x.sum(1, keepdim=True).div_(width))
        torch.mul(x, x, out=scratch)
        torch.sum(scratch, 1, keepdim=True, out=self._inverse)
        self._inverse.div_(width).add_(EPSILON).rsqrt_()
        x.mul_(self._inverse)
        torch.mul(x, self._gain, out=self._y)
        self._y.add_(self._shift)

    def backward(self, gradient: Tensor) -> None:
        """Turn the gradient with respect to y, [runs, width, rows], into that with respect to the product, in place.

        The gradients of gain and shift are set, too. Rows that are padding must have a gradient of zero.
        """
        x, scratch, width = self._x, self._scratch, self._x.shape[1]
        torch.mul(gradient, x, out=scratch)
        torch.sum(scratch, 2, out=self._gain_gradient)
        torch.sum(gradient, 2, out=self._shift_gradient)
        along = scratch.mul_(self._gain).sum(1, keepdim=True).div_(width)
        gradient.mul_(self._gain)
        gradient.sub_(gradient.sum(1, keepdim=True).div_(width))
        gradient.sub_(torch.mul(x, along, out=scratch)).mul_(self._inverse)
