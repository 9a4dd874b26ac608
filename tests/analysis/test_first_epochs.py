"""The first epochs of longer experiments: what `epochs=` gives is what runs that were cut by hand give."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis import read, read_batches
from survey.dataset.schema import executive_schema, repetition_schema, summary_schema
from survey.dataset.summary import summarise
from survey.errors import InputError
from survey.networks.columns import COLUMNS
from survey.networks.metrics import HISTORY_COLUMNS, METRICS
from tests.support.analysis_data import SWEEPS, bowl, experiment, write_table
from tests.support.s3_server import S3

TABLES = ("all_repetitions", "complete_summary", "complete_executive_summary", f"{SWEEPS[1]}_summary")
BEST = ["experiment_id", "test_loss_min_epoch_median", "test_accuracy_max_value_q3"]
VALIDATED = (2, 5, 7)
"""Experiments with a validation set, of 8, 5 and 8 epochs."""

PENALTY = {"kernel_regularizer.type": "l2", "kernel_regularizer.l2": 0.01}


def _runs(number: int, epochs: int, last: int, **more: Any) -> list[dict[str, Any]]:
    """Three runs of an experiment, cut to the epochs up to `last`."""
    more.setdefault("task", "regression")
    described = experiment(more.pop("dataset", "sklearn:diabetes"), "rectangle", 2, 256, bowl(1, 8, 2), **more)
    del described["surface"]
    rng = np.random.default_rng(number)
    rows = []
    for repetition in range(3):
        names = METRICS.curves if number in VALIDATED else HISTORY_COLUMNS
        made = rng.uniform(0.1, 3, (len(names), epochs)).astype(np.float32)
        made[:, 1] = np.nan if repetition == number % 4 else made[:, 1]
        seconds = rng.uniform(1, 2, epochs).astype(np.float32)
        kept = min(epochs, last)
        timed = number != 3
        rows.append(
            {
                **described,
                "experiment_id": number,
                "epochs": kept,
                "run_id": f"{number:016x}-{repetition:04d}",
                "repetition": repetition,
                "target_range": 10.0,
                **dict(zip(names, made[:, :kept], strict=True)),
                "epoch_seconds": seconds[:kept] if timed else None,
                "train_seconds": (seconds[:kept].sum() if timed else 9.5 if kept == epochs else None),
            }
        )
    return rows


def _write(folder: Path, last: int = 100) -> Path:
    """Write a data set of experiments of 5 and of 8 epochs, whose runs end at epoch `last` at the latest."""
    experiments = [
        _runs(7, 8, last),
        _runs(1, 5, last),
        _runs(2, 8, last, learning_rate=1e-3),
        _runs(3, 8, last, learning_rate=1e-3),
        _runs(4, 8, last, dataset="537_houses", **PENALTY),
        _runs(5, 5, last, dataset="537_houses"),
    ]
    full = summary_schema(COLUMNS, SWEEPS)
    summaries = []
    for runs in experiments:
        columns = {name: [run.get(name) for run in runs] for name in repetition_schema(COLUMNS, SWEEPS).names}
        table = pa.table(columns, schema=repetition_schema(COLUMNS, SWEEPS))
        summaries += summarise(table, full, METRICS).to_pylist()
    write_table(folder / TABLES[0], [run for runs in experiments for run in runs], repetition_schema(COLUMNS, SWEEPS))
    write_table(folder / TABLES[1], summaries, full)
    write_table(folder / TABLES[2], summaries, executive_schema(COLUMNS, SWEEPS))
    write_table(folder / TABLES[3], [row for row in summaries if row[SWEEPS[1]]], full)
    return folder


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("long") / "dataset")


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("by_hand") / "dataset", last=5)


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows by experiment: those of other numbers of epochs are in other files, and so in another order."""
    return frame.sort_values("experiment_id", kind="stable", ignore_index=True)


@pytest.mark.parametrize("table", TABLES)
def test_the_first_epochs_are_those_of_runs_cut_by_hand(table: str, long: Path, by_hand: Path) -> None:
    whole, cut = read(long, table=table), read(long, table=table, epochs=5)
    assert set(whole["epochs"]) == {5, 8}
    assert set(cut["epochs"]) == {5}
    pd.testing.assert_frame_equal(_ordered(cut), _ordered(read(by_hand, table=table)))


def test_the_chosen_epoch_is_one_of_the_first(long: Path) -> None:
    name = "test_loss_at_validation_loss_min_value_median"
    runs = read(long, table="all_repetitions", columns=["experiment_id", "val_loss", "validation_loss"])
    for epochs in (3, None):
        found = read(long, columns=["experiment_id", name], epochs=epochs).set_index("experiment_id")[name]
        assert set(found[found.notna()].index) == {*VALIDATED}
        for number in VALIDATED:
            its = runs[runs["experiment_id"] == number]
            test, validation = (np.stack(its[each])[:, :epochs] for each in ("val_loss", "validation_loss"))
            chosen = np.nanargmin(validation, axis=1)
            assert found[number] == np.median(test[np.arange(3), chosen])


