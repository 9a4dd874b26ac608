"""Optimizers in the form of Keras, as element-wise operations on flat buffers of parameters.

Source: Keras 2.10 `keras.optimizers.optimizer_v2`, which made the BUTTER data set. PyTorch adds epsilon elsewhere. They
know nothing of networks: all numbers of a buffer are updated alike, whatever they are parameters of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from survey.networks.training.network import padded
from survey.networks.training.schedules import Schedule


@dataclass(frozen=True, slots=True)
class Updates:
    """How parameters are updated.

    Attributes:
        optimizer: Name of the optimizer, one of `OPTIMIZERS`.
        learning_rate: Learning rate before the schedule.
        momentum: Momentum of RMSprop and SGD.
        weight_decay: Decoupled weight decay of adamw.
        schedule: How the learning rate changes.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-4
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule = Schedule()  # noqa: RUF009 (frozen)


def step_sizes(updates: Updates, first: int, num_steps: int) -> Tensor:
    """Return the step size of each update of an epoch, float64 [num_steps] on the CPU.

    It is the learning rate lr of the schedule; of Adam, lr sqrt(1 - beta2^t) / (1 - beta1^t) in its t-th update.

    Args:
        updates: How parameters are updated.
        first: Updates before this epoch.
        num_steps: Updates of each epoch.
    """
    rates = updates.learning_rate * updates.schedule.factors(first, num_steps)
    if updates.optimizer not in _ADAMS:
        return rates
    t = torch.arange(first + 1, first + num_steps + 1, dtype=torch.float64)
    return rates * (1.0 - Adam.beta2**t).sqrt() / (1.0 - Adam.beta1**t)


def decays(updates: Updates, first: int, num_steps: int) -> Tensor:
    """Return what part of each parameter each update takes off, in the form of `step_sizes`."""
    if not updates.weight_decay:
        return torch.zeros(num_steps, dtype=torch.float64)
    return updates.weight_decay * (updates.learning_rate * updates.schedule.factors(first, num_steps))


def moments(updates: Updates) -> tuple[str, ...]:
    """Return the names of the buffers that an optimizer keeps beside the parameters."""
    if updates.optimizer in _ADAMS:
        return ("m", "v")
    squares = ("v",) if updates.optimizer == "RMSprop" else ()
    return (*squares, "m") if updates.momentum else squares


_ADAMS = ("adam", "adamw")


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


