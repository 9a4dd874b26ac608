"""The columns of the published BUTTER data set and our additions, as pyarrow schemas.

A row per run: `all_repetitions`. A row per experiment: `complete_summary` and, for each sweep, `NAME_summary`; without
most per-epoch columns: `complete_executive_summary`; without any lists, as one file: `experiments.parquet`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from survey.networks.metrics import HISTORY_COLUMNS

PARTITION_COLUMNS = (
    "dataset",
    "learning_rate",
    "batch_size",
    "kernel_regularizer.type",
    "label_noise",
    "epochs",
    "shape",
    "depth",
)
"""Hive partition columns, in the order of the directories."""

TARGET_UNIT = ("target_minimum", "target_range")
"""Columns by which a scaled target is converted back to its unit: they describe the data, not the training."""

BEFORE = {"draws": "independent"}
"""What a column that an older version did not record would have held."""

_CURVE = pa.list_(pa.field("element", pa.float32()))  # the name that Parquet gives the items of lists

_DESCRIPTION = {
    "experiment_id": (pa.uint64(), "Identity of the experiment: a 63-bit hash of its canonical hyperparameters"),
    "activation": (pa.string(), "Activation of the hidden layers"),
    "batch": (pa.string(), "Name of the launch that trained the run: its sweeps, joined by +"),
    "batch_size": (pa.uint32(), "Rows in a minibatch"),
    "dataset": (pa.string(), "Task: NAME (PMLB), sklearn:NAME, or a name of the search space"),
    "depth": (pa.uint8(), "Number of layers with weights, the output layer included"),
    "draws": (
        pa.string(),
        "paired: runs of a task with the same repetition share split, orders and noise; independent: none do",
    ),
    "early_stopping": (pa.string(), "Always null: no run stops early"),
    "epochs": (pa.uint32(), "Number of epochs asked for"),
    "input_activation": (pa.string(), "Activation of the first hidden layer"),
    "kernel_regularizer": (pa.string(), "Penalty on the kernels, as JSON; null where there is none"),
    "kernel_regularizer.l1": (pa.float32(), "Coefficient of sum |w|; null where there is none"),
    "kernel_regularizer.l2": (pa.float32(), "Coefficient of sum w^2; null where there is none"),
    "kernel_regularizer.type": (pa.string(), "l1, l2, or null for none"),
    "label_noise": (pa.float32(), "Noise on the training labels, as a fraction"),
    "learning_rate": (pa.float32(), "Learning rate of the optimizer"),
    "momentum": (pa.float32(), "Momentum of SGD or RMSprop; 0 for adam"),
    "optimizer": (pa.string(), "adam, RMSprop or SGD, in the form of Keras"),
    "output_activation": (pa.string(), "softmax or sigmoid"),
    "shape": (pa.string(), "Rule that gives the layer widths"),
    "size": (pa.uint64(), "Target number of trainable parameters"),
    "task": (pa.string(), "classification or regression"),
    "task_version": (pa.uint16(), "Version of the training definitions that made the run"),
    "task_digest": (pa.string(), "SHA-256 of the prepared data"),
    "target_minimum": (
        pa.float64(),
        "Least value of a min-max scaled target, in its unit; null where it is not scaled",
    ),
    "target_range": (pa.float64(), "Greatest value of such a target less the least, by which losses are turned back"),
    "test_split": (pa.float32(), "Fraction of the rows in the test set"),
    "test_split_method": (pa.string(), "How test rows are chosen"),
    "num_free_parameters": (pa.uint64(), "Exact number of trainable parameters"),
    "widths": (pa.list_(pa.field("element", pa.uint32())), "Width of each layer, the output layer last"),
    "network_structure": (pa.string(), "The network as JSON: layers, activations, residual connections, loss"),
}

_RUN = {
    "run_id": (pa.string(), "Identity of the run: experiment and repetition"),
    "repetition": (pa.uint16(), "Number of the repetition, from 0"),
    "seed": (pa.int64(), "Seed of all that is random in the run"),
    "python_version": (pa.string(), "Python that trained the run"),
    "torch_version": (pa.string(), "PyTorch that trained the run"),
    "ray_version": (pa.string(), "Ray that scheduled the run"),
    "mlflow_version": (pa.string(), "MLflow that tracked the run"),
    "platform": (pa.string(), "Operating system and processor type"),
    "git_hash": (pa.string(), "Commit of the survey's source, where known"),
    "hostname": (pa.string(), "Host that trained the run"),
    "device": (pa.string(), "Device that trained the run: cpu, or cuda and its name"),
    "start_time": (pa.int64(), "Start of the trial, in milliseconds since 1970 (UTC)"),
    "update_time": (pa.int64(), "End of the trial, in milliseconds since 1970 (UTC)"),
    "train_seconds": (pa.float32(), "Time in the epoch loop, divided by the runs that shared it, in seconds"),
    "trial_id": (pa.string(), "Ray Tune trial that trained the run"),
    "mlflow_run_id": (pa.string(), "MLflow run of the trial"),
    "command": (pa.string(), "All settings of the run, as JSON"),
}

_QUARTILES = ("q1", "median", "q3")
_LOSS_STATISTICS = ("num_finite", "min", *_QUARTILES, "max", "avg", "stddev")
_OTHER_STATISTICS = (*_QUARTILES, "avg", "stddev")

CURVE_STATISTICS = {
    "loss": _LOSS_STATISTICS,
    "accuracy": _OTHER_STATISTICS,
    "mean_squared_error": _OTHER_STATISTICS,
    "kullback_leibler_divergence": _OTHER_STATISTICS,
}
"""Statistics over repetitions, at each epoch, of `test_NAME` and `train_NAME`."""

BEST_EPOCHS = {
    "loss": "min",
    "accuracy": "max",
    "mean_squared_error": "min",
    "kullback_leibler_divergence": "min",
}
"""Test statistics whose best epoch is found in each repetition, and whether the best is the minimum or the maximum."""

BEST_STATISTICS = ("min", *_QUARTILES, "max", "avg")
"""Statistics over repetitions of a best epoch and of the value there."""

_EXECUTIVE_CURVES = ("test_loss_q1", "test_loss_median", "test_loss_q3")


def _field(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": description})


def _sweep_fields(sweeps: Sequence[str]) -> list[pa.Field]:
    return [_field(name, pa.bool_(), f"Whether the experiment belongs to {name}") for name in sorted(sweeps)]


def _description_fields() -> list[pa.Field]:
    return [_field(name, *about) for name, about in _DESCRIPTION.items()]


def history_schema() -> pa.Schema:
    """Return the schema of a trial's artifact: a row per run, with everything but its sweeps."""
    curves = [
        _field(
            name,
            _CURVE,
            f"{name.removeprefix('val_')} of the {'test' if name.startswith('val_') else 'training'} set, by epoch",
        )
        for name in HISTORY_COLUMNS
    ]
    times = _field(
        "epoch_seconds", _CURVE, "Time of the epoch, divided by the runs that shared it, in seconds, by epoch"
    )
    return pa.schema([*_description_fields(), *(_field(name, *about) for name, about in _RUN.items()), *curves, times])


