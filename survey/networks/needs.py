"""What the training of a network needs: its layers, operations and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from survey.networks.cost import Work, epoch_work, run_bytes, task_bytes
from survey.networks.experiment import NetworkExperiment, TaskExperiment
from survey.networks.layers import network_of
from survey.networks.metrics import METRICS, WITHOUT_VALIDATION
from survey.networks.topology import num_free_parameters, within_tolerance
from survey.tasks.loading import TaskDescription
from survey.workloads.cost import Sample

_WITH_VALIDATION, _WITHOUT = METRICS.names, WITHOUT_VALIDATION.names


def recorded_metrics(experiment: TaskExperiment, task: TaskDescription) -> tuple[str, ...]:
    """Return the names of the statistics that are recorded of whatever learns a task."""
    has_validation = experiment.validation_split or (task.parts and task.parts.validation)
    return _WITH_VALIDATION if has_validation else _WITHOUT


@dataclass(frozen=True, slots=True)
class NetworkNeeds:
    """What the training of an experiment needs, see `survey.workloads.workload.Needs`.

    Attributes:
        experiment: The hyperparameters.
        task: Rows, inputs and outputs of its task.
        widths: Layer widths of the network.
        num_free_parameters: Its exact number of trainable parameters.
        records_initial: Whether its runs record their statistics before training too.
    """

    experiment: NetworkExperiment
    task: TaskDescription
    widths: tuple[int, ...]
    num_free_parameters: int
    records_initial: bool = False

    @classmethod
    def of(
        cls, experiment: NetworkExperiment, task: TaskDescription, *, records_initial: bool = False
    ) -> NetworkNeeds | None:
        """Find the network of an experiment; None if none comes near its size."""
        widths, found = network_of(experiment, task)
        if experiment.hidden_widths is None and not within_tolerance(found, experiment.size):
            return None
        if experiment.normalization == "layer":
            found = num_free_parameters(widths, task.num_inputs, normalized=True)
        return cls(experiment, task, widths, found, records_initial)

    @property
    def details(self) -> Mapping[str, Any]:
        """The layer widths, and the number of parameters; where widths were given, the size that follows from them."""
        details: dict[str, Any] = {"widths": list(self.widths), "num_free_parameters": self.num_free_parameters}
        if self.experiment.hidden_widths is not None:
            details["size"] = num_free_parameters(self.widths, self.task.num_inputs)
        if self.records_initial:
            details["record_initial"] = True
        return details

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the statistics that are recorded."""
        return recorded_metrics(self.experiment, self.task)

    @property
    def run_bytes(self) -> int:
        """Memory of each run, in bytes."""
        return run_bytes(self.experiment, self.task, self.widths, self.num_free_parameters)

    @property
    def shared_bytes(self) -> int:
        """Memory of the task's data, in bytes."""
        return task_bytes(self.task)

    @property
    def state_bytes(self) -> int:
        """Parameters and moments of a run, in float32."""
        moments = {"adam": 2, "adamw": 2, "RMSprop": 1}.get(self.experiment.optimizer, 0) + bool(
            self.experiment.momentum
        )
        return 4 * (1 + moments) * self.num_free_parameters

    def work(self, runs: int, *, on_gpu: bool = False) -> Work:
        """Count the operations of an epoch of so many runs together."""
        return epoch_work(self.experiment, self.task, self.widths, self.num_free_parameters, runs=runs, on_gpu=on_gpu)

    def sample(self, runs: int, *, device: str, seconds: float, packed: int) -> Sample:
        """Train a small part of such a bundle for about so many seconds, see `survey.networks.sample`."""
        from survey.networks.sample import Part, measure

        whole = Part(self.experiment, self.task, self.widths, self.num_free_parameters, runs, device == "cuda")
        bundle_bytes = self.shared_bytes + runs * self.run_bytes
        return measure(whole, bundle_bytes, device=device, seconds=seconds, packed=packed)
