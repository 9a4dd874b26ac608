"""From finished MLflow runs to the data set: as published readers take it, and the same whatever came between."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from analysis.explore.index import folder_of, open_index
from survey.dataset import layout, partition
from survey.dataset.completed_runs import CompletedRuns
from survey.dataset.reading import check_task_digest
from survey.dataset.schema import executive_schema, repetition_schema, summary_schema
from survey.dataset.table_writer import TableWriter
from survey.errors import ExportError, OutputError
from survey.export import update
from survey.export.__main__ import command
from survey.networks.columns import COLUMNS, NEW_AXES
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import HISTORY_COLUMNS, INITIAL_COLUMNS, VALIDATION_COLUMNS
from survey.networks.search_space import SearchSpace
from survey.networks.topology import layer_widths
from survey.output.folder import Output
from survey.tasks.own import UserTask
from survey.tasks.prepared import PreparedTask
from survey.tracking.store import TrackingStore
from survey.workloads.experiment import Run
from tests.support.export_data import (
    ALPHA,
    BETA,
    DIGITS,
    EPOCHS,
    EXPERIMENTS,
    ORIGIN,
    TABLES,
    Survey,
    curves_of,
    files,
    read,
    runs_of,
    sweep,
)

PARTITIONS = (
    "dataset",
    "learning_rate",
    "batch_size",
    "kernel_regularizer.type",
    "label_noise",
    "epochs",
    "shape",
    "depth",
)
NULL = "__HIVE_DEFAULT_PARTITION__"
RUN_TYPES = {
    "experiment_id": pa.uint64(),
    "run_id": pa.string(),
    "activation": pa.string(),
    "batch": pa.string(),
    "batch_size": pa.uint32(),
    "dataset": pa.string(),
    "depth": pa.uint8(),
    "early_stopping": pa.string(),
    "epochs": pa.uint32(),
    "input_activation": pa.string(),
    "kernel_regularizer": pa.string(),
    "kernel_regularizer.l1": pa.float32(),
    "kernel_regularizer.l2": pa.float32(),
    "kernel_regularizer.type": pa.string(),
    "label_noise": pa.float32(),
    "learning_rate": pa.float32(),
    "optimizer": pa.string(),
    "output_activation": pa.string(),
    "python_version": pa.string(),
    "shape": pa.string(),
    "size": pa.uint64(),
    "task": pa.string(),
    "task_version": pa.uint16(),
    "test_split": pa.float32(),
    "test_split_method": pa.string(),
    "num_free_parameters": pa.uint64(),
    "widths": pa.list_(pa.uint32()),
    "network_structure": pa.string(),
    "platform": pa.string(),
    "git_hash": pa.string(),
    "hostname": pa.string(),
    "seed": pa.int64(),
    "start_time": pa.int64(),
    "update_time": pa.int64(),
    "command": pa.string(),
    "torch_version": pa.string(),
    "ray_version": pa.string(),
    "mlflow_version": pa.string(),
    "repetition": pa.uint16(),
    "draws": pa.string(),
    "epoch_seconds": pa.list_(pa.float32()),
    "momentum": pa.float32(),
    "task_digest": pa.string(),
    "target_minimum": pa.float64(),
    "target_range": pa.float64(),
    "target_variance": pa.float64(),
    "trial_id": pa.string(),
    "mlflow_run_id": pa.string(),
    "device": pa.string(),
    "train_seconds": pa.float32(),
    "train_fraction": pa.float32(),
    "weight_decay": pa.float32(),
    "schedule": pa.string(),
    "warmup_epochs": pa.uint32(),
    "step_epochs": pa.uint32(),
    "step_factor": pa.float32(),
    "gradient_clip": pa.float32(),
    "initialization": pa.string(),
    "dropout": pa.float32(),
    "normalization": pa.string(),
    "precision": pa.string(),
    "validation_split": pa.float32(),
}
"""The columns of a run, as published, and ours in addition."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory, empty_store) -> Survey:
    """One survey for all tests that only read it."""
    made = Survey(tmp_path_factory.mktemp("exported") / "out", empty_store)
    made.train_all()
    result = made.export()
    assert result == update.ExportResult(num_new_runs=30, num_partitions_written=4, damaged=())
    return made


# ---------------------------------------------------------------- layout and schema


