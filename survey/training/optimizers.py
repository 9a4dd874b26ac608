"""Optimizers in the form of Keras, as element-wise operations on flat buffers of parameters.

Source: Keras 2.10 `keras.optimizers.optimizer_v2`, which made the BUTTER data set. PyTorch differs in where epsilon
stands.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Optimizer(Protocol):
    """An optimizer bound to a flat parameter buffer and its gradients."""

    state: dict[str, Tensor]
    """Moments, by name; with `steps` all that is needed to go on."""
    steps: int
    """Number of updates so far."""

    def step(self) -> None:
        """Update the parameters in place from the gradients."""
        ...


class Adam:
    """Adam (Kingma and Ba, 2015): step = lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)."""

    beta1, beta2, epsilon = 0.9, 0.999, 1e-7

    def __init__(self, parameters: Tensor, gradients: Tensor, learning_rate: float, momentum: float = 0.0) -> None:
        self._parameters, self._gradients, self._learning_rate = parameters, gradients, learning_rate
        self.state = {"m": torch.zeros_like(parameters), "v": torch.zeros_like(parameters)}
        self.steps = 0
        self._steps = torch.zeros((), device=parameters.device)

    def step(self) -> None:
        """Update the parameters in place.

        torch's fused kernel reads and writes each buffer once. It divides sqrt(v) by sqrt(1 - beta2^t) before it adds
        epsilon, so it is given epsilon / sqrt(1 - beta2^t), which makes its step Keras's.
        """
        self.steps += 1
        torch._fused_adam_(  # pyright: ignore[reportPrivateImportUsage]
            [self._parameters],
            [self._gradients],
            [self.state["m"]],
            [self.state["v"]],
            [],
            [self._steps.fill_(self.steps)],
            lr=self._learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=0.0,
            eps=self.epsilon / math.sqrt(1.0 - self.beta2**self.steps),
            amsgrad=False,
            maximize=False,
        )


class RMSprop:
    """RMSprop (Hinton, 2012), rho 0.9, as in Keras up to 2.10; with momentum, epsilon stands under the root."""

    rho, epsilon = 0.9, 1e-7

    def __init__(self, parameters: Tensor, gradients: Tensor, learning_rate: float, momentum: float = 0.0) -> None:
        self._parameters, self._gradients = parameters, gradients
        self._learning_rate, self._momentum = learning_rate, momentum
        self._scratch = torch.empty_like(parameters)
        self.state = {"v": torch.zeros_like(parameters)}
        if momentum:
            self.state["m"] = torch.zeros_like(parameters)
        self.steps = 0

    def step(self) -> None:
        """Update the parameters in place."""
        self.steps += 1
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

    def step(self) -> None:
        """Update the parameters in place."""
        self.steps += 1
        if self._momentum:
            m = self.state["m"].mul_(self._momentum).sub_(self._gradients, alpha=self._learning_rate)
            self._parameters.add_(m)
        else:
            self._parameters.sub_(self._gradients, alpha=self._learning_rate)


OPTIMIZERS: dict[str, type[Adam] | type[RMSprop] | type[SGD]] = {"adam": Adam, "RMSprop": RMSprop, "SGD": SGD}
"""Optimizers by the name that they have in the data set."""
