"""What the training of a function needs: nothing is known of it before it runs, so a pilot asks the function itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from survey.functions.experiment import FunctionExperiment
from survey.workloads.cost import Sample


@dataclass(frozen=True, slots=True)
class FunctionWork:
    """The work of an epoch, as its time may depend on it: see `survey.workloads.cost.Work`.

    Attributes:
        terms: How many runs call the function; and the same times each of what it may depend on, relative to the
            largest.
        flops: Not known.
        steps: Not known.
    """

    terms: tuple[float, ...]
    flops: float = 0.0
    steps: float = 1.0

    def __iter__(self) -> Iterator[float]:
        """Yield the terms."""
        return iter(self.terms)

    def __len__(self) -> int:
        """Return how many terms there are."""
        return len(self.terms)


class Measuring(Protocol):
    """Measures a function, and remembers what it has measured."""

    def epoch_s(self, experiment: FunctionExperiment, *, device: str, seconds: float) -> float:
        """Train a run on a device for about so many seconds; return the seconds of an epoch."""
        ...

    def run_bytes(self, experiment: FunctionExperiment) -> int:
        """Return the memory of a run by what has been measured; 0 if nothing has."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionNeeds:
    """What a call of the function needs, see `survey.workloads.workload.Needs`.

    Attributes:
        experiment: What is trained.
        metrics: The metric that is known before.
        terms: What its time and memory may depend on: 1, and each numeric axis relative to its largest value.
        measuring: Measures it.
        run_bytes: None, as runs train one after the other, and so share the memory of one.
        state_bytes: Not known.
    """

    experiment: FunctionExperiment
    metrics: tuple[str, ...]
    terms: tuple[float, ...]
    measuring: Measuring
    run_bytes: int = 0
    state_bytes: int = 0

    @property
    def shared_bytes(self) -> int:
        """Memory of the run that trains, in bytes, by what a pilot has measured; 0 without one."""
        return self.measuring.run_bytes(self.experiment)

    @property
    def details(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def work(self, runs: int, *, on_gpu: bool = False) -> FunctionWork:
        """Count what the time of an epoch may depend on."""
        return FunctionWork(tuple(runs * term for term in self.terms))

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        """Train one run for about so many seconds."""
        return Sample(self.work(runs), runs * self.measuring.epoch_s(self.experiment, device=device, seconds=seconds))
