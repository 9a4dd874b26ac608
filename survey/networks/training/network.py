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

from survey.networks.training.dropout import Dropout
from survey.networks.training.memory import Memory
from survey.networks.training.normalization import LayerNorm
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
        normalization: `layer` for a `LayerNorm` of each hidden layer's product, before its activation; else `none`.
        dropout: Probability with which each output of a hidden layer is dropped, after its activation and before its
            input is added, while it trains.
    """

    num_inputs: int
    widths: tuple[int, ...]
    residual: tuple[bool, ...]
    activation: str = "relu"
    normalization: str = "none"
    dropout: float = 0.0

    @property
    def fan_ins(self) -> tuple[int, ...]:
        """Number of inputs of each layer."""
        return (self.num_inputs, *self.widths[:-1])


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
        norms: The normalization of each hidden layer, which computes `z` from its product; empty without.
        dropout: What drops units of this minibatch; None without, and where nothing is trained.
    """

    def __init__(self, network: Network, num_valid: int, memory: Memory, *, trains: bool) -> None:
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
        drops = trains and architecture.dropout and hidden
        self.dropout = Dropout(architecture.dropout, hidden, runs, rows, memory) if drops else None
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
            if adds_input or self.dropout or not activation.keeps_output:
                z = kept = memory.zeros(f"z{k}", *h.shape)
            else:
                z, kept = h if takes_strided_results(*operands[k]) else scratch[0], h
            self.z.append(z)
            self.kept.append(kept)
        results = self.z
        if architecture.normalization == "layer":
            results = [memory.zeros(f"normalized{k}", *z.shape) for k, z in enumerate(self.z)]
        # Layers of the same width share the place for intermediate results.
        self.norms = [
            LayerNorm(x, z, *own, memory.zeros("norm scratch", *z.shape))
            for x, z, own in zip(results, self.z, network.norms, strict=False)
        ]
        results = [*results, self.logits]
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
            for gradient, x, out in zip(self.z_gradient, layer_inputs, network.all_gradients[:num_layers], strict=True)
        ]
        self.input_products = [
            product(network.weights[k][:, :, :-1].transpose(1, 2), self.z_gradient[k], self.h_gradient[k - 1])
            for k in range(1, num_layers)
        ]


class Network:
    """The parameters of a chunk of runs, their gradients, and the forward and backward pass.

    Attributes:
        parameters: Flat buffer of all runs' parameters, layer after layer, padding zeros included; then the gain and
            shift of each normalization.
        gradients: Flat buffer of the same layout.
        weights: Views of `parameters`, [runs, fan_out, fan_in + 1] for each layer; the last column is the bias.
        weight_gradients: Views of `gradients`, likewise.
        all_gradients: The same with the zeros, [runs, fan_out, columns(fan_in)], then those of the normalizations.
        norms: Views of `parameters` and `gradients`, [runs, 2, width], of each normalization; empty without.
    """

    def __init__(
        self, architecture: Architecture, num_runs: int, *, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        self.architecture = architecture
        self.num_runs = num_runs
        layers = zip(architecture.widths, map(columns, architecture.fan_ins), strict=True)
        self._shapes = [(num_runs, fan_out, all_columns) for fan_out, all_columns in layers]
        if architecture.normalization == "layer":
            self._shapes += [(num_runs, 2, width) for width in architecture.widths[:-1]]
        count = sum(math.prod(shape) for shape in self._shapes)
        self.parameters = torch.zeros(padded(count), dtype=dtype, device=device)
        self.gradients = torch.zeros_like(self.parameters)
        self.all_gradients = self._with_zeros(self.gradients)
        num_layers, all_parameters = len(architecture.widths), self._with_zeros(self.parameters)
        self.norms = list(zip(all_parameters[num_layers:], self.all_gradients[num_layers:], strict=True))
        for gain_and_shift, _ in self.norms:
            gain_and_shift[:, 0] = 1.0
        self.weights = self.by_layer(self.parameters)[:num_layers]
        self.weight_gradients = self.by_layer(self.gradients)[:num_layers]
        self._activation = ACTIVATIONS[architecture.activation]

    def _with_zeros(self, flat: Tensor) -> list[Tensor]:
        """Views of a flat buffer, [runs, fan_out, columns] for each layer, then [runs, 2, width] for each norm."""
        ends = accumulate(math.prod(shape) for shape in self._shapes)
        return [flat[end - math.prod(shape) : end].view(shape) for end, shape in zip(ends, self._shapes, strict=True)]

    def by_layer(self, flat: Tensor) -> list[Tensor]:
        """Views of a flat buffer in the layout of `parameters`.

        Returns:
            [runs, fan_out, fan_in + 1] for each layer, then [runs, 2, width] for each normalization.
        """
        blocks, fan_ins = self._with_zeros(flat), self.architecture.fan_ins
        layers = zip(blocks, fan_ins, strict=False)
        return [*(each[:, :, : fan_in + 1] for each, fan_in in layers), *blocks[len(fan_ins) :]]

    def set_parameters(self, run: int, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Set one run's parameters from `(kernel [fan_in, fan_out], bias [fan_out])` for each layer."""
        for weight, (kernel, bias) in zip(self.weights, layers, strict=True):
            weight[run, :, :-1] = kernel.T
            weight[run, :, -1] = bias

    def workspace(self, num_valid: int, memory: Memory | None = None, *, trains: bool = True) -> Workspace:
        """Allocate a workspace for minibatches of `num_valid` rows, in `memory` that others use at other times.

        One that does not train drops no units.
        """
        return Workspace(self, num_valid, memory or Memory(self.parameters), trains=trains)

    def forward(self, work: Workspace) -> Tensor:
        """Compute `work.logits` from `work.inputs`, and return them: [runs, num_outputs, rows]."""
        for k, multiply in enumerate(work.forward_products):
            multiply()
            if k == len(work.h):
                break
            if work.norms:
                work.norms[k].forward()
            self._activate(work, k)
        return work.logits

    def _activate(self, work: Workspace, k: int) -> None:
        """Compute the output of a hidden layer from `z`."""
        adds_input = self.architecture.residual[k]
        if not adds_input and not work.dropout:
            self._activation.forward(work.z[k], work.h[k])
            return
        # Here, what is kept for the backward pass is not the output.
        active = work.z[k] if self._activation.keeps_output else work.h[k]
        self._activation.forward(work.z[k], active)
        if work.dropout:
            active = torch.mul(active, work.dropout.masks[k], out=work.h[k])
        if adds_input:
            torch.add(active, work.h[k - 1], out=work.h[k])

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
            gradient = work.h_gradient[k - 1]
            if work.dropout:
                gradient = torch.mul(gradient, work.dropout.masks[k - 1], out=work.z_gradient[k - 1])
            self._activation.backward(gradient, work.kept[k - 1], work.z_gradient[k - 1])
            if work.norms:
                work.norms[k - 1].backward(work.z_gradient[k - 1])
