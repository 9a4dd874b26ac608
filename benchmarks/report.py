"""Time and memory of the report on a data set of any size, made up here in the published layout.

python -m benchmarks.report FOLDER --experiments 100000

The grid is that of the published primary sweep: 13 tasks x 8 shapes x 14 depths x 21 sizes, over and over with other
learning rates. Each experiment has all the curves that a report reads; a run has no curves, as a report reads none.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset import schema
from survey.networks.columns import COLUMNS

TASKS = (
    *("201_pol", "294_satellite_image", "505_tecator", "529_pollen", "537_houses", "adult", "banana", "connect_4"),
    *("mnist", "nursery", "sleep", "splice", "wine_quality_white"),
)
SHAPES = (
    *("rectangle", "trapezoid", "exponential", "rectangle_residual"),
    *("wide_first_2x", "wide_first_4x", "wide_first_8x", "wide_first_16x"),
)
DEPTHS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)
SIZES = [2**power for power in range(5, 26)]
RATES = [1e-4 * 2**power for power in range(200)]


def partitions(count: int, epochs: int) -> Iterator[dict[str, Any]]:
    """Settings of partitions with `count` experiments in all; `sizes` are those of a partition's experiments."""
    for rate, dataset, depth, shape in itertools.product(RATES, TASKS, DEPTHS, SHAPES):
        if count <= 0:
            return
        yield {
            "dataset": dataset,
            "learning_rate": rate,
            "batch_size": 256,
            "kernel_regularizer.type": None,
            "label_noise": 0.0,
            "epochs": epochs,
            "shape": shape,
            "depth": depth,
            "sizes": SIZES[:count],
        }
        count -= len(SIZES)


def fill(folder: Path, experiments: int, repetitions: int, epochs: int, *, run_curves: bool = False) -> None:
    """Write `complete_summary/` and `all_repetitions/`, with curves of the test loss in the latter if asked for."""
    summary, runs = schema.summary_schema(COLUMNS, ["made_up"]), schema.repetition_schema(COLUMNS, ["made_up"])
    for name, full in (("complete_summary", summary), ("all_repetitions", runs)):
        (folder / name).mkdir(parents=True)
        pq.write_metadata(full, folder / name / "_common_metadata")
    random = np.random.default_rng(0)
    for number, settings in enumerate(partitions(experiments, epochs)):
        sizes = settings.pop("sizes")
        rows = [_experiment(1000 * number + place, settings, size) for place, size in enumerate(sizes)]
        losses = np.stack([_loss(settings, size, repetitions, epochs, random) for size in sizes])
        _write(folder / "complete_summary", settings, _summary(rows, losses), summary)
        runs_of_rows = _runs(rows, repetitions)
        if run_curves:
            for run, curve in zip(runs_of_rows, losses.reshape(-1, epochs), strict=True):
                run["val_loss"] = curve
        _write(folder / "all_repetitions", settings, runs_of_rows, runs)


def _experiment(identity: int, settings: dict[str, Any], size: int) -> dict[str, Any]:
    width = max(1, int((size / settings["depth"]) ** 0.5))
    return {
        **settings,
        "experiment_id": identity,
        "size": size,
        "num_free_parameters": size,
        "widths": [width] * (settings["depth"] - 1) + [10],
        "task": "regression" if settings["dataset"] in ("529_pollen", "537_houses") else "classification",
        "optimizer": "adam",
        "momentum": 0.0,
        "activation": "relu",
        "made_up": True,
    }


def _loss(settings: dict[str, Any], size: int, repetitions: int, epochs: int, random: np.random.Generator) -> Any:
    """float32 [repetitions, epochs]: falling, and rising again where the network is large."""
    epoch = np.arange(1, epochs + 1, dtype=np.float32)
    level = 0.1 + 2.0 / np.log2(size) + 0.01 * settings["depth"]
    best = 3.0 * epochs / np.log2(size) ** 1.5
    curve = level * (1 + 0.2 * np.log10(epoch / best) ** 2)
    return (curve * (1 + 0.02 * random.standard_normal((repetitions, epochs), np.float32))).astype(np.float32)


def _summary(rows: list[dict[str, Any]], losses: np.ndarray) -> list[dict[str, Any]]:
    q1, median, q3 = np.quantile(losses, (0.25, 0.5, 0.75), axis=1).astype(np.float32)
    avg, stddev = losses.mean(1), losses.std(1, ddof=1)
    best = {"value": losses.min(2), "epoch": losses.argmin(2) + 1.0}
    runs = losses.shape[1]
    return [
        {
            **row,
            "num_runs": runs,
            "num": np.full(losses.shape[2], runs, np.uint16),
            "test_loss_num_finite": np.full(losses.shape[2], runs, np.float32),
            "test_loss_q1": q1[place],
            "test_loss_median": median[place],
            "test_loss_q3": q3[place],
            "test_loss_avg": avg[place],
            "test_loss_stddev": stddev[place],
            "train_loss_median": 0.9 * median[place],
            "test_accuracy_max_value_median": 0.5,
            **{
                f"test_loss_min_{what}_{part}": float(np.quantile(values[place], probability))
                for what, values in best.items()
                for part, probability in (("q1", 0.25), ("median", 0.5), ("q3", 0.75))
            },
        }
        for place, row in enumerate(rows)
    ]


def _runs(rows: list[dict[str, Any]], repetitions: int) -> list[dict[str, Any]]:
    return [
        {
            **row,
            "run_id": f"{row['experiment_id']}-{repetition}",
            "repetition": repetition,
            "seed": row["experiment_id"] * 1000 + repetition,
            "python_version": "3.11.2",
            "torch_version": "2.13.0",
            "platform": "Linux-x86_64",
            "hostname": f"host{row['experiment_id'] % 50}",
            "device": "cpu",
            "start_time": 1_760_000_000_000 + row["experiment_id"],
            "update_time": 1_760_000_060_000 + row["experiment_id"],
            "train_seconds": 10.0,
        }
        for row in rows
        for repetition in range(repetitions)
    ]


def _write(table: Path, settings: dict[str, Any], rows: list[dict[str, Any]], full: pa.Schema) -> None:
    values = {name: "__HIVE_DEFAULT_PARTITION__" if value is None else value for name, value in settings.items()}
    folder = table.joinpath(*(f"{name}={quote(str(values[name]), safe='')}" for name in COLUMNS.partition))
    folder.mkdir(parents=True)
    fields = [field for field in full if field.name not in settings]
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in fields]
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), folder / "part-0.parquet", compression="zstd")


def main() -> None:
    """Make the data set where it is not there, write its report in a process of its own, and say what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=300)
    options = parser.parse_args()
    dataset = options.folder / "dataset"
    if not dataset.exists():
        began = time.perf_counter()
        fill(dataset, options.experiments, options.repetitions, options.epochs)
        print(f"made {options.experiments:,} experiments in {time.perf_counter() - began:.0f} s", flush=True)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "analysis.report", str(dataset)], check=True)
    took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    page = options.folder / "report" / "index.html"
    time_text = f"{took:.0f} s ({used.ru_utime + used.ru_stime:.0f} s of CPU)"
    print(f"report in {time_text}, at most {used.ru_maxrss / 2**20:.2f} GiB, {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
