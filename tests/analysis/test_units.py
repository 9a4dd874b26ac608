"""The unit of a regression's target: kept in the data set, and errors turned back to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import analysis
from analysis import combine, read_batches
from analysis.reading.units import power_of
from survey.dataset.schema import BEST_STATISTICS, repetition_schema, summary_schema
from survey.errors import InputError
from survey.networks.columns import COLUMNS
from survey.tasks.prepared import PreparedTask
from tests.support.export_data import ALPHA, BETA, DIGITS, EXPERIMENTS, Survey, read

HOUSES = PreparedTask(
    "sklearn:iris",
    "regression",
    np.zeros((10, 4), "f4"),
    np.linspace(0, 1, 10, dtype="f4")[:, None],
    target_minimum=-3.0,
    target_range=8.0,
)
VARIANCE = HOUSES.target_variance
PLAIN = next(each for each in EXPERIMENTS if not each.kernel_regularizer_type)
PENALISED = next(each for each in BETA.experiments() if each.kernel_regularizer_type)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, empty_store) -> Path:
    made = Survey(tmp_path_factory.mktemp("units") / "out", empty_store)
    for experiment in (PLAIN, PENALISED):
        made.train(experiment, (0, 1, 2), task=HOUSES)
    made.export()
    return made.folder


def aged(folder: Path) -> Path:
    """Take the columns out, which an older version did not write."""
    for file in [*folder.rglob("*.parquet"), *folder.rglob("_common_metadata")]:
        if file.name == "_common_metadata":
            schema = pq.read_schema(file)
            for name in COLUMNS.of_data:
                schema = schema.remove(schema.get_field_index(name))
            pq.write_metadata(schema, file)
        else:
            table = pq.ParquetFile(file).read()
            pq.write_table(table.drop_columns(list(COLUMNS.of_data)), file)
    return folder


def units_of(folder: Path, table: str) -> set[tuple]:
    return {tuple(row[name] for name in COLUMNS.of_data) for row in read(folder, table).to_pylist()}


@pytest.mark.parametrize("table", ["all_repetitions", "complete_summary", "complete_executive_summary"])
def test_the_data_set_has_the_unit(exported, table):
    assert units_of(exported, table) == {(-3.0, 8.0, VARIANCE)}


def test_there_is_none_where_the_target_was_not_scaled(survey):
    survey.train(PLAIN, (0,), task=DIGITS)
    survey.export()
    assert units_of(survey.folder, "all_repetitions") == {(None, None, None)}
    with pytest.raises(InputError, match=r"'sklearn:iris' was not scaled.*target_range is null.*filter"):
        analysis.read(survey.folder, columns=["test_loss_median"], units="target")


def test_runs_that_are_added_to_those_of_an_older_version_tell_the_unit_of_all(survey):
    survey.train(PLAIN, (0, 1), task=HOUSES)
    survey.export()
    aged(survey.folder)
    with pytest.raises(InputError, match=r"no column target_range.*older version"):
        analysis.read(survey.folder, units="target")
    survey.train(PLAIN, (2,), task=HOUSES)
    survey.export()
    for table in ("all_repetitions", "complete_summary"):
        assert units_of(survey.folder, table) == {(-3.0, 8.0, VARIANCE)}
    assert len(analysis.read(survey.folder, units="target")) == 1


def test_an_old_data_set_is_exported_and_combined(survey, exported, tmp_path):
    survey.train(PLAIN, (1, 3), task=HOUSES)
    survey.train(ALPHA.experiments()[-1], (0,), task=HOUSES)
    survey.export()
    aged(survey.folder)
    assert survey.export().num_new_runs == 0
    combine(survey.folder, exported, out=tmp_path / "one")
    rows = read(tmp_path / "one", "all_repetitions").to_pylist()
    assert {(row["experiment_id"] == ALPHA.experiments()[-1].experiment_id, row["target_range"]) for row in rows} == {
        (True, None),
        (False, 8.0),
    }
    assert len(rows) == 4 + 3 + 1


def test_data_in_other_units_are_combined(survey, exported, tmp_path):
    """The same numbers were trained on: each run keeps the unit of its own data."""
    thousands = PreparedTask(
        "sklearn:iris", "regression", HOUSES.inputs, HOUSES.targets, target_minimum=-0.003, target_range=0.008
    )
    survey.train(PLAIN, (3,), task=thousands)
    survey.export()
    combine(exported, survey.folder, out=tmp_path / "one")
    assert units_of(tmp_path / "one", "all_repetitions") == {(-3.0, 8.0, VARIANCE), (-0.003, 0.008, VARIANCE)}


# Turning back.

SQUARES = {"val_loss", "loss", "val_mean_squared_error", "mean_squared_error"}
ROOTS = {"val_mean_absolute_error", "mean_absolute_error", "val_root_mean_squared_error", "root_mean_squared_error"}


def test_what_grows_with_the_range_of_the_target():
    runs = {name: power_of(name) for name in repetition_schema(COLUMNS, []).names}
    assert {name for name, power in runs.items() if power == 2} == SQUARES
    assert {name for name, power in runs.items() if power == 1} == ROOTS
    summaries = {name: power_of(name) for name in summary_schema(COLUMNS, []).names}
    of_curves = {
        f"{part}_{name}_{statistic}"
        for part in ("test", "train")
        for name in ("loss", "mean_squared_error")
        for statistic in ("min", "q1", "median", "q3", "max", "avg", "stddev")
        if name == "loss" or statistic not in ("min", "max")
    }
    of_best = {
        f"test_{name}_min_value_{statistic}" for name in ("loss", "mean_squared_error") for statistic in BEST_STATISTICS
    }
    assert {name for name, power in summaries.items() if power} == of_curves | of_best
    assert set(summaries.values()) == {0, 2}


@pytest.mark.parametrize("table", ["all_repetitions", "complete_summary", "complete_executive_summary"])
def test_errors_are_turned_back_and_all_else_is_as_it_was(exported, table):
    plain = [("kernel_regularizer.type", "=", None)]
    scaled, turned = (
        analysis.read(exported, table=table, filters=plain, units=units) for units in ("scaled", "target")
    )
    assert list(turned.columns) == list(scaled.columns)
    for name in scaled.columns:
        power = power_of(name)
        for before, after in zip(scaled[name], turned[name], strict=True):
            if power:
                assert np.array_equal(np.asarray(before, "f8") * 8.0**power, after, equal_nan=True), name
                assert np.asarray(after).dtype == np.float64
            else:
                np.testing.assert_array_equal(before, after, name)


def test_a_loss_with_a_penalty_is_refused_and_its_error_is_not(exported):
    for columns in (None, ["test_loss_median"], ["num_runs", "test_loss_min_value_min"]):
        with pytest.raises(InputError, match=r"test_loss\w* includes an L1 or L2 penalty.*mean_squared_error"):
            analysis.read(exported, columns=columns, units="target")
    found = analysis.read(exported, columns=["size", "test_mean_squared_error_median"], units="target")
    assert list(found.columns) == ["size", "test_mean_squared_error_median"]
    assert len(found) == 2


def test_batches_and_bad_units(exported):
    names = ["run_id", "val_mean_absolute_error", "kernel_regularizer_type"]
    whole = analysis.read(exported, table="all_repetitions", columns=names, units="target")
    parts = list(read_batches(exported, table="all_repetitions", columns=names, units="target", rows=2))
    assert list(whole.columns) == [*names[:2], "kernel_regularizer.type"]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert [run for part in parts for run in part["run_id"]] == list(whole["run_id"])
    with pytest.raises(InputError, match="units is 'euro'; expected 'scaled' or 'target'"):
        analysis.read(exported, units="euro")  # pyright: ignore[reportArgumentType]


def test_data_that_are_published_have_no_unit(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "old")
    aged(tmp_path / "old")
    assert len(analysis.read(tmp_path / "old")) == 2
    with pytest.raises(InputError, match="or of the published data set"):
        analysis.read(tmp_path / "old", columns=["test_loss_median"], units="target")