@pytest.mark.parametrize("epochs", [8, np.int64(9)])
@pytest.mark.parametrize("table", TABLES)
def test_rows_of_no_more_epochs_stay_as_they_are(table: str, epochs: int, long: Path) -> None:
    pd.testing.assert_frame_equal(read(long, table=table, epochs=epochs), read(long, table=table))


@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("table", TABLES[:2])
def test_batches_put_together_are_the_table(table: str, rows: int, long: Path) -> None:
    together = pd.concat(read_batches(long, table=table, epochs=3, rows=rows), ignore_index=True)
    pd.testing.assert_frame_equal(together, read(long, table=table, epochs=3))


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("all_repetitions", ["val_loss", "run_id"]),
        ("all_repetitions", ["train_seconds"]),
        ("complete_summary", ["test_loss_median"]),
        ("complete_summary", [*BEST, "kernel_regularizer_type"]),
    ],
)
@pytest.mark.parametrize("units", ["scaled", "target"])
def test_only_the_columns_that_are_asked_for_are_returned(table: str, columns: list, units: Any, long: Path) -> None:
    filters = [("kernel_regularizer.type", "=", None)]
    found = read(long, table=table, columns=columns, units=units, filters=filters, epochs=5)
    assert list(found.columns) == [name.replace("regularizer_", "regularizer.") for name in columns]
    whole = read(long, table=table, units=units, filters=filters, epochs=5)
    pd.testing.assert_frame_equal(found, whole[list(found.columns)])


def test_filters_are_of_the_data_as_stored(long: Path) -> None:
    asked: dict[str, Any] = {"columns": ["experiment_id", "epochs", "test_loss_min_epoch_max"], "epochs": 4}
    assert sorted(read(long, filters=[("epochs", "=", 8)], **asked)["experiment_id"]) == [2, 3, 4, 7]
    assert len(read(long, filters=[("epochs", "=", 4)], **asked)) == 0
    late = [("test_loss_min_epoch_max", ">", 4)]
    found = read(long, filters=late, **asked)
    assert len(found) == len(read(long, filters=late)) > 0
    assert found["test_loss_min_epoch_max"].max() <= 4


def test_losses_are_turned_back_after_the_cut(long: Path) -> None:
    asked: dict[str, Any] = {"columns": ["test_loss_min_value_median"], "filters": [("learning_rate", "=", 1e-3)]}
    scaled, target = read(long, epochs=2, **asked), read(long, epochs=2, units="target", **asked)
    np.testing.assert_allclose(target.to_numpy(), 100 * scaled.to_numpy(), rtol=1e-6)


def test_of_the_runs_only_the_files_concerned_are_read(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = S3()
    try:
        files = [file for file in long.rglob("*") if file.is_file()]
        server.put("lake", {str(file.relative_to(long.parent)): file.read_bytes() for file in files})
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        filters = [("dataset", "=", "sklearn:diabetes")]
        found = read("s3://lake/dataset", filters=filters, columns=BEST, epochs=5)
        asked = [path for method, path, _ in server.requests if method == "GET" and "all_repetitions" in path]
    finally:
        server.stop()
    pd.testing.assert_frame_equal(found, read(long, filters=filters, columns=BEST, epochs=5))
    assert [path for path in asked if "epochs%3D8" in path or "epochs=8" in path]
    assert [path for path in asked if path.endswith(".parquet") and ("houses" in path or "epochs=5" in path)] == []


def test_a_data_set_without_runs_has_curves_but_no_best_epochs(long: Path, tmp_path: Path) -> None:
    shutil.copytree(long / "complete_summary", tmp_path / "d" / "complete_summary")
    assert set(read(tmp_path / "d", columns=["epochs", "num"], epochs=5)["num"].map(len)) == {5}
    message = "epochs=5: the best epochs of longer experiments are found again from the table all_repetitions, which is"
    with pytest.raises(InputError, match=re.escape(message)):
        read(tmp_path / "d", epochs=5)
    shutil.copytree(long / "all_repetitions", tmp_path / "d" / "all_repetitions")
    next((tmp_path / "d" / "all_repetitions").rglob("learning_rate=0.001/**/*.parquet")).unlink()
    with pytest.raises(InputError, match="all_repetitions lacks some of them"):
        next(read_batches(tmp_path / "d", epochs=5, columns=BEST))


def test_runs_of_a_version_that_timed_no_epochs(long: Path, tmp_path: Path) -> None:
    full = repetition_schema(COLUMNS, SWEEPS)
    older = pa.schema([field for field in full if field.name != "epoch_seconds"])
    write_table(tmp_path / "d" / "all_repetitions", [*_runs(1, 5, 9), *_runs(2, 8, 9)], older)
    found = read(tmp_path / "d", table="all_repetitions", columns=["train_seconds"], epochs=5)
    assert list(found["train_seconds"].isna()) == [False] * 3 + [True] * 3


@pytest.mark.parametrize("epochs", [0, -1, 2.0, "5", True, [5]])
def test_a_number_of_epochs_that_is_none(epochs: Any, long: Path) -> None:
    message = re.escape(f"epochs is {epochs!r}; expected a whole number of at least 1")
    with pytest.raises(InputError, match=message):
        read(long, epochs=epochs)
    with pytest.raises(InputError, match=message):
        next(read_batches(long, epochs=epochs))