def repetition_schema(sweeps: Sequence[str]) -> pa.Schema:
    """Return the schema of `all_repetitions/`: a row per run, with a boolean for each sweep."""
    return pa.schema([*_sweep_fields(sweeps), *history_schema()])


def curve_fields() -> list[pa.Field]:
    """Return the fields of the per-epoch statistics over repetitions, in order."""
    return [
        _field(f"{part}_{name}_{statistic}", _CURVE, f"{statistic} of {part} {name} over the repetitions, by epoch")
        for part in ("test", "train")
        for name, statistics in CURVE_STATISTICS.items()
        for statistic in statistics
    ]


def best_fields() -> list[pa.Field]:
    """Return the fields of the statistics over the repetitions' best epochs, in order."""
    return [
        _field(
            f"test_{name}_{best}_{what}_{statistic}",
            pa.float32(),
            f"{statistic} over the repetitions of the {what} at the {best} test {name}",
        )
        for name, best in BEST_EPOCHS.items()
        for what in ("epoch", "value")
        for statistic in BEST_STATISTICS
    ]


def summary_schema(sweeps: Sequence[str]) -> pa.Schema:
    """Return the schema of `complete_summary/` and `NAME_summary/`: a row per experiment."""
    counts = [
        _field("num_runs", pa.uint16(), "Number of runs summarised"),
        _field("num", pa.list_(pa.field("element", pa.uint16())), "Number of runs that reached each epoch"),
    ]
    return pa.schema([*_sweep_fields(sweeps), *_description_fields(), *counts, *curve_fields(), *best_fields()])


def executive_schema(sweeps: Sequence[str]) -> pa.Schema:
    """Return the schema of `complete_executive_summary/`: of per-epoch columns only the test loss quartiles."""
    curves = {field.name for field in curve_fields()} - set(_EXECUTIVE_CURVES)
    return pa.schema([field for field in summary_schema(sweeps) if field.name not in curves | {"num"}])


def experiments_schema(executive: pa.Schema) -> pa.Schema:
    """Return the schema of `experiments.parquet`: the executive summary without lists."""
    return pa.schema([field for field in executive if not pa.types.is_list(field.type)])
