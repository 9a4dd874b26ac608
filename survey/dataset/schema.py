"""The columns of the data set as pyarrow schemas: those of a workload, and those that all data sets have.

A row per run: `all_repetitions`. A row per experiment: `complete_summary` and, for each sweep, `NAME_summary`; without
most per-epoch columns: `complete_executive_summary`; without any lists, as one file: `experiments.parquet`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import pyarrow as pa
from pydantic import TypeAdapter

from survey.errors import InputError
from survey.workloads.columns import Columns
from survey.workloads.metrics import Metric
from survey.workloads.registry import NETWORKS, workload_named

_CURVE = pa.list_(pa.field("element", pa.float32()))  # the name that Parquet gives the items of lists

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
BEST_STATISTICS = ("min", *_QUARTILES, "max", "avg")
"""Statistics over repetitions of a best epoch and of the value there."""

_WORKLOAD, _ABOUT, _METRICS = b"survey.workload", b"survey.about", b"survey.metrics"
"""Keys in the metadata of a table's schema: the workload's name, if these are not networks; of a member of a family its
description; and the names of the metrics, where training has found them."""


def of_workload(schema: pa.Schema, columns: Columns) -> pa.Schema:
    """Return the schema of a table with what its metadata say of the workload."""
    if columns.workload == NETWORKS:
        return schema
    told = {_WORKLOAD: columns.workload}
    if columns.about:
        told[_ABOUT] = columns.about
    if columns.metrics.is_open:
        told[_METRICS] = json.dumps(columns.metrics.names)
    return schema.with_metadata(told)


def columns_in(metadata: Mapping[bytes, bytes] | None, where: object) -> Columns:
    """Return the columns of the workload that the metadata of a table names.

    Args:
        metadata: That of its schema.
        where: Source of the schema, for messages.

    Raises:
        InputError: The workload is not installed, or what is said of it cannot be read.
    """
    told = {key: value.decode(errors="replace") for key, value in (metadata or {}).items()}
    try:
        columns = workload_named(told.get(_WORKLOAD, NETWORKS), told.get(_ABOUT, "")).columns
        return _recording(columns, told.get(_METRICS, "[]")) if columns.metrics.is_open else columns
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


@lru_cache(maxsize=64)
def _recording(columns: Columns, metrics: str) -> Columns:
    """The same object for the same names, so that what is made of it can be kept."""
    try:
        return columns.recording(TypeAdapter(list[str]).validate_json(metrics, strict=True))
    except ValueError:
        raise InputError(f"the names of its metrics cannot be read: {metrics[:100]!r}") from None


def is_curve(field: pa.Field) -> bool:
    """Whether a column has a curve in each row."""
    return pa.types.is_list(field.type) and field.type.value_type == pa.float32()


def found_metrics(schema: pa.Schema) -> list[str]:
    """Return the names of the metrics in a table of runs, where training has found them, in their order."""
    curves = (field.name for field in schema if is_curve(field))
    return [name for name in curves if name != "epoch_seconds"]


def _field(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": description})


def _sweep_fields(sweeps: Sequence[str]) -> list[pa.Field]:
    return [_field(name, pa.bool_(), f"Whether the experiment belongs to {name}") for name in sorted(sweeps)]


def _experiment_fields(columns: Columns) -> list[pa.Field]:
    return [_field(name, *about) for name, about in columns.experiment.items()]


@lru_cache(maxsize=8)
def history_schema(columns: Columns) -> pa.Schema:
    """Return the schema of a trial's artifact: a row per run, with everything but its sweeps."""
    curves = [_field(metric.curve, _CURVE, f"{metric.meaning}, by epoch") for metric in columns.metrics.all]
    times = _field(
        "epoch_seconds", _CURVE, "Time of the epoch, divided by the runs that shared it, in seconds, by epoch"
    )
    runs = [_field(name, *about) for name, about in _RUN.items()]
    own = [_field(name, *about) for name, about in columns.of_runs.items()]
    return pa.schema([*_experiment_fields(columns), *runs, *own, *curves, times])


def repetition_schema(columns: Columns, sweeps: Sequence[str]) -> pa.Schema:
    """Return the schema of `all_repetitions/`: a row per run, with a boolean for each sweep."""
    return pa.schema([*_sweep_fields(sweeps), *history_schema(columns)])


def curve_fields(columns: Columns) -> list[pa.Field]:
    """Return the fields of the per-epoch statistics over repetitions, in order."""
    return [
        _field(f"{metric.name}_{statistic}", _CURVE, f"{statistic} of {_words(metric)} over the repetitions, by epoch")
        for metric in columns.metrics.all
        for statistic in metric.statistics
    ]


def best_fields(columns: Columns) -> list[pa.Field]:
    """Return the fields of the statistics over the repetitions' best epochs, in order."""
    return [
        _field(
            f"{best_name(metric)}_{what}_{statistic}",
            pa.float32(),
            f"{statistic} over the repetitions of the {what} at the {metric.best} {_words(metric)}",
        )
        for metric in columns.metrics.all
        if metric.best
        for what in ("epoch", "value")
        for statistic in BEST_STATISTICS
    ]


def best_name(metric: Metric) -> str:
    """Return the beginning of the names of what summaries say of a metric's best: `test_loss_min`."""
    return f"{metric.name}_{metric.best}"


def choice_fields(columns: Columns) -> list[pa.Field]:
    """Return the fields of the statistics over the repetitions at their chosen epochs, in order."""
    chooser = columns.metrics.chooser
    if not chooser:
        return []
    return [
        _field(
            f"{choice_name(metric, chooser)}_{statistic}",
            pa.float32(),
            f"{statistic} over the repetitions of the {_words(metric)} at the epoch of the {chooser.best} "
            f"{_words(chooser)}; null where that is not recorded",
        )
        for metric in columns.metrics.all
        if metric.at_choice
        for statistic in BEST_STATISTICS
    ]


def choice_name(metric: Metric, chooser: Metric) -> str:
    """Return the beginning of the names of a metric at a chosen epoch: `test_loss_at_validation_loss_min_value`."""
    return f"{metric.name}_at_{best_name(chooser)}_value"


def _words(metric: Metric) -> str:
    return metric.name.replace("_", " ", 1)  # test mean_squared_error


def summary_schema(columns: Columns, sweeps: Sequence[str]) -> pa.Schema:
    """Return the schema of `complete_summary/` and `NAME_summary/`: a row per experiment."""
    counts = [
        _field("num_runs", pa.uint16(), "Number of runs summarised"),
        _field("num", pa.list_(pa.field("element", pa.uint16())), "Number of runs that reached each epoch"),
    ]
    described = [*_sweep_fields(sweeps), *_experiment_fields(columns)]
    statistics = [*curve_fields(columns), *best_fields(columns), *choice_fields(columns)]
    return pa.schema([*described, *counts, *statistics])


def executive_schema(columns: Columns, sweeps: Sequence[str]) -> pa.Schema:
    """Return the schema of `complete_executive_summary/`: of per-epoch columns only the objective's quartiles."""
    quartiles = {f"{columns.metrics.objective.name}_{statistic}" for statistic in _QUARTILES}
    left_out = {"num", *(field.name for field in curve_fields(columns))} - quartiles
    return pa.schema([field for field in summary_schema(columns, sweeps) if field.name not in left_out])


def experiments_schema(executive: pa.Schema) -> pa.Schema:
    """Return the schema of `experiments.parquet`: the executive summary without lists."""
    return pa.schema([field for field in executive if not pa.types.is_list(field.type)])
