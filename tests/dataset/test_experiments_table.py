"""The experiments as one file: what is in it, who reads it, and when it is made again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import combine
from survey.dataset import experiments_table
from survey.dataset.completed_runs import CompletedRuns
from survey.dataset.experiments_table import write_experiments
from survey.dataset.layout import EXECUTIVE, SUMMARY, partition_file, partitions
from survey.errors import DiskFullError, ExportError
from survey.export.publish.description import About
from survey.export.publish.upload import SUMS, publish
from survey.networks.columns import COLUMNS
from tests.support.export_data import ALPHA, EXPERIMENTS, Survey, files, read, sweep
from tests.support.pages import blocks
from tests.support.paths import ROOT

FILE = "experiments.parquet"


@pytest.fixture
def folder(exported_once, tmp_path) -> Path:
    """A data set of one's own."""
    return Path(shutil.copytree(exported_once / "dataset", tmp_path / "dataset"))


@pytest.fixture
def partitions_read(monkeypatch) -> list[str]:
    """The partitions whose files were read for the file."""
    made: list[str] = []
    original = experiments_table._read

    def noted(dataset, partition, schema):
        made.append(partition)
        return original(dataset, partition, schema)

    monkeypatch.setattr(experiments_table, "_read", noted)
    return made


def expected(folder: Path) -> pa.Table:
    """What the published layout says of the experiments, without lists."""
    table = read(folder, EXECUTIVE)
    return table.select([field.name for field in table.schema if not pa.types.is_list(field.type)])


def check(folder: Path) -> None:
    found, whole = pq.read_table(folder / FILE), expected(folder)
    assert found.schema.equals(whole.schema, check_metadata=False)
    assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, whole.to_pylist()))
    assert files(folder)[FILE] == anew(folder), "the same bytes, in one step or several"


def anew(folder: Path) -> bytes:
    own, aside = folder / FILE, folder / "aside"
    own.rename(aside)
    try:
        return write_experiments(folder, target=folder.parent / "anew.parquet").read_bytes()
    finally:
        aside.rename(own)


def test_it_has_a_row_for_each_experiment_and_every_column_but_lists(folder):
    check(folder)
    found = pq.read_table(folder / FILE)
    assert found.num_rows == len(EXPERIMENTS)
    assert set(COLUMNS.partition) < set(found.column_names)
    assert not {"widths", "test_loss_median"} & set(found.column_names)
    assert found.schema.field("depth").metadata[b"description"].startswith(b"Number of layers")


def test_it_is_made_again_only_where_something_has_changed(exported, partitions_read):
    folder = exported.folder
    before = (folder / FILE).stat().st_mtime_ns
    partitions_read.clear()
    exported.export()
    assert (folder / FILE).stat().st_mtime_ns == before
    exported.train(EXPERIMENTS[0], (5, 6))
    exported.export()
    (changed,) = partitions_read
    assert changed in partitions(folder / EXECUTIVE)
    check(folder)
    partitions_read.clear()
    (folder / FILE).unlink()
    exported.export()
    assert partitions_read == list(partitions(folder / EXECUTIVE))
    check(folder)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_row_groups_do_not_depend_on_what_has_changed(folder, monkeypatch, partitions_read, rows):
    monkeypatch.setattr(experiments_table, "_GROUP_ROWS", rows)
    (folder / FILE).unlink()
    write_experiments(folder)
    names = list(partitions(folder / EXECUTIVE))
    for changed in (names[:1], names[1:3], names[-1:]):
        write_experiments(folder, dict.fromkeys(changed, "another"))
        partitions_read.clear()
        write_experiments(folder)
        assert partitions_read == changed
        check(folder)
    if rows == 1:
        with pq.ParquetFile(folder / FILE) as file:
            assert file.num_row_groups == len(names)


