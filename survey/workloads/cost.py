"""The cost of training: the operations of an epoch, and a linear model of the seconds that they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import mul
from typing import Protocol


class Work(Protocol):
    """Operation counts of one epoch of a bundle, as a tuple; a coefficient turns each into seconds."""

    def __iter__(self) -> Iterator[float]:
        """Yield the counts."""
        ...

    def __len__(self) -> int:
        """Return how many kinds of operations there are."""
        ...

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products."""
        ...

    @property
    def steps(self) -> float:
        """Steps that they are done in, one after the other."""
        ...


def step_flops(work: Work) -> float:
    """Return the floating-point operations of a step: experiments with few of them leave most of a GPU idle."""
    return work.flops / work.steps


@dataclass(frozen=True, slots=True)
class CostModel:
    """Linear cost model of one device.

    Attributes:
        seconds: Seconds per unit of each kind of operation of `Work`.
        trial_s: Seconds of a trial beside its epochs.
        run_s: Seconds of each of its runs beside its epochs, for data and artifacts.
        is_relative: Whether `seconds` say only how kinds of operations compare, as nothing is known of what they take:
            how much more or less was measured says nothing of `trial_s` and `run_s` then.
    """

    seconds: tuple[float, ...]
    trial_s: float = 0.08
    run_s: float = 0.002
    is_relative: bool = False

    def epoch_s(self, work: Work) -> float:
        """Predict the seconds of an epoch of a bundle."""
        return sum(map(mul, self.seconds, work))

    def bundle_s(self, work: Work, *, epochs: int, runs: int) -> tuple[float, float]:
        """Predict the seconds of a trial, and the part of them spent in training."""
        training_s = epochs * self.epoch_s(work)
        return training_s + self.trial_s + self.run_s * runs, training_s


@dataclass(frozen=True, slots=True)
class Sample:
    """A measurement of a part of a bundle.

    Attributes:
        work: Operation counts of its epoch.
        epoch_s: Seconds of its epoch.
        gain: Speed of several copies side by side relative to one after the other; None on a CPU, and if they would
            take too much memory.
    """

    work: Work
    epoch_s: float
    gain: float | None = None
