"""What the training of a function needs: nothing is known of it before it runs, so a pilot asks the function itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from survey.functions.experiment import FunctionExperiment
from survey.workloads.cost import Sample


@dataclass(frozen=True, slots=True)
class FunctionWork:
    """The work of an epoch, as its time may depend on it: see `survey.workloads.cost.Work`.

    Attributes:
        terms: How many runs call the function; and the same times each numeric axis, relative to its largest value.
        flops: Not known.
        step_flops: Not known.
    """

    terms: tuple[float, ...]
    flops: float = 0.0
    step_flops: float = 0.0

    def __iter__(self) -> Iterator[float]:
        """Yield the terms."""
        return iter(self.terms)

    def __len__(self) -> int:
        """Return how many terms there are."""
        return len(self.terms)


@dataclass(frozen=True, slots=True)
class FunctionNeeds:
    """What a call of the function needs, see `survey.workloads.workload.Needs`.

    Attributes:
        experiment: What is trained.
        metrics: The metric that is known before.
        largest: The largest absolute value of each numeric axis in the search spaces.
        measure: Trains the experiment on a device, for about so many seconds; returns the seconds of an epoch of a run.
        run_bytes: Not known, and so are the others.
    """

    experiment: FunctionExperiment
    metrics: tuple[str, ...]
    largest: Mapping[str, float]
    measure: Callable[[FunctionExperiment, str, float], float]
    run_bytes: int = 0
    shared_bytes: int = 0
    state_bytes: int = 0

    @property
    def details(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def work(self, runs: int, *, on_gpu: bool = False) -> FunctionWork:
        """Count what the time of an epoch may depend on."""
        values = (abs(getattr(self.experiment, name) or 0) / most for name, most in self.largest.items())
        return FunctionWork((runs, *(runs * value for value in values)))

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        """Train one run for about so many seconds."""
        return Sample(self.work(runs), runs * self.measure(self.experiment, device, seconds))