class _ByStep:
    """A number for each step of an epoch, in an array that keeps its place, as a recorded graph goes on reading it."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype, self._device = dtype, device
        self._all = torch.empty(0)
        self._each: tuple[Tensor, ...] = ()

    def set(self, numbers: Tensor) -> None:
        """Take the numbers of an epoch, float64 [steps]; all epochs have equally many."""
        if len(self._each) != len(numbers):
            self._all = torch.empty(len(numbers), dtype=self._dtype, device=self._device)
            self._each = self._all.unbind()
        self._all.copy_(numbers)

    def __getitem__(self, step: int) -> Tensor:
        """Return the number of a step, from 0, as a tensor without dimensions."""
        return self._each[step]


class _Factors:
    """The factors of a schedule, by which updates are scaled; a learning rate that never changes costs nothing."""

    def __init__(self, schedule: Schedule, like: Tensor) -> None:
        self._schedule = None if schedule.is_constant else schedule
        self._by_step = _ByStep(like.dtype, like.device)

    def begin_epoch(self, first: int, num_steps: int) -> None:
        """Compute the factors of an epoch, which begins after `first` updates."""
        if self._schedule:
            self._by_step.set(self._schedule.factors(first, num_steps))

    def scale(self, gradients: Tensor, number: int) -> None:
        """Multiply gradients by the factor of a step, once nothing else needs them as they are."""
        if self._schedule:
            gradients.mul_(self._by_step[number])


_PIECES = 36
"""Pieces of a buffer for torch's fused kernel on a GPU: as many as it takes in one launch. It uses a block of threads
for each piece, or for each 65,536 numbers of a larger one: far too few for a small buffer in one piece."""


class Adam:
    """Adam (Kingma and Ba, 2015): step = lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)."""

    beta1, beta2, epsilon = 0.9, 0.999, 1e-7

    def __init__(self, parameters: Tensor, gradients: Tensor, updates: Updates) -> None:
        self._parameters, self._updates = parameters, updates
        self.state = {"m": torch.zeros_like(parameters), "v": torch.zeros_like(parameters)}
        self._pieces = [_pieces(each) for each in (parameters, gradients, self.state["m"], self.state["v"])]
        self.steps = 0
        # torch's kernel for GPUs needs float32.
        is_on_cpu = parameters.device.type == "cpu"
        self._rates = _ByStep(torch.float64 if is_on_cpu else torch.float32, parameters.device)
        self._late = torch.full((), 1e9, device=parameters.device)

    def begin_epoch(self, num_steps: int) -> None:
        """Compute the step sizes of an epoch."""
        self._rates.set(step_sizes(self._updates, self.steps, num_steps))
        self.steps += num_steps

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


class AdamW(Adam):
    """Adam, before which all parameters decay: w -= lr weight_decay w (Loshchilov and Hutter, ICLR 2019).

    The decay is that of `torch.optim.AdamW`, biases included and with the learning rate of the schedule; epsilon is
    where `Adam` has it, so that without decay both are the same.
    """

    def __init__(self, parameters: Tensor, gradients: Tensor, updates: Updates) -> None:
        super().__init__(parameters, gradients, updates)
        self._decays = _ByStep(parameters.dtype, parameters.device)
        self._scratch = torch.empty_like(parameters)

    def begin_epoch(self, num_steps: int) -> None:
        """Compute step sizes and decays of an epoch."""
        self._decays.set(decays(self._updates, self.steps, num_steps))
        super().begin_epoch(num_steps)

    def step(self, number: int) -> None:
        """Update the parameters in place."""
        # Not a product with 1 - decay, which float32 rounds to steps of 6e-8: that is much beside a small decay.
        torch.mul(self._parameters, self._decays[number], out=self._scratch)
        self._parameters.sub_(self._scratch)
        super().step(number)


def _pieces(flat: Tensor) -> list[Tensor]:
    """Views of a buffer for torch's fused kernel."""
    if flat.device.type == "cpu":
        return [flat]
    return list(flat.split(padded(-(-len(flat) // _PIECES))))


class RMSprop:
    """RMSprop (Hinton, 2012), rho 0.9, as in Keras up to 2.10; with momentum, epsilon is under the root."""

    rho, epsilon = 0.9, 1e-7

    def __init__(self, parameters: Tensor, gradients: Tensor, updates: Updates) -> None:
        self._parameters, self._gradients = parameters, gradients
        self._learning_rate, self._momentum = updates.learning_rate, updates.momentum
        self._factors = _Factors(updates.schedule, parameters)
        self._scratch = torch.empty_like(parameters)
        self.state = {"v": torch.zeros_like(parameters)}
        if self._momentum:
            self.state["m"] = torch.zeros_like(parameters)
        self.steps = 0

    def begin_epoch(self, num_steps: int) -> None:
        """Count the steps, and compute the factors of the schedule."""
        self._factors.begin_epoch(self.steps, num_steps)
        self.steps += num_steps

    def step(self, number: int) -> None:
        """Update the parameters in place."""
        gradients, v = self._gradients, self.state["v"]
        v.mul_(self.rho).addcmul_(gradients, gradients, value=1.0 - self.rho)
        self._factors.scale(gradients, number)
        if self._momentum:
            torch.add(v, self.epsilon, out=self._scratch).sqrt_()
            m = self.state["m"].mul_(self._momentum).addcdiv_(gradients, self._scratch, value=self._learning_rate)
            self._parameters.sub_(m)
        else:
            torch.sqrt(v, out=self._scratch).add_(self.epsilon)
            self._parameters.addcdiv_(gradients, self._scratch, value=-self._learning_rate)


class SGD:
    """Stochastic gradient descent; with momentum m = mu m - lr g, w += m."""

    def __init__(self, parameters: Tensor, gradients: Tensor, updates: Updates) -> None:
        self._parameters, self._gradients = parameters, gradients
        self._learning_rate, self._momentum = updates.learning_rate, updates.momentum
        self._factors = _Factors(updates.schedule, parameters)
        self.state = {"m": torch.zeros_like(parameters)} if self._momentum else {}
        self.steps = 0

    def begin_epoch(self, num_steps: int) -> None:
        """Count the steps, and compute the factors of the schedule."""
        self._factors.begin_epoch(self.steps, num_steps)
        self.steps += num_steps

    def step(self, number: int) -> None:
        """Update the parameters in place."""
        self._factors.scale(self._gradients, number)
        if self._momentum:
            m = self.state["m"].mul_(self._momentum).sub_(self._gradients, alpha=self._learning_rate)
            self._parameters.add_(m)
        else:
            self._parameters.sub_(self._gradients, alpha=self._learning_rate)


OPTIMIZERS: dict[str, Callable[[Tensor, Tensor, Updates], Optimizer]] = {
    "adam": Adam,
    "RMSprop": RMSprop,
    "SGD": SGD,
    "adamw": AdamW,
}
"""Optimizers by their names in the data set; each takes parameters, gradients, both flat, and how to update."""