@pytest.mark.parametrize("table", TABLES)
def test_partitions_are_those_of_the_published_data(exported, table):
    found = sorted((exported.folder / table).rglob("*.parquet"))
    assert found
    for file in found:
        *parts, _ = file.relative_to(exported.folder / table).parts
        assert tuple(part.partition("=")[0] for part in parts) == PARTITIONS
    if table == "complete_summary":
        assert {"/".join(file.relative_to(exported.folder / table).parts[:-1]) for file in found} == {
            f"dataset=sklearn%3Airis/learning_rate={rate}/batch_size=256/kernel_regularizer.type={penalty}/"
            f"label_noise={noise}/epochs=5/shape={shape}/depth=3"
            for rate, penalty, noise, shape in (
                ("0.0001", NULL, "0.0", "rectangle"),
                ("0.0001", NULL, "0.0", "trapezoid"),
                ("0.0001", "l2", "0.0", "rectangle"),
                ("1e-05", NULL, "0.05", "rectangle"),
            )
        }


def test_there_are_no_other_files(exported):
    assert {path.name for path in exported.folder.iterdir()} == {*TABLES, "experiments.parquet"}
    names = {path.rpartition("/")[2] for path in files(exported.folder)}
    assert names == {"part-0.parquet", "_common_metadata", "experiments.parquet"}


def test_runs_have_the_published_columns_and_types(exported):
    schema = pq.read_schema(exported.folder / "all_repetitions/_common_metadata")
    found = {field.name: field.type for field in schema}
    curves = dict.fromkeys((*HISTORY_COLUMNS, *VALIDATION_COLUMNS), pa.list_(pa.float32()))
    curves |= {"core": pa.string(), **dict.fromkeys(INITIAL_COLUMNS, pa.float32())}
    assert found == {**RUN_TYPES, **curves, "alpha": pa.bool_(), "beta": pa.bool_()}
    assert all(field.metadata[b"description"] for field in schema)


def test_summaries_have_the_published_columns(exported):
    found = {f.name: f.type for f in pq.read_schema(exported.folder / "complete_summary/_common_metadata")}
    of_a_run = {"run_id", "repetition", "seed", "python_version", "torch_version", "ray_version", "mlflow_version"}
    of_a_run |= {"platform", "git_hash", "hostname", "device", "start_time", "update_time", "train_seconds"}
    of_a_run |= {"trial_id", "mlflow_run_id", "command", "epoch_seconds"}
    expected = {name: kind for name, kind in RUN_TYPES.items() if name not in of_a_run}
    expected |= {"alpha": pa.bool_(), "beta": pa.bool_(), "num_runs": pa.uint16(), "num": pa.list_(pa.uint16())}
    for part in ("test", "train", "validation"):
        for statistic in ("num_finite", "min", "q1", "median", "q3", "max", "avg", "stddev"):
            expected[f"{part}_loss_{statistic}"] = pa.list_(pa.float32())
        for name in ("accuracy", "mean_squared_error", "kullback_leibler_divergence"):
            for statistic in ("q1", "median", "q3", "avg", "stddev"):
                expected[f"{part}_{name}_{statistic}"] = pa.list_(pa.float32())
    for best in ("loss_min", "accuracy_max", "mean_squared_error_min", "kullback_leibler_divergence_min"):
        for what in ("epoch", "value"):
            for statistic in ("min", "q1", "median", "q3", "max", "avg"):
                expected[f"test_{best}_{what}_{statistic}"] = pa.float32()
                name = best.removesuffix("_min").removesuffix("_max")
                expected[f"test_{name}_at_validation_loss_min_value_{statistic}"] = pa.float32()
    for what in ("epoch", "value"):
        for statistic in ("min", "q1", "median", "q3", "max", "avg"):
            expected[f"validation_loss_min_{what}_{statistic}"] = pa.float32()
    assert found == expected
    curves = {name for name in expected if expected[name] == pa.list_(pa.float32())}
    dropped = curves - {"test_loss_q1", "test_loss_median", "test_loss_q3"} | {"num"}
    executive = {
        f.name: f.type for f in pq.read_schema(exported.folder / "complete_executive_summary/_common_metadata")
    }
    assert executive == {name: kind for name, kind in expected.items() if name not in dropped}
    for table in ("alpha_summary", "beta_summary"):
        assert {f.name: f.type for f in pq.read_schema(exported.folder / table / "_common_metadata")} == expected


