"""Dense networks of many runs at once: forward and hand-written backward in batched matrix products.

All runs have the same layer widths. The parameters of a layer are one block [runs, fan_out, fan_in + 1] whose last
column is the bias, and the blocks of all layers lie in one flat buffer, so that an optimizer step is one element-wise
operation. Activations are stored features first, [runs, width + 1, rows] with a last row of ones: the bias then needs
no separate pass, forward or backward, and the vectorised axis of every element-wise operation is the long one.

In memory both are padded with columns and rows of zeros, see `columns`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from survey.networks.training.products import product, takes_strided_results

_aten = torch.ops.aten

_VECTOR = 32
"""Elements that torch's element-wise loops process at a time: two vectors of AVX-512, or several smaller ones."""

_COLUMNS = 8
"""Elements that matrix products process at a time along a row of their result, at least: a vector of AVX."""


def padded(count: int) -> int:
    """Round up to whole vectors.

    torch computes the rest at the end of an array with other instructions, which round differently. Without one, a
    run's numbers do not depend on its place in a bundle: bundles give bit for bit what their runs give alone.
    """
    return -(-count // _VECTOR) * _VECTOR


def columns(fan_in: int) -> int:
    """Return the columns in memory of a layer's weights: its inputs, the bias, and zeros up to whole vectors.

    The padding makes the gradient of the weights, [fan_out, rows] x [rows, columns], a third faster in narrow layers
    (19 columns against 24). And each run's matrix starts at a whole vector: elsewhere MKL may round differently.
    """
    return -(-(fan_in + 1) // _COLUMNS) * _COLUMNS


@dataclass(frozen=True)
class Activation:
    """A hidden layer's activation.

    Attributes:
        forward: `forward(z, out)` writes act(z) to `out`, which may be z itself.
        backward: `backward(gradient, kept, out)` writes gradient * act'(z) to `out`, which may be the gradient itself.
        keeps_output: Whether `kept` is act(z), which is stored anyway, or z.
    """

    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor, Tensor], object]
    keeps_output: bool = True