def test_a_new_sweep_is_a_new_column_and_replaced_runs_change_it(exported):
    gamma = sweep("gamma", shape="trapezoid")
    exported.output.record([gamma], {})
    exported.export()
    check(exported.folder)
    assert sum(pq.read_table(exported.folder / FILE)["gamma"].to_pylist()) == 1
    run_id = exported.train(EXPERIMENTS[1], (7,))
    exported.export()
    exported.output.redo_log.add("shape=trapezoid", [run_id])
    exported.train(EXPERIMENTS[1], (7,), curves=np.full((20, 1, 5), 9, np.float32))
    exported.export()
    check(exported.folder)


def test_partitions_that_are_left_as_they_are_lack_the_new_column(exported):
    from survey.export.update import update_dataset

    exported.output.record([sweep("gamma")], {})
    exported.train(EXPERIMENTS[0], (8,))
    update_dataset(exported.output, exported.store, only_new_runs=True)
    gamma = pq.read_table(exported.folder / FILE)["gamma"].to_pylist()
    assert None in gamma
    assert True in gamma
    check(exported.folder)
    exported.export()
    check(exported.folder)


DAMAGE = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "something else": lambda data: b"PAR1" * 100,
    "a bad page": lambda data: data[:100] + bytes(200) + data[300:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_damaged_is_made_again(folder, damage):
    file = folder / FILE
    write_experiments(folder, {next(partitions(folder / EXECUTIVE)): "another"})
    file.write_bytes(damage(file.read_bytes()))
    write_experiments(folder)
    check(folder)


def test_a_file_that_says_something_else_of_itself_is_made_again(folder):
    file = folder / FILE
    table = pq.read_table(file)
    for text in ("x", "x y", "x 1000", "x -1\n" * 3, ""):
        pq.write_table(table.replace_schema_metadata({"survey.partitions": text}), file)
        write_experiments(folder)
        check(folder)


def test_what_is_interrupted_leaves_the_old_file(folder, monkeypatch):
    before = (folder / FILE).read_bytes()
    another = {next(partitions(folder / EXECUTIVE)): "another"}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(experiments_table, "_read", full)
    with pytest.raises(DiskFullError, match=r"experiments\.parquet: the disk is full"):
        write_experiments(folder, another)
    assert (folder / FILE).read_bytes() == before
    assert list(folder.glob(".*")) == []


def test_a_damaged_summary_is_told_with_what_to_do(exported):
    folder = exported.folder
    (folder / FILE).unlink()
    name = next(partitions(folder / EXECUTIVE))
    partition_file(folder / EXECUTIVE, name).write_bytes(b"PAR1")
    with pytest.raises(ExportError, match=r"is damaged .*; remove .*complete_summary.* and export again"):
        exported.export()
    partition_file(folder / SUMMARY, name).unlink()
    exported.export()
    check(folder)


def test_it_is_never_what_says_what_is_done(exported):
    done = CompletedRuns.of_dataset(exported.folder)
    file = exported.folder / FILE
    pq.write_table(pq.read_table(file).slice(0, 0), file)
    assert CompletedRuns.of_dataset(exported.folder) == done
    assert exported.export().num_new_runs == 0
    check(exported.folder)


def test_a_data_set_without_runs_has_it_too(survey):
    survey.export()
    assert pq.read_table(survey.folder / FILE).num_rows == 0


def test_combined_data_sets_have_it(tmp_path, empty_store):
    one, other = (Survey(tmp_path / name, empty_store) for name in ("one", "other"))
    for number, experiment in enumerate(EXPERIMENTS):
        (one, other)[number % 2].train(experiment)
    for each in (one, other):
        each.export()
    combine(one.folder, other.folder, out=tmp_path / "both")
    check(tmp_path / "both")


# ---------------------------------------------------------------- published


def test_it_is_published_and_described(folder, tmp_path):
    publish(folder, str(tmp_path / "data"), About("Irises"))
    assert (tmp_path / "data" / FILE).read_bytes() == (folder / FILE).read_bytes()
    assert f"  {FILE}\n" in (tmp_path / "data" / SUMS).read_text()
    records = list(mlcroissant.Dataset(str(tmp_path / "data" / "croissant.json")).records("experiments"))
    assert [record["experiments/experiment_id"] for record in records] == [
        row["experiment_id"] for row in pq.read_table(folder / FILE).to_pylist()
    ]
    assert len(records[0]) == len(expected(folder).column_names)


@pytest.mark.parametrize("state", ["missing", "of an earlier state", "of another writer"])
def test_what_is_published_is_up_to_date_and_the_data_set_stays_as_it_is(folder, tmp_path, state):
    good = (folder / FILE).read_bytes()
    if state == "missing":
        (folder / FILE).unlink()
    elif state == "of an earlier state":
        write_experiments(folder, {next(partitions(folder / EXECUTIVE)): "another"})
    else:
        for name in partitions(folder / SUMMARY):
            file = partition_file(folder / SUMMARY, name)
            with pq.ParquetFile(file) as source:
                table = source.read()
            pq.write_table(table.replace_schema_metadata(None), file)
    before = files(folder)
    publish(folder, str(tmp_path / "data"), About("Irises"))
    assert files(folder) == before
    found = pq.read_table(tmp_path / "data" / FILE)
    assert found.equals(pq.read_table(pa.BufferReader(good)))


# ---------------------------------------------------------------- readers


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory, empty_store) -> Path:
    """A folder with a data set of which one partition column is null everywhere."""
    folder = tmp_path_factory.mktemp("readers")
    survey = Survey(folder / "surveys" / "quickstart", empty_store)
    for experiment in ALPHA.experiments():
        survey.train(experiment)
    survey.export()
    shutil.rmtree(survey.output.artifacts)
    return folder


