"""Dense networks of many runs at once: forward and hand-written backward in batched matrix products.

All runs have the same layer widths. The parameters of a layer are one block [runs, fan_out, fan_in + 1] whose last
column is the bias, and the blocks of all layers lie in one flat buffer, so that an optimizer step is one element-wise
operation. Activations are stored features first, [runs, width + 1, rows] with a last row of ones: the bias then costs
no pass of its own, forward or backward, and the vectorised axis of every element-wise operation is the long one.

In memory both have some more columns and rows, of zeros, see `columns`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

_aten = torch.ops.aten


_VECTOR = 32
"""Elements that element-wise loops of torch take at a time: two vectors of AVX-512, or several smaller ones."""

_COLUMNS = 8
"""Elements that matrix products take at a time along a row of their result, at least: a vector of AVX."""


def padded(count: int) -> int:
    """Round up to whole vectors.

    torch computes what is left over at the end of an array by other instructions, which round differently. Where there
    are no left-overs, a run's numbers do not hang on where in a bundle it stands: bundles give bit for bit what their
    runs give alone.
    """
    return -(-count // _VECTOR) * _VECTOR


def columns(fan_in: int) -> int:
    """Columns in memory of the weights of a layer: its inputs, the bias, and zeros up to whole vectors.

    The gradient of the weights, [fan_out, rows] x [rows, columns], is a third faster for it in narrow layers (19
    columns against 24). And each run's matrix begins at a whole vector: from other places MKL may round differently.
    """
    return -(-(fan_in + 1) // _COLUMNS) * _COLUMNS


@dataclass(frozen=True)
class Activation:
    """A hidden layer's activation.

    Attributes:
        forward: `forward(z, out)` writes act(z) to `out`.
        backward: `backward(gradient, z)` overwrites z with gradient * act'(z).
    """

    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor], object]


def _tanh_backward(gradient: Tensor, z: Tensor) -> None:
    _aten.tanh_backward.grad_input(gradient, z.tanh_(), grad_input=z)


def _sigmoid_backward(gradient: Tensor, z: Tensor) -> None:
    _aten.sigmoid_backward.grad_input(gradient, z.sigmoid_(), grad_input=z)


ACTIVATIONS = {
    "relu": Activation(
        lambda z, out: torch.clamp_min(z, 0, out=out),
        lambda g, z: _aten.threshold_backward.grad_input(g, z, 0, grad_input=z),
    ),
    "tanh": Activation(lambda z, out: torch.tanh(z, out=out), _tanh_backward),
    "sigmoid": Activation(lambda z, out: torch.sigmoid(z, out=out), _sigmoid_backward),
    "gelu": Activation(
        # Not `gelu.out`, which in float32 writes to the wrong places of an `out` that is not contiguous (torch 2.13).
        lambda z, out: out.copy_(torch.nn.functional.gelu(z)),
        lambda g, z: _aten.gelu_backward.grad_input(g, z, grad_input=z),
    ),
    "elu": Activation(
        lambda z, out: _aten.elu.out(z, out=out),
        lambda g, z: _aten.elu_backward.grad_input(g, 1, 1, 1, False, z, grad_input=z),
    ),
    "swish": Activation(
        lambda z, out: _aten.silu.out(z, out=out),
        lambda g, z: _aten.silu_backward.grad_input(g, z, grad_input=z),
    ),
}
"""Activations of hidden layers, by the name that Keras gives them."""


@dataclass(frozen=True)
class Architecture:
    """What the networks of a bundle have in common.

    Attributes:
        num_inputs: Number of input features.
        widths: Width of each layer, the output layer last.
        residual: For each layer, whether it adds its input to its output after the activation.
        activation: Name of the hidden layers' activation.
    """

    num_inputs: int
    widths: tuple[int, ...]
    residual: tuple[bool, ...]
    activation: str = "relu"

    @property
    def fan_ins(self) -> tuple[int, ...]:
        """Number of inputs of each layer."""
        return (self.num_inputs, *self.widths[:-1])

    @property
    def num_parameters(self) -> int:
        """Number of weights and biases of one run."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in zip(self.fan_ins, self.widths, strict=True))


class Workspace:
    """Activations of one minibatch of a given number of rows, for all runs of a chunk.

    Attributes:
        inputs: [runs * rows, columns(num_inputs)], to be filled before `Network.forward`: features, a column of ones,
            and zeros.
        rows: Rows that there is room for, of each run.
        num_valid: How many of them the minibatch has; the others are padding, whose gradients are to be zero.
    """

    def __init__(self, architecture: Architecture, num_runs: int, num_valid: int, like: Tensor) -> None:
        hidden = architecture.widths[:-1]
        rows = padded(num_valid)
        self.rows, self.num_valid = rows, num_valid
        self.inputs = like.new_empty(num_runs * rows, columns(architecture.num_inputs))
        by_run = self.inputs.view(num_runs, rows, -1)
        self.z = [like.new_zeros(num_runs, width, rows) for width in architecture.widths]
        h = [like.new_zeros(num_runs, columns(width), rows) for width in hidden]
        for each, width in zip(h, hidden, strict=True):
            each[:, width] = 1.0
        self.h_body = [each[:, :width] for each, width in zip(h, hidden, strict=True)]
        # What enters each layer: features first for the forward pass, and rows first, zeros included, for the backward.
        features_first = [by_run.transpose(1, 2), *h]
        self.layer_input = [
            each[:, : fan_in + 1] for each, fan_in in zip(features_first, architecture.fan_ins, strict=True)
        ]
        self.layer_input_rows_first = [by_run, *(each.transpose(1, 2) for each in h)]
        scratch = like.new_empty(num_runs * max(hidden, default=0) * rows)
        self.h_gradient = [scratch[: num_runs * w * rows].view(num_runs, w, rows) for w in hidden]


