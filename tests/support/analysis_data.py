"""Synthetic data sets in the published layout, with loss surfaces that are known in closed form."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from survey.dataset import schema
from survey.networks.columns import COLUMNS

SWEEPS = ("depth_sweep", "pilot_sweep")
SIZES = [2**k for k in range(8, 13)]
DIGITS = "sklearn:digits"
START_MS = 1_760_000_000_000
Surface = Callable[[int, np.ndarray], np.ndarray]


def bowl(floor: float, log2_size: float, epoch: float) -> Surface:
    """A loss whose one minimum is `floor`, at a size and an epoch."""

    def loss(size: int, epochs: np.ndarray) -> np.ndarray:
        return floor * (1 + 0.05 * (np.log2(size) - log2_size) ** 2 + 0.5 * np.log10(epochs / epoch) ** 2)

    return loss


def experiment(dataset: str, shape: str, depth: int, size: int, surface: Surface, **more: Any) -> dict[str, Any]:
    """Describe an experiment; its median test loss is the surface, its parameters are its size."""
    task = more.pop("task", "classification")
    settings = {
        "learning_rate": 1e-4,
        "batch_size": 256,
        "optimizer": "adam",
        "momentum": 0.0,
        "kernel_regularizer.type": None,
        "label_noise": 0.0,
        "activation": "relu",
        "epochs": 60,
        **more,
    }
    width = max(1, size // 90)
    return {
        "dataset": dataset,
        "shape": shape,
        "depth": depth,
        "size": size,
        "num_free_parameters": size,
        "widths": [width] * (depth - 1) + [10 if task == "classification" else 1],
        "task": task,
        "output_activation": "softmax" if task == "classification" else "sigmoid",
        "input_activation": settings["activation"],
        "network_structure": json.dumps({"layers": depth}),
        "task_version": 1,
        "task_digest": "0" * 64,
        "test_split": 0.2,
        "test_split_method": "shuffled",
        "batch": SWEEPS[0],
        SWEEPS[0]: True,
        SWEEPS[1]: depth == 2,
        "surface": surface,
        **settings,
    }


def as_published(ours: pa.Schema, *, underscores: bool = False) -> pa.Schema:
    """The schema of a table as the published data have it: other types, other versions, no column of ours.

    With `underscores`, the columns of the regularizer are spelt as the published description spells them.
    """
    ours_alone = {"momentum", "task_digest", "repetition", "ray_version", "mlflow_version", "device", "train_seconds"}
    types = {"experiment_id": pa.uint32(), "num_runs": pa.uint8()}
    fields = []
    for field in ours:
        name = {"torch_version": "tensorflow_version"}.get(field.name, field.name)
        name = name.replace("kernel_regularizer.", "kernel_regularizer_") if underscores else name
        if field.name not in {*ours_alone, *COLUMNS.of_data, "trial_id", "mlflow_run_id"}:
            fields.append(pa.field(name, types.get(name, field.type)))
    return pa.schema(fields)


def write_data_set(
    path: Path,
    experiments: Iterable[dict[str, Any]],
    repetitions: int = 3,
    schema_of: Callable[[pa.Schema], pa.Schema] = lambda schema: schema,
) -> Path:
    """Write the tables of some experiments: runs, summary, executive summary and a table per sweep."""
    runs, summaries = [], []
    for number, described in enumerate(experiments):
        described = {"experiment_id": 1000 + number, **described}
        surface = described.pop("surface")
        epochs = np.arange(1, described["epochs"] + 1)
        losses = np.stack([surface(described["size"], epochs) * factor for factor in _factors(repetitions)])
        runs += [_run(described, losses[repetition], repetition) for repetition in range(repetitions)]
        summaries.append({**described, **_summary(losses)})
    write_table(path / "all_repetitions", runs, schema_of(schema.repetition_schema(COLUMNS, SWEEPS)))
    write_table(path / "complete_summary", summaries, schema_of(schema.summary_schema(COLUMNS, SWEEPS)))
    write_table(path / "complete_executive_summary", summaries, schema_of(schema.executive_schema(COLUMNS, SWEEPS)))
    for sweep in SWEEPS:
        chosen = [row for row in summaries if row[sweep]]
        write_table(path / f"{sweep}_summary", chosen, schema_of(schema.summary_schema(COLUMNS, SWEEPS)))
    return path


def write_table(folder: Path, rows: list[dict[str, Any]], full: pa.Schema) -> None:
    """Write one table: hive partitions, partition columns left out of the files, and `_common_metadata`."""
    folder.mkdir(parents=True)
    dotted = {name.replace("kernel_regularizer_", "kernel_regularizer."): full.field(name) for name in full.names}
    partitioning = ds.partitioning(pa.schema([dotted[name] for name in COLUMNS.partition]), flavor="hive")
    arrays = [pa.array([row.get(name) for row in rows], field.type) for name, field in dotted.items()]
    ds.write_dataset(pa.table(arrays, schema=full), folder, format="parquet", partitioning=partitioning)
    pq.write_metadata(full, folder / "_common_metadata")


def _factors(repetitions: int) -> np.ndarray:
    """Factors of the repetitions' losses, with median 1."""
    return 1 + 0.04 * (np.arange(repetitions) - (repetitions - 1) / 2)


