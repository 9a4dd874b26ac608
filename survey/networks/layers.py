"""The layers of an experiment's network on a task: found by its shape for its size, or as they were given."""

from __future__ import annotations

from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import layer_widths, num_free_parameters
from survey.tasks.loading import TaskDescription


def network_of(experiment: NetworkExperiment, task: TaskDescription) -> tuple[tuple[int, ...], int]:
    """Return the width of each layer, the output layer last, and the exact number of weights and biases."""
    if experiment.hidden_widths is None:
        return layer_widths(experiment.shape, experiment.size, experiment.depth, task.num_inputs, task.num_outputs)
    widths = (*experiment.hidden_widths, task.num_outputs)
    return widths, num_free_parameters(widths, task.num_inputs)