@pytest.mark.parametrize("table", TABLES)
def test_files_hold_the_columns_of_the_schema_but_the_partitions(exported, table):
    make = {"all_repetitions": repetition_schema, "complete_executive_summary": executive_schema}
    schema = make.get(table, summary_schema)(COLUMNS, ["alpha", "beta"])
    found = pq.read_schema(exported.folder / table / "_common_metadata")
    assert found.equals(schema)
    assert [field.metadata[b"description"] for field in found] == [field.metadata[b"description"] for field in schema]
    expected = pa.schema([field for field in schema if field.name not in PARTITIONS])
    for file in (exported.folder / table).rglob("*.parquet"):
        assert pq.ParquetFile(file).schema_arrow.equals(expected)


# ---------------------------------------------------------------- the published reader


@pytest.mark.parametrize("table", TABLES)
def test_the_published_reader_reads_every_table(exported, table):
    found = read(exported.folder, table)
    assert found.schema.equals(pq.read_schema(exported.folder / table / "_common_metadata"))
    rows = {"all_repetitions": 30, "alpha_summary": 3, "beta_summary": 4}
    assert len(found) == rows.get(table, 6)
    assert set(found["dataset"].to_pylist()) == {"sklearn:iris"}
    rates = {np.float32(rate) for rate in found["learning_rate"].to_pylist()}
    assert rates == ({np.float32(1e-4)} if table == "beta_summary" else {np.float32(1e-4), np.float32(1e-5)})
    assert set(found["kernel_regularizer.type"].to_pylist()) == ({None} if table == "alpha_summary" else {None, "l2"})


def test_the_published_reader_filters_and_chooses_columns(exported):
    columns = ["experiment_id", "size", "shape", "depth", "test_loss_median", "kernel_regularizer.type"]
    filters = [
        ("dataset", "==", "sklearn:iris"),
        ("shape", "in", ["rectangle"]),
        ("depth", "<=", 3),
        ("size", ">", 200),
    ]
    found = read(exported.folder, "complete_summary", columns=columns, filters=filters)
    assert found.column_names == columns
    assert found["size"].to_pylist() == [256, 256]
    assert sorted(found["kernel_regularizer.type"].to_pylist(), key=str) == [None, "l2"]
    nothing = read(exported.folder, "complete_summary", filters=[("epochs", "==", 3000)])
    assert len(nothing) == 0
    sweep_runs = read(exported.folder, "all_repetitions", filters=[("beta", "==", True), ("alpha", "==", True)])
    assert set(sweep_runs["experiment_id"].to_pylist()) == {EXPERIMENTS[0].experiment_id}
    none = pc.field("kernel_regularizer.type").is_null()
    assert len(read(exported.folder, "complete_summary", filters=none)) == 4
    noisy = pc.field("label_noise") == pa.scalar(0.05, pa.float32())
    assert read(exported.folder, "complete_executive_summary", filters=noisy)["alpha"].to_pylist() == [True]


# ---------------------------------------------------------------- values