def frames(there: dict[str, Any]) -> dict[str, Any]:
    """What the code of the page has read, as frames of pandas."""
    made = {
        "in_pandas": lambda frame: frame,
        "in_polars": lambda frame: frame.to_pandas(),
        "in_duckdb": lambda relation: relation.df(),
        "in_dask": lambda frame: frame.compute(),
    }
    return {name: make(there[name]) for name, make in made.items() if name in there}


@pytest.mark.parametrize("number", range(5))
def test_the_calls_of_the_page_read_all_with_their_types(quickstart, monkeypatch, number):
    for library in ("polars", "duckdb", "dask.dataframe"):
        pytest.importorskip(library)
    monkeypatch.chdir(quickstart)
    code = blocks(ROOT / "docs" / "readers.md", "python")[number]
    there: dict[str, Any] = {}
    exec(compile(code, "readers.md", "exec"), there)
    found = frames(there)
    assert len(found) == (4 if number == 0 else 1)
    whole = read(quickstart / "surveys/quickstart/dataset", "complete_summary").to_pandas()
    whole = whole.sort_values("experiment_id", ignore_index=True)
    assert whole["kernel_regularizer.type"].isna().all()
    for name, frame in found.items():
        frame = frame.sort_values("experiment_id", ignore_index=True)
        assert len(frame) == len(whole) == 3
        names = expected(quickstart / "surveys/quickstart/dataset").column_names if number == 0 else whole.columns
        assert set(frame.columns) == set(names), name
        for column in names:
            if whole[column].dtype.kind in "uif":
                np.testing.assert_array_equal(frame[column].to_numpy(), whole[column].to_numpy(), err_msg=column)
                if name != "in_dask" or number == 0:
                    assert frame[column].dtype == whole[column].dtype, (name, column)
            elif whole[column].dtype.kind != "b" and not isinstance(whole[column][0], np.ndarray):
                assert frame[column].isna().tolist() == whole[column].isna().tolist(), (name, column)
                assert frame[column].dropna().tolist() == whole[column].dropna().tolist(), (name, column)


def test_the_page_has_a_call_for_each_reader():
    assert len(blocks(ROOT / "docs" / "readers.md", "python")) == 5


@pytest.mark.service
def test_ray_data_reads_the_file_with_its_types(quickstart, monkeypatch):
    import ray

    file = quickstart / "surveys/quickstart/dataset" / FILE
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        found = ray.data.read_parquet(str(file))
        assert dict(zip(found.schema().names, found.schema().types, strict=True)) == {
            field.name: field.type for field in pq.read_schema(file)
        }
        assert len(found.to_pandas()) == pq.read_metadata(file).num_rows
    finally:
        ray.shutdown()
