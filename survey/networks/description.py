"""What the rows of the data set say of a network beside its hyperparameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from survey.networks.experiment import NetworkExperiment, TaskExperiment
from survey.networks.rows import TEST_SPLIT
from survey.networks.topology import num_free_parameters, residual_layers
from survey.tasks.prepared import PreparedTask

SPLIT_METHOD, OWN_SPLIT = "shuffled_train_test_split", "given"
"""How test rows are chosen: drawn by each repetition, or said by the user's own data, the same for all."""


def described(experiment: NetworkExperiment, task: PreparedTask, widths: Sequence[int]) -> dict[str, Any]:
    """Return the values of columns, by their names, that are not fields of the experiment.

    Args:
        experiment: What was trained.
        task: The prepared data.
        widths: Layer widths of the network.
    """
    given = experiment.hidden_widths is not None
    exact = num_free_parameters(widths, task.num_inputs, normalized=experiment.normalization == "layer")
    return {
        **({"size": num_free_parameters(widths, task.num_inputs)} if given else {}),
        "input_activation": experiment.activation if len(widths) > 1 else task.output_activation,
        **task_described(experiment, task, exact),
        "widths": list(widths),
        "network_structure": _network_structure(experiment, task, widths),
    }


def task_described(experiment: TaskExperiment, task: PreparedTask, num_free_parameters: int) -> dict[str, Any]:
    """Return those of them that whatever learns a task has: of the penalty, of the data, and its parameters."""
    penalty = experiment.kernel_regularizer_type
    coefficient = experiment.kernel_regularizer_l1 or experiment.kernel_regularizer_l2
    own = task.part_sizes
    return {
        "kernel_regularizer": json.dumps({"type": penalty, penalty: coefficient}) if penalty else None,
        "kernel_regularizer.l1": experiment.kernel_regularizer_l1 if penalty == "l1" else None,
        "kernel_regularizer.l2": experiment.kernel_regularizer_l2 if penalty == "l2" else None,
        "output_activation": task.output_activation,
        "task": task.kind,
        "task_digest": task.digest,
        "target_minimum": task.target_minimum,
        "target_range": task.target_range,
        "target_variance": task.target_variance,
        "test_split": own.test / task.num_rows if own else TEST_SPLIT,
        "test_split_method": OWN_SPLIT if own else SPLIT_METHOD,
        "num_free_parameters": num_free_parameters,
    }


def _network_structure(experiment: NetworkExperiment, task: PreparedTask, widths: Sequence[int]) -> str:
    adds = residual_layers(experiment.shape, widths)
    layers = [
        {"units": width, "activation": experiment.activation, **({"residual": True} if add else {})}
        for width, add in zip(widths, adds, strict=True)
    ]
    layers[-1]["activation"] = task.output_activation
    structure: dict[str, Any] = {
        "inputs": task.num_inputs,
        "layers": layers,
        "loss": task.loss,
        "kernel_initializer": experiment.initialization,
    }
    if experiment.dropout:
        structure["dropout"] = experiment.dropout
    if experiment.normalization != "none":
        structure["normalization"] = experiment.normalization
    return json.dumps(structure, sort_keys=True)