def test_runs_are_what_was_put_in(exported):
    found = runs_of(exported.folder)
    trials = {trial.experiment: trial for trial in exported.store.finished.trials()}
    assert len(found) == 30
    for experiment in EXPERIMENTS:
        curves = curves_of(experiment, range(5))
        widths, parameters = layer_widths(experiment.shape, experiment.size, 3, 4, 3)
        for number in range(5):
            run = Run(experiment, number)
            row = found[run.run_id]
            l2 = experiment.kernel_regularizer_l2
            expected = {
                **ORIGIN,
                "experiment_id": experiment.experiment_id,
                "run_id": run.run_id,
                "repetition": number,
                "seed": run.seed,
                "dataset": "sklearn:iris",
                "learning_rate": float(np.float32(experiment.learning_rate)),
                "batch_size": 256,
                "label_noise": float(np.float32(experiment.label_noise)),
                "epochs": EPOCHS,
                "shape": experiment.shape,
                "depth": 3,
                "size": experiment.size,
                "optimizer": "adam",
                "momentum": 0.0,
                "activation": "relu",
                "input_activation": "relu",
                "output_activation": "softmax",
                "early_stopping": None,
                "kernel_regularizer.type": "l2" if l2 else None,
                "kernel_regularizer.l1": None,
                "kernel_regularizer.l2": float(np.float32(l2)) if l2 else None,
                "task": "classification",
                "task_version": 2,
                "draws": "paired",
                "task_digest": DIGITS.digest,
                "test_split": float(np.float32(0.2)),
                "train_fraction": 1.0,
                **NEW_AXES,
                "validation_split": 0.0,
                "num_free_parameters": parameters,
                "widths": list(widths),
                "mlflow_run_id": trials[experiment].mlflow_run_id,
                "alpha": experiment in ALPHA.experiments(),
                "beta": experiment in BETA.experiments(),
            }
            assert {name: row[name] for name in expected} == expected
            for k, name in enumerate(HISTORY_COLUMNS):
                np.testing.assert_array_equal(np.array(row[name], np.float32), curves[k, number])
            assert {row[name] for name in (*VALIDATION_COLUMNS, *INITIAL_COLUMNS)} == {None}
            command = json.loads(row["command"])
            assert (command.pop("repetition"), command.pop("seed")) == (number, run.seed)
            assert NetworkExperiment(**command) == experiment
            assert (json.loads(row["kernel_regularizer"] or "null")) == ({"type": "l2", "l2": l2} if l2 else None)
            structure = json.loads(row["network_structure"])
            assert [layer["units"] for layer in structure["layers"]] == list(widths)
            assert [layer["activation"] for layer in structure["layers"]] == ["relu", "relu", "softmax"]


def quantile(values: list[float], q: float) -> float:
    """Linear interpolation between order statistics; what is not finite sorts last and stays infinite."""
    ordered = sorted(v if math.isfinite(v) else math.inf for v in values)
    place = q * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    if low == high or place == int(place):
        return low
    return math.inf if math.isinf(high) else low + (place - math.floor(place)) * (high - low)


def statistic(values: list[float], name: str) -> float:
    finite = [v for v in values if math.isfinite(v)]
    if name == "num_finite":
        return len(finite)
    if name in ("q1", "median", "q3"):
        return quantile(values, {"q1": 0.25, "median": 0.5, "q3": 0.75}[name])
    if not finite or (name == "stddev" and len(finite) < 2):
        return math.nan
    functions = {"min": np.min, "max": np.max, "avg": np.mean, "stddev": lambda v: np.std(v, ddof=1)}
    return float(functions[name](np.array(finite)))


def expected_summary(curves: np.ndarray) -> dict[str, object]:
    """All computed columns of the summary of runs with curves [20, repetitions, epochs], number by number."""
    expected: dict[str, object] = {"num_runs": curves.shape[1], "num": [curves.shape[1]] * curves.shape[2]}
    for part, prefix in (("test", "val_"), ("train", "")):
        for name in ("loss", "accuracy", "mean_squared_error", "kullback_leibler_divergence"):
            curve = curves[HISTORY_COLUMNS.index(prefix + name)].astype(float).tolist()
            wanted = ["q1", "median", "q3", "avg", "stddev"] + ["num_finite", "min", "max"] * (name == "loss")
            for s in wanted:
                expected[f"{part}_{name}_{s}"] = [statistic(list(values), s) for values in zip(*curve, strict=True)]
            if part == "train":
                continue
            best = "max" if name == "accuracy" else "min"
            epochs, values = [], []
            for run in curve:
                finite = [v for v in run if math.isfinite(v)]
                chosen = (max if best == "max" else min)(finite) if finite else math.nan
                values.append(chosen)
                epochs.append(run.index(chosen) + 1 if finite else math.nan)
            for what, numbers in (("epoch", epochs), ("value", values)):
                for s in ("min", "q1", "median", "q3", "max", "avg"):
                    expected[f"test_{name}_{best}_{what}_{s}"] = statistic(numbers, s)
    return expected


def assert_summary(row: dict, curves: np.ndarray) -> None:
    for name, value in expected_summary(curves).items():
        found, expected = np.array(row[name], float), np.array(value, float)
        np.testing.assert_allclose(found, expected, rtol=2e-6, equal_nan=True, err_msg=name)