class Network:
    """The parameters of a chunk of runs, their gradients, and how the two come about.

    Attributes:
        parameters: Flat buffer of all runs' parameters, layer after layer, zeros included.
        gradients: Flat buffer of the same layout.
        weights: Views of `parameters`, [runs, fan_out, fan_in + 1] for each layer; the last column is the bias.
        weight_gradients: Views of `gradients`, likewise.
    """

    def __init__(
        self, architecture: Architecture, num_runs: int, *, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        self.architecture = architecture
        self.num_runs = num_runs
        layers = zip(architecture.widths, map(columns, architecture.fan_ins), strict=True)
        self._shapes = [(num_runs, fan_out, all_columns) for fan_out, all_columns in layers]
        count = sum(math.prod(shape) for shape in self._shapes)
        self.parameters = torch.zeros(padded(count), dtype=dtype, device=device)
        self.gradients = torch.zeros_like(self.parameters)
        self._all_gradients = self._with_zeros(self.gradients)
        self.weights, self.weight_gradients = self.by_layer(self.parameters), self.by_layer(self.gradients)
        self._kernels_transposed = [weight[:, :, :-1].transpose(1, 2) for weight in self.weights]
        self._activation = ACTIVATIONS[architecture.activation]

    def _with_zeros(self, flat: Tensor) -> list[Tensor]:
        """Views of a flat buffer, [runs, fan_out, columns] for each layer."""
        ends = accumulate(math.prod(shape) for shape in self._shapes)
        return [flat[end - math.prod(shape) : end].view(shape) for end, shape in zip(ends, self._shapes, strict=True)]

    def by_layer(self, flat: Tensor) -> list[Tensor]:
        """Views of a flat buffer in the layout of `parameters`, [runs, fan_out, fan_in + 1] for each layer."""
        layers = zip(self._with_zeros(flat), self.architecture.fan_ins, strict=True)
        return [each[:, :, : fan_in + 1] for each, fan_in in layers]

    def set_parameters(self, run: int, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Set one run's parameters from `(kernel [fan_in, fan_out], bias [fan_out])` for each layer."""
        for weight, (kernel, bias) in zip(self.weights, layers, strict=True):
            weight[run, :, :-1] = kernel.T
            weight[run, :, -1] = bias

    def get_parameters(self, run: int) -> list[tuple[Tensor, Tensor]]:
        """Return copies of one run's parameters, in the layout that `set_parameters` takes."""
        return [(weight[run, :, :-1].T.clone(), weight[run, :, -1].clone()) for weight in self.weights]

    def workspace(self, num_valid: int) -> Workspace:
        """Make room for minibatches of `num_valid` rows."""
        return Workspace(self.architecture, self.num_runs, num_valid, like=self.parameters)

    def forward(self, work: Workspace) -> Tensor:
        """Compute what the output layer gives before its activation, from `work.inputs`.

        Returns:
            [runs, num_outputs, rows], valid until the next call with this workspace.
        """
        residual = self.architecture.residual
        for k, weight in enumerate(self.weights):
            torch.bmm(weight, work.layer_input[k], out=work.z[k])
            if k < len(work.h_body):
                self._activation.forward(work.z[k], work.h_body[k])
                if residual[k]:
                    work.h_body[k].add_(work.h_body[k - 1])
        return work.z[-1]

    def backward(self, work: Workspace, output_gradient: Tensor) -> None:
        """Fill `gradients` after a `forward` with this workspace, whose activations it uses up.

        Args:
            work: The workspace of the forward pass.
            output_gradient: [runs, num_outputs, rows], contiguous: the gradient of each row's loss by what `forward`
                returned, and zero for padding. The gradients are means over the rows.
        """
        residual = self.architecture.residual
        gradient = output_gradient
        for k in range(len(self.weights) - 1, -1, -1):
            self._all_gradients[k].baddbmm_(
                gradient, work.layer_input_rows_first[k], beta=0, alpha=1.0 / work.num_valid
            )
            if k == 0:
                return
            h_gradient = work.h_gradient[k - 1]
            if residual[k]:
                # The layer hands its own output's gradient on, which lies in the same memory, as the widths agree.
                h_gradient.baddbmm_(self._kernels_transposed[k], gradient)
            else:
                torch.bmm(self._kernels_transposed[k], gradient, out=h_gradient)
            gradient = work.z[k - 1]
            self._activation.backward(h_gradient, gradient)
