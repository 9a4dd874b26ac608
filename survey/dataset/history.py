"""The history of a trial: a row per run, with its description and its curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from survey.dataset.layout import field_of
from survey.dataset.schema import history_schema
from survey.workloads.columns import Columns
from survey.workloads.experiment import Experiment, Run
from survey.workloads.metrics import is_recorded


def history_table(
    columns: Columns,
    experiment: Experiment,
    repetitions: Sequence[int],
    described: Mapping[str, Any],
    curves: Mapping[str, np.ndarray],
    origin: Mapping[str, Any],
    lengths: Sequence[int] | None = None,
) -> pa.Table:
    """Make the table of a trial's runs.

    Args:
        columns: Columns of the workload.
        experiment: What was trained.
        repetitions: Numbers of the repetitions.
        described: Values of the workload's own columns by name; one that is not given is that of the experiment's
            field, or null if it has none.
        curves: float32 [repetitions, epochs] by the name of their column, and [repetitions] for those of
            `Columns.of_runs`; one that is not given is null, and so is each value that is not recorded.
        origin: Where and when the trial ran, by column name: versions, host, device, times.
        lengths: Epochs that each run has; None for all of the curves.

    Returns:
        A table with the columns of `survey.dataset.schema.history_schema`.
    """
    schema = history_schema(columns)
    fields, seen = experiment.to_dict(), experiment.described
    values = {
        **{name: seen.get(field_of(name)) for name in columns.experiment},
        "experiment_id": experiment.experiment_id,
        "task_version": experiment.training_version,
        **described,
        **origin,
    }
    runs = [Run(experiment, number) for number in repetitions]
    rows: dict[str, Any] = {name: [values.get(name)] * len(runs) for name in schema.names}
    rows["run_id"] = [run.run_id for run in runs]
    rows["repetition"] = list(repetitions)
    rows["seed"] = [run.seed for run in runs]
    rows["command"] = [json.dumps({**fields, "repetition": run.repetition, "seed": run.seed}, sort_keys=True)
                       for run in runs]  # fmt: skip
    rows |= {name: curves[name] for name in columns.of_runs if name in curves}
    arrays = [
        _curve_array(curves[field.name], field.type, lengths)
        if field.name in curves and field.name not in columns.of_runs
        else pa.array(rows[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _curve_array(curves: np.ndarray, kind: pa.ListType, lengths: Sequence[int] | None) -> pa.ListArray:
    """float32 [runs, epochs] as a list array, made without a Python object for each value."""
    runs, epochs = curves.shape
    values = np.ascontiguousarray(curves, dtype=np.float32)
    if lengths is None or min(lengths) == epochs:
        offsets, values = np.arange(0, (runs + 1) * epochs, epochs, dtype=np.int32), values.ravel()
    else:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        values = values[np.arange(epochs) < np.asarray(lengths)[:, None]]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, mask=~is_recorded(values)), type=kind)