@pytest.mark.parametrize("table", [name for name in TABLES if name != "all_repetitions"])
def test_summaries_are_what_an_independent_computation_gives(exported, table):
    found = {row["experiment_id"]: row for row in read(exported.folder, table).to_pylist()}
    asked = {"alpha_summary": ALPHA.experiments(), "beta_summary": BETA.experiments()}.get(table, EXPERIMENTS)
    assert set(found) == {experiment.experiment_id for experiment in asked}
    for experiment in asked:
        row = found[experiment.experiment_id]
        assert (row["alpha"], row["beta"]) == (experiment in ALPHA.experiments(), experiment in BETA.experiments())
        assert (row["size"], row["shape"]) == (experiment.size, experiment.shape)
        expected = expected_summary(curves_of(experiment, range(5)))
        kept = {name: row[name] for name in row if name in expected}
        assert len(kept) == (3 + 1 + 48 if table == "complete_executive_summary" else len(expected))
        for name, value in kept.items():
            np.testing.assert_allclose(
                np.array(value, float), np.array(expected[name], float), rtol=2e-6, equal_nan=True, err_msg=name
            )


def test_a_best_epoch_is_the_first_of_equals_counted_from_1(survey):
    curves = np.ones((20, 2, EPOCHS), np.float32)
    loss, accuracy = HISTORY_COLUMNS.index("val_loss"), HISTORY_COLUMNS.index("val_accuracy")
    curves[loss] = [[3, 1, 2, 1, 5], [np.nan, 2, -np.inf, 2, 2]]
    curves[accuracy] = [[0.1, 0.9, 0.2, 0.9, 0.9], [np.inf, 0.3, 0.7, 0.7, 0.1]]
    survey.train(EXPERIMENTS[0], curves=curves)
    survey.export()
    (row,) = read(survey.folder, "complete_summary").to_pylist()
    assert (row["test_loss_min_epoch_min"], row["test_loss_min_epoch_max"]) == (2, 2)
    assert (row["test_loss_min_value_min"], row["test_loss_min_value_max"]) == (1, 2)
    assert (row["test_accuracy_max_epoch_min"], row["test_accuracy_max_epoch_max"]) == (2, 3)
    assert row["test_mean_squared_error_min_epoch_avg"] == 1
    assert row["test_loss_num_finite"] == [1, 2, 1, 2, 2]
    assert row["test_loss_q3"][2] == math.inf


def test_one_run_has_no_deviation_and_a_lost_run_no_mean(survey):
    curves = curves_of(EXPERIMENTS[0], [3])
    survey.train(EXPERIMENTS[0], [3], curves=curves)
    survey.export()
    (row,) = read(survey.folder, "complete_summary").to_pylist()
    assert_summary(row, curves)
    assert np.isnan(row["train_loss_stddev"]).all()
    assert np.isnan(row["test_loss_avg"]).all()
    assert row["test_loss_num_finite"] == [0] * EPOCHS
    assert row["test_loss_median"] == [math.inf] * EPOCHS


# ---------------------------------------------------------------- repeated, interrupted, damaged


def test_an_export_of_nothing_makes_an_empty_data_set(survey):
    assert survey.export() == update.ExportResult(0, 0, ())
    assert len(read(survey.folder, "all_repetitions")) == 0


def test_the_command_keeps_the_index_of_the_explorer_up_to_date(survey, capsys):
    """Of a second export, only the files that it wrote are read for it: one of the runs and one of their summary."""
    dataset = survey.output.dataset
    for new, told in (
        (EXPERIMENTS[0], "index: 1 experiment, 2 runs"),
        (EXPERIMENTS[2], "index: 2 experiments, 4 runs"),
    ):
        survey.train(new)
        assert command(survey.output.folder) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert told in said
        assert "(2 files read; kept in" in said
    assert open_index(dataset, folder_of(dataset)).num_read == 0


def test_a_second_export_writes_nothing(survey):
    survey.train(EXPERIMENTS[0])
    survey.export()
    before, times = files(survey.folder), times_of(survey.folder)
    assert survey.export() == update.ExportResult(0, 0, ())
    assert files(survey.folder) == before
    assert times_of(survey.folder) == times