ACTIVATIONS = {
    "relu": Activation(
        lambda z, out: torch.clamp_min(z, 0, out=out),
        lambda g, h, out: _aten.threshold_backward.grad_input(g, h, 0, grad_input=out),
    ),
    "tanh": Activation(
        lambda z, out: torch.tanh(z, out=out),
        lambda g, h, out: _aten.tanh_backward.grad_input(g, h, grad_input=out),
    ),
    "sigmoid": Activation(
        lambda z, out: torch.sigmoid(z, out=out),
        lambda g, h, out: _aten.sigmoid_backward.grad_input(g, h, grad_input=out),
    ),
    "elu": Activation(
        lambda z, out: _aten.elu.out(z, out=out),
        lambda g, h, out: _aten.elu_backward.grad_input(g, 1, 1, 1, True, h, grad_input=out),
    ),
    "gelu": Activation(
        # Not `gelu.out`, which in float32 writes to the wrong places of an `out` that is not contiguous (torch 2.13).
        lambda z, out: out.copy_(torch.nn.functional.gelu(z)),
        lambda g, z, out: _aten.gelu_backward.grad_input(g, z, grad_input=out),
        keeps_output=False,
    ),
    "swish": Activation(
        lambda z, out: _aten.silu.out(z, out=out),
        lambda g, z, out: _aten.silu_backward.grad_input(g, z, grad_input=out),
        keeps_output=False,
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


class Memory:
    """Arrays that the chunks of a bundle use one after the other: one for each name and shape."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._arrays: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def zeros(self, name: str, *shape: int) -> Tensor:
        """Return the array of this name and shape; on its first use it is all zeros."""
        return self._arrays.setdefault((name, shape), self._like.new_zeros(shape))


class Workspace:
    """Activations and gradients of one minibatch of a given number of rows, for all runs of a chunk.

    Attributes:
        inputs: [runs * rows, columns(num_inputs)], to be filled before `Network.forward`: features, a column of ones,
            and zeros.
        rows: Rows of each run, padding included.
        num_valid: How many of them the minibatch has; the others are padding, whose gradients must be zero.
        h: [runs, width, rows], the output of each hidden layer.
        logits: [runs, outputs, rows], the output layer's product, before its activation.
        logits_gradient: [runs, outputs, rows], to be filled before `Network.backward`.
        z: [runs, width, rows] for each hidden layer, its product before the activation; it may share memory with `h`,
            or with the `z` of another layer.
        kept: [runs, width, rows] for each hidden layer, from which its activation's gradient is computed: `z` or `h`.
        h_gradient: For each layer, the gradient with respect to its output, in the same shape.
        z_gradient: For each layer, that with respect to its product, likewise; may share memory with `h_gradient`.
        forward_products: The product of each layer: weights with biases, times its inputs.
        weight_products: The product that writes the gradient of each layer's weights to `Network.all_gradients`.
        input_products: The product that computes the gradient with respect to the inputs of each layer but the first.
    """

    def __init__(self, network: Network, num_valid: int, memory: Memory) -> None:
        architecture, runs = network.architecture, network.num_runs
        hidden, rows = architecture.widths[:-1], padded(num_valid)
        self.rows, self.num_valid = rows, num_valid
        self.inputs = memory.zeros("inputs", runs * rows, columns(architecture.num_inputs))
        self.logits = memory.zeros("logits", runs, architecture.widths[-1], rows)
        self.logits_gradient = memory.zeros("logits_gradient", runs, architecture.widths[-1], rows)
        all_h = [memory.zeros(f"h{k}", runs, columns(width), rows) for k, width in enumerate(hidden)]
        for each, width in zip(all_h, hidden, strict=True):
            each[:, width] = 1.0  # for the bias
        self.h = [each[:, :width] for each, width in zip(all_h, hidden, strict=True)]
        # Temporary results of layers alternate between two arrays, or three.
        num_scratch = 3 if any(architecture.residual) else 2
        scratch = memory.zeros("scratch", num_scratch, runs * max(hidden, default=0) * rows)
        self._scratch = [[each[: runs * w * rows].view(runs, w, rows) for each in scratch] for w in hidden]
        # Inputs of each layer: features first for the forward pass, and rows first, zeros included, for the backward.
        by_run = self.inputs.view(runs, rows, -1)
        self._set_up_forward(network, [by_run.transpose(1, 2), *all_h], memory)
        self._set_up_backward(network, [by_run, *(each.transpose(1, 2) for each in all_h)])

    def _set_up_forward(self, network: Network, layer_inputs: list[Tensor], memory: Memory) -> None:
        """Choose the memory of each layer's product, `z`, and what the backward pass needs of it, `kept`."""
        architecture, activation = network.architecture, ACTIVATIONS[network.architecture.activation]
        self.z: list[Tensor] = []
        self.kept: list[Tensor] = []
        pairs = zip(network.weights, layer_inputs, architecture.fan_ins, strict=True)
        operands = [(weight, x[:, : fan_in + 1]) for weight, x, fan_in in pairs]
        layers = zip(self.h, self._scratch, architecture.residual, strict=False)
        for k, (h, scratch, adds_input) in enumerate(layers):
            if adds_input or not activation.keeps_output:
                z = kept = memory.zeros(f"z{k}", *h.shape)
            else:
                z, kept = h if takes_strided_results(*operands[k]) else scratch[0], h
            self.z.append(z)
            self.kept.append(kept)
        results = [*self.z, self.logits]
        self.forward_products = [product(*each, out) for each, out in zip(operands, results, strict=True)]

    def _set_up_backward(self, network: Network, layer_inputs: list[Tensor]) -> None:
        """Choose the memory of the gradients `h_gradient` and `z_gradient`."""
        num_layers, residual = len(network.weights), network.architecture.residual
        self.h_gradient: list[Tensor] = [self.logits_gradient] * num_layers
        self.z_gradient: list[Tensor] = [self.logits_gradient] * num_layers
        in_use: set[int] = set()
        for k in range(num_layers - 2, -1, -1):
            place = next(each for each in range(3) if each not in in_use)
            # A layer that adds its input passes its output's gradient on, which must not be overwritten.
            other = (place + 1) % 3 if residual[k] else place
            self.h_gradient[k], self.z_gradient[k] = self._scratch[k][place], self._scratch[k][other]
            in_use = {place, other}
        self.weight_products = [
            product(gradient, x, out)
            for gradient, x, out in zip(self.z_gradient, layer_inputs, network.all_gradients, strict=True)
        ]
        self.input_products = [
            product(network.weights[k][:, :, :-1].transpose(1, 2), self.z_gradient[k], self.h_gradient[k - 1])
            for k in range(1, num_layers)
        ]


class Network:
    """The parameters of a chunk of runs, their gradients, and the forward and backward pass.

    Attributes:
        parameters: Flat buffer of all runs' parameters, layer after layer, padding zeros included.
        gradients: Flat buffer of the same layout.
        weights: Views of `parameters`, [runs, fan_out, fan_in + 1] for each layer; the last column is the bias.
        weight_gradients: Views of `gradients`, likewise.
        all_gradients: The same with the zeros, [runs, fan_out, columns(fan_in)].
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
        self.all_gradients = self._with_zeros(self.gradients)
        self.weights, self.weight_gradients = self.by_layer(self.parameters), self.by_layer(self.gradients)
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

    def workspace(self, num_valid: int, memory: Memory | None = None) -> Workspace:
        """Allocate a workspace for minibatches of `num_valid` rows, in `memory` that others use at other times."""
        return Workspace(self, num_valid, memory or Memory(self.parameters))

    def forward(self, work: Workspace) -> Tensor:
        """Compute `work.logits` from `work.inputs`, and return them: [runs, num_outputs, rows]."""
        for k, multiply in enumerate(work.forward_products):
            multiply()
            if k == len(work.h):
                break
            if self.architecture.residual[k]:
                # Here, what is kept for the backward pass is not the output.
                self._activation.forward(work.z[k], work.z[k] if self._activation.keeps_output else work.h[k])
                torch.add(work.z[k] if self._activation.keeps_output else work.h[k], work.h[k - 1], out=work.h[k])
            else:
                self._activation.forward(work.z[k], work.h[k])
        return work.logits

    def backward(self, work: Workspace) -> None:
        """Fill `gradients` from `work.logits_gradient`, after a `forward` with this workspace."""
        for k in range(len(self.weights) - 1, -1, -1):
            work.weight_products[k]()  # z_gradient[k] times the layer's inputs
            if k == 0:
                return
            work.input_products[k - 1]()  # the layer's kernel, transposed, times z_gradient[k]
            if self.architecture.residual[k]:
                # The layer's input was added to its output; their widths are equal.
                work.h_gradient[k - 1].add_(work.h_gradient[k])
            self._activation.backward(work.h_gradient[k - 1], work.kept[k - 1], work.z_gradient[k - 1])
