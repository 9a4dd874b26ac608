"""The history of a trial: a row per run, with its description and its twenty curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from survey.dataset.schema import history_schema
from survey.networks.experiment import TEST_SPLIT
from survey.networks.topology import num_free_parameters, residual_layers
from survey.tasks.prepared import PreparedTask
from survey.workloads.experiment import Experiment, Run

SPLIT_METHOD = "shuffled_train_test_split"


def history_table(
    experiment: Experiment,
    repetitions: Sequence[int],
    task: PreparedTask,
    widths: Sequence[int],
    curves: Mapping[str, np.ndarray],
    origin: Mapping[str, Any],
) -> pa.Table:
    """Make the table of a trial's runs.

    Args:
        experiment: What was trained.
        repetitions: Numbers of the repetitions.
        task: The prepared data.
        widths: Layer widths of the network.
        curves: float32 [repetitions, epochs] by the name of their column; one that is not given is null.
        origin: Where and when the trial ran, by column name: versions, host, device, times.

    Returns:
        A table with the columns of `survey.dataset.schema.history_schema`.
    """
    schema = history_schema()
    described = _description(experiment, task, widths) | dict(origin)
    runs = [Run(experiment, number) for number in repetitions]
    columns: dict[str, Any] = {name: [described.get(name)] * len(runs) for name in schema.names}
    columns["run_id"] = [run.run_id for run in runs]
    columns["repetition"] = list(repetitions)
    columns["seed"] = [run.seed for run in runs]
    columns["command"] = [json.dumps({**experiment.to_dict(), "repetition": r, "seed": run.seed}, sort_keys=True)
                          for r, run in zip(repetitions, runs, strict=True)]  # fmt: skip
    arrays = [
        _curve_array(curves[name], field.type) if name in curves else pa.array(values, field.type)
        for (name, values), field in zip(columns.items(), schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _curve_array(curves: np.ndarray, kind: pa.ListType) -> pa.ListArray:
    """float32 [runs, epochs] as a list array, made without a Python object for each value."""
    runs, epochs = curves.shape
    offsets = np.arange(0, (runs + 1) * epochs, epochs, dtype=np.int32)
    values = np.ascontiguousarray(curves, dtype=np.float32).ravel()
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), type=kind)


def _description(experiment: Experiment, task: PreparedTask, widths: Sequence[int]) -> dict[str, Any]:
    penalty = experiment.kernel_regularizer_type
    coefficient = experiment.kernel_regularizer_l1 or experiment.kernel_regularizer_l2
    return {
        **experiment.to_dict(),
        "experiment_id": experiment.experiment_id,
        "input_activation": experiment.activation,
        "kernel_regularizer": json.dumps({"type": penalty, penalty: coefficient}) if penalty else None,
        "kernel_regularizer.type": penalty,
        "kernel_regularizer.l1": experiment.kernel_regularizer_l1 if penalty == "l1" else None,
        "kernel_regularizer.l2": experiment.kernel_regularizer_l2 if penalty == "l2" else None,
        "output_activation": task.output_activation,
        "task": task.kind,
        "task_version": experiment.training_version,
        "task_digest": task.digest,
        "target_minimum": task.target_minimum,
        "target_range": task.target_range,
        "test_split": TEST_SPLIT,
        "test_split_method": SPLIT_METHOD,
        "num_free_parameters": num_free_parameters(widths, task.num_inputs),
        "widths": list(widths),
        "network_structure": _network_structure(experiment, task, widths),
    }


def _network_structure(experiment: Experiment, task: PreparedTask, widths: Sequence[int]) -> str:
    adds = residual_layers(experiment.shape, widths)
    layers = [
        {"units": width, "activation": experiment.activation, **({"residual": True} if add else {})}
        for width, add in zip(widths, adds, strict=True)
    ]
    layers[-1]["activation"] = task.output_activation
    structure = {"inputs": task.num_inputs, "layers": layers, "loss": task.loss, "kernel_initializer": "glorot_uniform"}
    return json.dumps(structure, sort_keys=True)