def times_of(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_the_same_runs_give_the_same_bytes_in_one_step_or_several(survey):
    chosen = [EXPERIMENTS[0], *(e for e in EXPERIMENTS if e.size == 256)]  # two partitions, one of two experiments
    for experiment in chosen:
        survey.train(experiment, (2, 0))
    assert survey.export().num_new_runs == 6
    for experiment in reversed(chosen):
        survey.train(experiment, (1,))
    assert survey.export() == update.ExportResult(3, 2, ())
    in_two_steps = files(survey.folder)
    shutil.rmtree(survey.folder)
    assert survey.export() == update.ExportResult(9, 2, ())
    assert files(survey.folder) == in_two_steps
    for file in (survey.folder / "all_repetitions").rglob("*.parquet"):
        rows = pq.ParquetFile(file).read(["experiment_id", "repetition"]).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["experiment_id"], row["repetition"]))
    assert read(survey.folder, "complete_summary")["num_runs"].to_pylist() == [3, 3, 3]
    assert {e: sorted(n) for e, n in CompletedRuns.of_dataset(survey.folder).items()} == {
        e.experiment_id: [0, 1, 2] for e in chosen
    }


def test_only_partitions_with_new_runs_are_rewritten(survey):
    survey.train(EXPERIMENTS[0])
    survey.train(EXPERIMENTS[1])
    survey.export()
    before = files(survey.folder)
    survey.train(EXPERIMENTS[1], (2,))
    assert survey.export() == update.ExportResult(1, 1, ())
    changed = {name for name, data in files(survey.folder).items() if before.get(name) != data}
    changed.remove("experiments.parquet")
    assert changed
    assert all(f"shape={EXPERIMENTS[1].shape}" in name for name in changed)


def test_a_run_that_was_trained_twice_has_one_row(survey):
    first = survey.train(EXPERIMENTS[0], (0, 1))
    survey.train(EXPERIMENTS[0], (0, 1), curves=np.ones((20, 2, EPOCHS), np.float32))
    survey.train(EXPERIMENTS[0], (1, 2))
    assert survey.export().num_new_runs == 3
    found = runs_of(survey.folder)
    assert sorted(row["repetition"] for row in found.values()) == [0, 1, 2]
    assert len(read(survey.folder, "all_repetitions")) == 3
    assert {row["mlflow_run_id"] for row in found.values() if row["repetition"] < 2} == {first}
    assert survey.export() == update.ExportResult(0, 0, ())
    survey.train(EXPERIMENTS[0], (2, 3))
    assert survey.export().num_new_runs == 1
    assert len(read(survey.folder, "all_repetitions")) == 4


def test_trials_that_have_not_finished_are_not_exported(survey):
    survey.train(EXPERIMENTS[0], finish=False)
    assert survey.export().num_new_runs == 0


