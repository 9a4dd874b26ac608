"""The states of all runs, as cores of our own take them: a flat buffer for the parameters, and one for each moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from survey.networks.training import streams


class RunStates:
    """Parameters and moments of all runs.

    Args:
        names: Names of the buffers, `parameters` first.
        num_inputs: Inputs of the network.
        widths: Width of each layer.
        num_runs: Number of runs.
        columns_of: The columns in memory of a layer's weights, from its number of inputs: those, the bias, and zeros.
        multiple: To which the numbers of a run are rounded up, with zeros.
        device: Where they are.

    Attributes:
        buffers: float32 [runs, numbers] by name: of each layer [fan_out, columns], the bias after the inputs.
    """

    def __init__(
        self,
        names: Sequence[str],
        num_inputs: int,
        widths: Sequence[int],
        num_runs: int,
        *,
        columns_of: Callable[[int], int] = lambda fan_in: fan_in + 1,
        multiple: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        self._num_inputs, self._widths = num_inputs, widths
        self._layers = [(fan_in, columns_of(fan_in), fan_out) for fan_in, fan_out in pairwise((num_inputs, *widths))]
        count = sum(columns * fan_out for _, columns, fan_out in self._layers)
        shape = num_runs, -(-count // multiple) * multiple
        self.buffers = {name: torch.zeros(shape, device=device) for name in names}

    @property
    def size(self) -> int:
        """Numbers of a run in each buffer."""
        return self.buffers["parameters"].shape[1]

    def draw(self, seeds: Sequence[int], initialization: str) -> None:
        """Set the parameters to the initial ones of these seeds, one for each run."""
        for run, seed in enumerate(seeds):
            drawn = streams.initial_parameters(self._widths, self._num_inputs, seed=seed, initialization=initialization)
            for weight, (kernel, bias) in zip(self._by_layer("parameters"), drawn, strict=True):
                weight[run, :, :-1] = kernel.T
                weight[run, :, -1] = bias

    def _by_layer(self, name: str) -> list[Tensor]:
        """Views of a buffer, [runs, fan_out, fan_in + 1] for each layer."""
        found, first = [], 0
        for fan_in, columns, fan_out in self._layers:
            end = first + fan_out * columns
            found.append(self.buffers[name][:, first:end].unflatten(1, (fan_out, columns))[:, :, : fan_in + 1])
            first = end
        return found

    def tensors(self) -> dict[str, list[Tensor]]:
        """Copy them to the CPU: by name, [runs, fan_out, fan_in + 1] for each layer."""
        return {name: [each.cpu().clone() for each in self._by_layer(name)] for name in self.buffers}

    def load(self, tensors: dict[str, list[Tensor]]) -> None:
        """Set them to what `tensors` of states of the same runs has returned."""
        for name in self.buffers:
            for layer, saved in zip(self._by_layer(name), tensors[name], strict=True):
                layer.copy_(saved)
