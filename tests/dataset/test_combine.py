"""Data sets made in different places become one: equal runs once, other values and other definitions refused."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import combine
from survey.dataset.layout import partition_file, partitions
from survey.errors import InputError, OutputError
from survey.networks.metrics import HISTORY_COLUMNS
from survey.tasks.prepared import PreparedTask
from tests.support.export_data import DIGITS, EXPERIMENTS, TABLES, Survey, curves_of, files, read
from tests.support.launching import launched, rows
from tests.support.small_survey import SMALL

ORIGIN = ("mlflow_run_id",)


@pytest.fixture
def here(tmp_path, empty_store) -> Survey:
    """An output."""
    return Survey(tmp_path / "here" / "out", empty_store)


@pytest.fixture
def there(tmp_path, empty_store) -> Survey:
    """An output in another place."""
    return Survey(tmp_path / "there" / "out", empty_store)


@pytest.fixture
def whole(tmp_path, empty_store) -> Survey:
    """A third one."""
    return Survey(tmp_path / "whole" / "out", empty_store)


def contents(folder: Path, table: str, without=ORIGIN) -> list[str]:
    """The rows of a table as text, in the order of experiment and repetition: NaN equals NaN there."""
    return sorted(
        repr(sorted((name, value) for name, value in row.items() if name not in without))
        for row in read(folder, table).to_pylist()
    )


def test_halves_by_experiment_and_by_repetition_are_the_whole(here, there, whole, tmp_path):
    for number, experiment in enumerate(EXPERIMENTS):
        whole.train(experiment, (0, 1, 2, 3, 4))
        if number % 3 == 0:
            here.train(experiment, (0, 1, 2, 3, 4))
        elif number % 3 == 1:
            there.train(experiment, (0, 1, 2, 3, 4))
        else:
            here.train(experiment, (0, 2, 3))
            there.train(experiment, (1, 2, 4))
    for each in (here, there, whole):
        each.export()
    result = combine(here.folder, there.folder, out=tmp_path / "one")
    shared = sum(number % 3 == 2 for number in range(len(EXPERIMENTS)))
    assert (result.num_experiments, result.num_runs) == (len(EXPERIMENTS), 5 * len(EXPERIMENTS))
    assert (result.num_equal, result.num_conflicts) == (shared, 0)
    for table in TABLES:
        assert contents(tmp_path / "one", table) == contents(whole.folder, table), table
    assert set(files(tmp_path / "one")) == set(files(whole.folder))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_order_does_not_matter_but_for_where_a_run_was_made(here, there, tmp_path):
    for each, repetitions in ((here, (0, 1)), (there, (1, 2))):
        for experiment in EXPERIMENTS[:3]:
            each.train(experiment, repetitions)
        each.export()
    combine(here.folder, there.folder, out=tmp_path / "one")
    combine(there.folder, here.folder, out=tmp_path / "other")
    for table in TABLES:
        assert contents(tmp_path / "one", table) == contents(tmp_path / "other", table)
    first = {run["run_id"]: run["mlflow_run_id"] for run in read(here.folder, "all_repetitions").to_pylist()}
    taken = {run["run_id"]: run["mlflow_run_id"] for run in read(tmp_path / "one", "all_repetitions").to_pylist()}
    assert first.items() <= taken.items()


def test_three_data_sets_and_a_default_place(here, there, whole):
    for number, each in enumerate((here, there, whole)):
        each.train(EXPERIMENTS[0], (number,))
        each.export()
    result = combine(here.folder, there.folder, whole.folder)
    assert result.dataset == here.folder.with_name("dataset+dataset+dataset")
    assert result.num_runs == 3
    assert read(result.dataset, "complete_summary")["num_runs"].to_pylist() == [3]


def test_a_conflict_is_named_and_nothing_is_left(here, there, tmp_path):
    other = curves_of(EXPERIMENTS[0], (0, 1)).copy()
    other[HISTORY_COLUMNS.index("val_accuracy"), 1, 3] += 0.5
    here.train(EXPERIMENTS[0], (0, 1))
    there.train(EXPERIMENTS[0], (0, 1), curves=other)
    here.export()
    there.export()
    with pytest.raises(InputError) as error:
        combine(here.folder, there.folder, out=tmp_path / "one")
    message = str(error.value)
    run_id = f"{EXPERIMENTS[0].experiment_id:016x}-0001"
    for part in ("1 runs", run_id, "(dataset sklearn:iris, ", "val_accuracy at epoch 4", str(here.folder), "--redo"):
        assert part in message
    assert f"{EXPERIMENTS[0].experiment_id:016x}-0000" not in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]

    result = combine(here.folder, there.folder, out=tmp_path / "one", on_conflict="first")
    assert (result.num_equal, result.num_conflicts) == (1, 1)
    assert contents(tmp_path / "one", "all_repetitions", ()) == contents(here.folder, "all_repetitions", ())


def test_one_bit_is_a_conflict_and_nan_is_none(here, there, tmp_path):
    curves = curves_of(EXPERIMENTS[0], (1,))
    assert np.isnan(curves).any()
    here.train(EXPERIMENTS[0], (1,), curves=curves)
    there.train(EXPERIMENTS[0], (1,), curves=curves.copy())
    here.export()
    there.export()
    assert combine(here.folder, there.folder, out=tmp_path / "one").num_equal == 1
    _change(
        there.folder, "loss", lambda values: [[np.nextafter(np.float32(v[0]), np.float32(9)), *v[1:]] for v in values]
    )
    with pytest.raises(InputError, match="loss at epoch 1"):
        combine(here.folder, there.folder, out=tmp_path / "two")


def _change(folder: Path, column: str, change) -> None:
    """Change a column of all runs of a data set."""
    table = folder / "all_repetitions"
    for partition in partitions(table):
        file = partition_file(table, partition)
        rows_ = pq.ParquetFile(file).read()
        place, kind = rows_.schema.get_field_index(column), rows_.schema.field(column)
        values = pa.array(change(rows_[column].to_pylist()), kind.type)
        pq.write_table(rows_.set_column(place, kind, values), file)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("task_version", 1, "task_version is 2 in"),
        ("test_split_method", "stratified", "test_split_method is shuffled_train_test_split in"),
        ("widths", [9, 9, 3], "widths is"),
        ("num_free_parameters", 7, "num_free_parameters is"),
    ],
)
def test_other_definitions_are_refused(here, there, tmp_path, column, value, told):
    for each, repetitions in ((here, (0,)), (there, (1,))):
        each.train(EXPERIMENTS[0], repetitions)
        each.export()
    _change(there.folder, column, lambda values: [value] * len(values))
    with pytest.raises(InputError, match=told) as error:
        combine(here.folder, there.folder, out=tmp_path / "one")
    assert str(there.folder) in str(error.value)
    assert not (tmp_path / "one").exists()


def test_tasks_may_be_split_differently(here, there, tmp_path):
    """A task of the user's own can have a split of its own, beside tasks of which each repetition draws one."""
    parts = np.array([0] * 6 + [2] * 4, np.int8)
    given = PreparedTask("mine", "classification", DIGITS.inputs, DIGITS.targets, parts=parts)
    here.train(EXPERIMENTS[0], (0,))
    there.train(dataclasses.replace(EXPERIMENTS[0], dataset="mine"), (0,), task=given)
    for each in (here, there):
        each.export()
    result = combine(here.folder, there.folder, out=tmp_path / "one")
    rows_ = read(result.dataset, "complete_summary").to_pylist()
    found = {row["dataset"]: (row["test_split_method"], round(row["test_split"], 6)) for row in rows_}
    assert found == {"sklearn:iris": ("shuffled_train_test_split", 0.2), "mine": ("given", 0.4)}