@pytest.mark.parametrize("how", ["truncated", "empty", "missing", "another"])
def test_a_damaged_artifact_is_told_and_its_runs_are_not_taken(survey, how):
    good, bad = survey.train(EXPERIMENTS[0], (0, 1)), survey.train(EXPERIMENTS[0], (2, 3))
    file = survey.artifact(bad)
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
    elif how == "another":
        file.write_bytes(survey.artifact(good).read_bytes())
    else:
        file.write_bytes(data[: len(data) // 2] if how == "truncated" else b"")
    result = survey.export()
    assert result.num_new_runs == 2
    (message,) = result.damaged
    assert bad in message
    assert EXPERIMENTS[0].label in message
    assert CompletedRuns.of_dataset(survey.folder) == {EXPERIMENTS[0].experiment_id: {0, 1}}
    # Trained again, they are there; the damaged artifact, now of no use, is still told of or not, but does no harm.
    survey.train(EXPERIMENTS[0], (2, 3))
    assert survey.export().num_new_runs == 2
    assert CompletedRuns.of_dataset(survey.folder) == {EXPERIMENTS[0].experiment_id: {0, 1, 2, 3}}
    assert survey.export() == update.ExportResult(0, 0, ())


def test_a_damaged_file_of_the_data_set_is_named(survey):
    survey.train(EXPERIMENTS[0])
    survey.export()
    (file,) = (survey.folder / "all_repetitions").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ExportError, match=r"part-0\.parquet.*damaged.*remove it"):
        survey.export()
    file.unlink()
    assert survey.export().num_new_runs == 2


@pytest.mark.parametrize("truncated", [False, True])
def test_a_summary_that_is_not_there_is_written_again(survey, truncated):
    survey.train(EXPERIMENTS[0])
    survey.train(EXPERIMENTS[1])
    survey.export()
    before = files(survey.folder)
    file = next((survey.folder / "complete_summary").rglob("*.parquet"))
    if truncated:
        file.write_bytes(file.read_bytes()[:50])
    else:
        file.unlink()
    assert survey.export() == update.ExportResult(0, 1, ())
    assert files(survey.folder) == before


@pytest.mark.parametrize("cut_at", ["complete_summary", "complete_executive_summary"])
def test_an_export_that_was_cut_short_is_finished_by_the_next(survey, monkeypatch, cut_at):
    survey.train(EXPERIMENTS[0])
    survey.export()
    survey.train(EXPERIMENTS[0], (2, 3))
    commit = TableWriter.commit

    def cut(writer, *metadata):
        if cut_at in writer.file.parts:
            raise ExportError("cut short")
        commit(writer, *metadata)

    with monkeypatch.context() as patch:
        patch.setattr(TableWriter, "commit", cut)
        with pytest.raises(ExportError, match="cut short"):
            survey.export()
    assert survey.export() == update.ExportResult(0, 1, ())
    finished = files(survey.folder)
    shutil.rmtree(survey.folder)
    survey.export()
    assert files(survey.folder) == finished
    for table in TABLES[1:]:
        assert read(survey.folder, table)["num_runs"].to_pylist() == [4]


def test_no_temporary_file_is_left(survey, monkeypatch):
    survey.train(EXPERIMENTS[0])
    monkeypatch.setattr(
        "survey.dataset.table_writer.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(5, "input error"))
    )
    with pytest.raises(ExportError, match="input error"):
        survey.export()
    assert not files(survey.folder)


# ---------------------------------------------------------------- sweeps, tasks, folders


def test_a_sweep_recorded_later_updates_the_flags(survey):
    survey.train(EXPERIMENTS[0])
    survey.train(EXPERIMENTS[1])
    survey.export()
    gamma = sweep("gamma", shape=["trapezoid", "exponential"])
    survey.output.record([gamma], {})
    before = files(survey.folder)
    left = update.update_dataset(survey.output, survey.store, only_new_runs=True)
    assert left == update.ExportResult(0, 0, (), num_partitions_left=2)
    assert {name for name, data in files(survey.folder).items() if before.get(name) != data} == {
        "experiments.parquet",
        *(f"{table}/_common_metadata" for table in (*TABLES, "gamma_summary")),
    }
    assert survey.export() == update.ExportResult(0, 2, ())
    for table in (*TABLES, "gamma_summary"):
        assert "gamma" in pq.read_schema(survey.folder / table / "_common_metadata").names
    found = {(row["shape"], row["gamma"]) for row in read(survey.folder, "all_repetitions").to_pylist()}
    assert found == {("rectangle", False), ("trapezoid", True)}
    (row,) = read(survey.folder, "gamma_summary").to_pylist()
    assert (row["shape"], row["alpha"], row["beta"], row["gamma"]) == ("trapezoid", True, False, True)
    step_by_step = files(survey.folder)
    shutil.rmtree(survey.folder)
    survey.export()
    assert files(survey.folder) == step_by_step


@pytest.mark.parametrize("run_epochs_of_group", [1, 1_000_000])
def test_the_table_of_a_sweep_is_its_part_of_the_summary(survey, monkeypatch, run_epochs_of_group):
    """In one group or several: a sweep has all experiments of a partition, some, or none any more."""
    monkeypatch.setattr(partition, "_GROUP_RUN_EPOCHS", run_epochs_of_group)
    survey.output.record([sweep("gamma", size=[256, 512])], {})
    for experiment in EXPERIMENTS:
        survey.train(experiment)
    survey.export()
    kinds = set()
    for narrowed in (False, True):
        if narrowed:
            survey.output.record([sweep("gamma", size=1 << 20)], {})
            for file in (survey.folder / "gamma_summary").rglob("*.parquet"):
                alpha = survey.folder / "alpha_summary" / file.relative_to(survey.folder / "gamma_summary")
                if alpha.exists():
                    alpha.with_name(f".{file.name}.999999.tmp").write_text("of a process that was killed")
            survey.export()
        summary = read(survey.folder, "complete_summary").to_pylist()
        for name in ("alpha", "beta", "gamma"):
            members = [row[name] for row in summary]
            kinds.add((all(members), any(members)))
            rows = sorted(repr(sorted(row.items())) for row in summary if row[name])
            assert survey.rows(f"{name}_summary") == rows
    assert len(kinds) > 1
    assert not [*survey.folder.rglob("*.tmp")]


def test_a_sweep_that_was_narrowed_loses_its_flags(survey):
    for experiment in BETA.experiments():
        survey.train(experiment)
    survey.export()
    survey.output.record([sweep("beta", size=256)], {})
    survey.export()
    flagged = {row["experiment_id"] for row in read(survey.folder, "all_repetitions").to_pylist() if row["beta"]}
    summarised = set(read(survey.folder, "beta_summary")["experiment_id"].to_pylist())
    expected = {e.experiment_id for e in sweep("beta", size=256).experiments()}
    assert flagged == summarised == expected


def test_a_users_own_task_is_flagged_by_its_content(survey, tmp_path):
    own = SearchSpace(
        name="own",
        grids=sweep("x", dataset="my task_1").grids,
        tasks={"my task_1": UserTask(path=tmp_path / "a.csv", target="y", kind="classification")},
    )
    contents = {"my task_1": "ab" * 32}
    survey.output.record([own], contents)
    assert survey.output.identity.contents == contents
    task = PreparedTask("my task_1", "classification", DIGITS.inputs, DIGITS.targets, "ab" * 32)
    (experiment,) = own.experiments(contents)
    (other,) = own.experiments({"my task_1": "cd" * 32})
    survey.train(experiment, task=task)
    survey.train(other, task=task)
    assert survey.export().num_new_runs == 4
    flags = {row["experiment_id"]: row["own"] for row in runs_of(survey.folder).values()}
    assert flags == {experiment.experiment_id: True, other.experiment_id: False}
    assert set(read(survey.folder, "all_repetitions")["dataset"].to_pylist()) == {"my task_1"}


def test_other_data_under_the_same_name_are_refused(exported):
    check_task_digest(exported.folder, "sklearn:iris", DIGITS.digest)
    check_task_digest(exported.folder, "sklearn:wine", "f" * 64)
    check_task_digest(exported.folder / "nowhere", "sklearn:iris", "f" * 64)
    with pytest.raises(OutputError) as error:
        check_task_digest(exported.folder, "sklearn:iris", "0123456789abcdef" * 4)
    for words in ("'sklearn:iris'", DIGITS.digest[:16], "0123456789abcdef", "--out"):
        assert words in str(error.value)


def test_runs_done_are_those_of_the_data_set(exported):
    assert CompletedRuns.of_dataset(exported.folder) == {e.experiment_id: {0, 1, 2, 3, 4} for e in EXPERIMENTS}
    assert CompletedRuns.of_dataset(exported.folder / "nowhere") == {}


def move(survey: Survey, folder: Path) -> Survey:
    moved = Survey.__new__(Survey)
    moved.output = Output.at(survey.output.folder.rename(folder))
    moved.store = TrackingStore(moved.output.default_tracking_uri, output_id=moved.output.output_id)
    return moved


def test_a_moved_output_is_exported_all_the_same(survey, tmp_path):
    survey.train(EXPERIMENTS[0])
    survey.export()
    before = files(survey.folder)
    moved = move(survey, tmp_path / "moved elsewhere")
    shutil.rmtree(moved.folder)
    assert moved.export() == update.ExportResult(2, 1, ())
    assert files(moved.folder) == before
    moved.train(EXPERIMENTS[1])
    assert moved.export() == update.ExportResult(2, 1, ())
    assert not (tmp_path / "out").exists(), "it goes on where it is"


@pytest.mark.parametrize("name", ["oüt 100% #1", "a%20b", "a?b&c=d", "a;b:c@d'e"])
def test_an_output_in_a_folder_with_odd_characters_is_exported(tmp_path, empty_store, name):
    survey = Survey(tmp_path / name, empty_store)
    run_id = survey.train(EXPERIMENTS[0])
    assert survey.export() == update.ExportResult(2, 1, ())
    assert survey.artifact(run_id).exists()
    assert [folder.name for folder in tmp_path.iterdir()] == [name]


def test_a_partition_path_is_quoted_and_read_back():
    path = layout.partition_of(NetworkExperiment(dataset="a b=c%", shape="rectangle", size=8, depth=2), COLUMNS)
    assert path.startswith("dataset=a%20b%3Dc%25/learning_rate=0.0001/batch_size=256/")
    assert f"kernel_regularizer.type={NULL}/label_noise=0.0/epochs=3000/shape=rectangle/depth=2" in path