def _run(described: dict[str, Any], loss: np.ndarray, repetition: int) -> dict[str, Any]:
    start = START_MS + 60_000 * repetition
    return {
        **described,
        "run_id": f"{described['experiment_id']:016x}-{repetition:04d}",
        "repetition": repetition,
        "seed": repetition,
        "python_version": "3.11.2",
        "torch_version": "2.11.0",
        "tensorflow_version": "2.8.0",
        "ray_version": "2.55.0",
        "mlflow_version": "3.4.0",
        "platform": "Linux-x86_64",
        "hostname": f"host{repetition % 2}",
        "device": "cpu",
        "start_time": start,
        "update_time": start + 45_000,
        "train_seconds": 12.5,
        "val_loss": loss,
        "loss": 0.8 * loss,
    }


def _summary(losses: np.ndarray) -> dict[str, Any]:
    repetitions, epochs = losses.shape
    row: dict[str, Any] = {"num_runs": repetitions, "num": [repetitions] * epochs}
    for part, values in (("test", losses), ("train", 0.8 * losses)):
        row |= {f"{part}_loss_{name}": curve for name, curve in _over_repetitions(values).items()}
        accuracy = 1 / (1 + values)
        row |= {f"{part}_accuracy_{name}": curve for name, curve in _over_repetitions(accuracy).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        finite = np.where(np.isfinite(losses), losses, np.inf)
        best = {"test_loss_min_epoch": finite.argmin(1) + 1, "test_loss_min_value": finite.min(1)}
        best |= {"test_accuracy_max_epoch": finite.argmin(1) + 1, "test_accuracy_max_value": 1 / (1 + finite.min(1))}
        for name, values in best.items():
            row |= {f"{name}_{which}": float(value[0]) for which, value in _over_repetitions(values[:, None]).items()}
    return row


def _over_repetitions(values: np.ndarray) -> dict[str, Any]:
    q1, median, q3 = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    stddev = values.std(0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
    found = {"q1": q1, "median": median, "q3": q3, "min": values.min(0), "max": values.max(0), "avg": values.mean(0)}
    found |= {"stddev": stddev, "num_finite": np.isfinite(values).sum(0)}
    return found


def grid(dataset: str = DIGITS, floor: float = 0.1, **more: object) -> list[dict]:
    """Two shapes x two depths x five sizes; the minimum is `floor` at rectangle, depth 2, 2^10, epoch 20."""
    return [
        experiment(dataset, shape, depth, size, bowl(floor * factor, 10, 20), **more)
        for shape, depth, factor in (
            ("rectangle", 2, 1.0),
            ("trapezoid", 2, 1.1),
            ("rectangle", 3, 1.2),
            ("trapezoid", 3, 1.3),
        )
        for size in SIZES
    ]


def mixed_data_set(path: Path) -> Path:
    """Write a data set of three tasks: a grid of digits, one task by size, and one with a penalty and noise."""
    slow = [experiment("537_houses", "rectangle", 3, s, bowl(0.02, 9, 10), task="regression") for s in SIZES]
    l1 = {"kernel_regularizer.type": "l1", "kernel_regularizer.l1": 0.01, "learning_rate": 1e-3, "label_noise": 0.05}
    penalty = [experiment("nursery", "rectangle", 2, s, bowl(0.3, 9, 10), **l1) for s in SIZES[:2]]
    return write_data_set(path, [*grid(), *slow, *penalty])
