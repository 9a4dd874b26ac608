"""Optimizers in the form of Keras, as element-wise operations on flat buffers of parameters.

Source: Keras 2.10 `keras.optimizers.optimizer_v2`, which made the BUTTER data set. PyTorch adds epsilon elsewhere.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from survey.networks.training.network import padded


class Optimizer(Protocol):
    """An optimizer bound to a flat parameter buffer and its gradients."""

    state: dict[str, Tensor]
    """Moments, by name; with `steps`, all that is needed to continue."""
    steps: int
    """Number of updates, including those of the epoch that has begun."""

    def begin_epoch(self, num_steps: int) -> None:
        """Prepare for the steps of an epoch."""
        ...

    def step(self, number: int) -> None:
        """Update the parameters in place from the gradients, in step `number` of the epoch, from 0.

        What depends on the number of updates is in arrays that `begin_epoch` fills, so that steps can be recorded.
        """
        ...


_PIECES = 36
"""Pieces of a buffer for torch's fused kernel on a GPU: as many as it takes in one launch. It uses a block of threads
for each piece, or for each 65,536 numbers of a larger one: far too few for a small buffer in one piece."""


class Adam:
    """Adam (Kingma and Ba, 2015): step = lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)."""

    beta1, beta2, epsilon = 0.9, 0.999, 1e-7

    def __init__(self, parameters: Tensor, gradients: Tensor, learning_rate: float, momentum: float = 0.0) -> None:
        self._parameters, self._gradients, self._learning_rate = parameters, gradients, learning_rate
        self.state = {"m": torch.zeros_like(parameters), "v": torch.zeros_like(parameters)}
        self._pieces = [_pieces(each) for each in (parameters, gradients, self.state["m"], self.state["v"])]
        self.steps = 0
        self._all_rates = parameters.new_empty(0)
        self._rates: tuple[Tensor, ...] = ()
        self._late = torch.full((), 1e9, device=parameters.device)

    def begin_epoch(self, num_steps: int) -> None:
        """Compute the step sizes of an epoch, lr sqrt(1 - beta2^t) / (1 - beta1^t)."""
        t = torch.arange(self.steps + 1, self.steps + num_steps + 1, dtype=torch.float64)
        rates = self._learning_rate * (1.0 - self.beta2**t).sqrt() / (1.0 - self.beta1**t)
        self.steps += num_steps
        if len(self._rates) != num_steps:
            # torch's kernel for GPUs needs float32.
            dtype = torch.float64 if self._parameters.device.type == "cpu" else torch.float32
            self._all_rates = torch.empty(num_steps, dtype=dtype, device=self._parameters.device)
            self._rates = self._all_rates.unbind()
        self._all_rates.copy_(rates)

    def step(self, number: int) -> None:
        """Update the parameters in place.

        torch's fused kernel reads and writes each buffer once. It corrects for bias elsewhere than Keras, so its step
        count is set so high that it corrects nothing, and it gets the step size of Keras.
        """
        torch._fused_adam_(  # pyright: ignore[reportPrivateImportUsage, reportCallIssue]
            *self._pieces,
            [],
            [self._late] * len(self._pieces[0]),
            lr=self._rates[number],  # pyright: ignore[reportArgumentType] (an overload takes tensors)
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=0.0,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )


def _pieces(flat: Tensor) -> list[Tensor]:
    """Views of a buffer for torch's fused kernel."""
    if flat.device.type == "cpu":
        return [flat]
    return list(flat.split(padded(-(-len(flat) // _PIECES))))


class RMSprop:
    """RMSprop (Hinton, 2012), rho 0.9, as in Keras up to 2.10; with momentum, epsilon is under the root."""

    rho, epsilon = 0.9, 1e-7

    def __init__(self, parameters: Tensor, gradients: Tensor, learning_rate: float, momentum: float = 0.0) -> None:
        self._parameters, self._gradients = parameters, gradients
        self._learning_rate, self._momentum = learning_rate, momentum
        self._scratch = torch.empty_like(parameters)
        self.state = {"v": torch.zeros_like(parameters)}
        if momentum:
            self.state["m"] = torch.zeros_like(parameters)
        self.steps = 0

    def begin_epoch(self, num_steps: int) -> None:
        """Count the steps."""
        self.steps += num_steps

    def step(self, number: int) -> None:
        """Update the parameters in place."""
        gradients, v = self._gradients, self.state["v"]
        v.mul_(self.rho).addcmul_(gradients, gradients, value=1.0 - self.rho)
        if self._momentum:
            torch.add(v, self.epsilon, out=self._scratch).sqrt_()
            m = self.state["m"].mul_(self._momentum).addcdiv_(gradients, self._scratch, value=self._learning_rate)
            self._parameters.sub_(m)
        else:
            torch.sqrt(v, out=self._scratch).add_(self.epsilon)
            self._parameters.addcdiv_(gradients, self._scratch, value=-self._learning_rate)


class SGD:
    """Stochastic gradient descent; with momentum m = mu m - lr g, w += m."""

    def __init__(self, parameters: Tensor, gradients: Tensor, learning_rate: float, momentum: float = 0.0) -> None:
        self._parameters, self._gradients = parameters, gradients
        self._learning_rate, self._momentum = learning_rate, momentum
        self.state = {"m": torch.zeros_like(parameters)} if momentum else {}
        self.steps = 0

    def begin_epoch(self, num_steps: int) -> None:
        """Count the steps."""
        self.steps += num_steps

    def step(self, number: int) -> None:
        """Update the parameters in place."""
        if self._momentum:
            m = self.state["m"].mul_(self._momentum).sub_(self._gradients, alpha=self._learning_rate)
            self._parameters.add_(m)
        else:
            self._parameters.sub_(self._gradients, alpha=self._learning_rate)


OPTIMIZERS: dict[str, type[Adam] | type[RMSprop] | type[SGD]] = {"adam": Adam, "RMSprop": RMSprop, "SGD": SGD}
"""Optimizers by their names in the data set."""