def test_other_data_under_the_name_of_a_task_are_refused(here, there, tmp_path):
    here.train(EXPERIMENTS[0], (0,))
    there.train(EXPERIMENTS[1], (0,), task=dataclasses.replace(DIGITS, inputs=np.ones((10, 4), "f4"), digest=""))
    here.export()
    there.export()
    with pytest.raises(InputError, match=r"'sklearn:iris' stands for other data .*" + DIGITS.digest[:16]):
        combine(here.folder, there.folder, out=tmp_path / "one")


def test_data_in_the_published_form_are_refused(here, tmp_path):
    here.train(EXPERIMENTS[0], (0,))
    here.export()
    published = tmp_path / "butter" / "all_repetitions"
    published.mkdir(parents=True)
    schema = pa.schema([("experiment_id", pa.uint32()), ("run_id", pa.string()), ("tensorflow_version", pa.string())])
    pq.write_metadata(schema, published / "_common_metadata")
    with pytest.raises(InputError, match=r"butter: cannot be mixed .* it lacks repetition, task_digest"):
        combine(here.folder, tmp_path / "butter", out=tmp_path / "one")


def test_misuse_is_told(here, tmp_path):
    here.train(EXPERIMENTS[0], (0,))
    here.export()
    with pytest.raises(InputError, match="nowhere: no such folder"):
        combine(here.folder, tmp_path / "nowhere", out=tmp_path / "one")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="full: not a data set"):
        combine(here.folder, tmp_path / "full", out=tmp_path / "one")
    with pytest.raises(OutputError, match="full: already exists"):
        combine(here.folder, here.folder, out=tmp_path / "full")
    command = [sys.executable, "-m", "analysis.combine", str(here.folder), "--out", str(tmp_path / "one")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, "error: expected two data sets or more, found 1\n")


@pytest.mark.scale
def test_two_halves_of_a_real_survey_made_apart_equal_the_survey_made_whole(undisturbed, tmp_path):
    settings = SMALL.format(epochs=100)
    whole = '["sklearn:iris", "sklearn:diabetes"]'
    for task in ("iris", "diabetes"):
        (tmp_path / task).mkdir()
        space = tmp_path / task / "small.yaml"
        space.write_text(settings.replace(whole, f'["sklearn:{task}"]'))
        launched(space, "--out", tmp_path / task / "out", "--no-ui")
    halves = [str(tmp_path / task / "out" / "dataset") for task in ("iris", "diabetes")]
    one = tmp_path / "one" / "dataset"
    one.parent.mkdir()
    command = [sys.executable, "-m", "analysis.combine", *halves, "--out", str(one)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{one}: 8 experiments, 24 runs; 0 runs were in more than one data set\n"

    told_of_making = ["start_time", "update_time", "train_seconds", "epoch_seconds", "trial_id", "mlflow_run_id"]
    made, made_whole = (rows(out).drop(columns=told_of_making) for out in (one.parent, undisturbed))
    pd.testing.assert_frame_equal(made, made_whole)
    for table in ("complete_summary", "complete_executive_summary", "small_summary"):
        assert contents(one, table) == contents(undisturbed / "dataset", table), table
    shutil.rmtree(tmp_path / "iris" / "out")
