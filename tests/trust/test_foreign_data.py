"""Data sets that somebody else has made: names and links lead nowhere else, files of others are left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import combine
from analysis.reading.tables import read as analysis_read
from analysis.reading.tables import tables
from analysis.report.condense import experiments
from analysis.report.facts import overview
from analysis.report.page import write_report
from survey.dataset.completed_runs import CompletedRuns
from survey.errors import InputError, OutputError
from survey.export.publish.description import About
from survey.export.publish.upload import JOURNAL, SUMS, publish
from tests.support.export_data import EXPERIMENTS, Survey, files, read
from tests.support.strewn import strew

ABOUT = About("Foreign")
SECRET = b"of somebody else"


@pytest.fixture(scope="module")
def made(tmp_path_factory, empty_store) -> Path:
    """A data set of two experiments, of two partitions."""
    survey = Survey(tmp_path_factory.mktemp("made") / "out", empty_store)
    for experiment in (EXPERIMENTS[0], EXPERIMENTS[1]):
        survey.train(experiment)
    survey.export()
    return survey.folder


@pytest.fixture
def world(made, tmp_path) -> Path:
    """A folder with that data set, `data`, to be spoilt; `good`, which stays as it is; and files of a victim."""
    for name in ("data", "good"):
        shutil.copytree(made, tmp_path / name)
    (tmp_path / "victim" / "all_repetitions").mkdir(parents=True)
    (tmp_path / "victim" / "file").write_bytes(SECRET)
    return tmp_path


def partition(table: Path) -> Path:
    return sorted(table.rglob("part-0.parquet"))[0]


def with_column(dataset: Path, name: str) -> None:
    """Say that a data set has a sweep of this name, whose rows are those of alpha."""
    for table in ("all_repetitions", "complete_summary", "complete_executive_summary"):
        file = dataset / table / "_common_metadata"
        pq.write_metadata(pq.read_schema(file).append(pa.field(name, pa.bool_())), file)
        for part in (dataset / table).rglob("part-0.parquet"):
            rows = pq.ParquetFile(part).read()
            pq.write_table(rows.append_column(name, rows["alpha"]), part)


def refused(world: Path, *told: str) -> None:
    """Combine, publish and report refuse the data set, say why, and touch nothing beside it."""
    before = files(world)
    target = world / "deep" / "target"
    target.parent.mkdir()
    for act in (
        lambda: combine(world / "good", world / "data", out=target),
        lambda: publish(world / "data", str(target), ABOUT),
        lambda: write_report(world / "data", target),
    ):
        with pytest.raises(InputError) as error:
            act()
        for words in (str(world / "data"), *told):
            assert words in str(error.value)
        assert str(error.value).isprintable()
    target.parent.rmdir()
    assert files(world) == before


@pytest.mark.parametrize(
    "name", ["../../x", "..", "a/b", "{world}/victim/file", "x\x1b[2J", "", "nul", "Alpha", "Depth"]
)
def test_sweeps_that_are_paths(world, name):
    name = name.format(world=world)
    with_column(world / "data", name)
    refused(world, repr(name))


@pytest.mark.parametrize("folder", ["dataset=..%2F..%2Fx", "dataset=%2Fetc", "dataset=a%1Bb", "dataset="])
def test_tasks_that_are_paths(world, folder):
    for table in filter(Path.is_dir, (world / "data").iterdir()):
        next(table.glob("dataset=*")).rename(table / folder)
    refused(world, "dataset=")


def test_values_of_partitions_that_are_paths(world):
    for table in filter(Path.is_dir, (world / "data").iterdir()):
        folder = next(table.rglob("depth=3"))
        folder.rename(folder.with_name("depth=..%2F..%2Fx"))
    refused(world, "'depth=../../x'", "expected a number")


def test_runs_that_are_paths(world):
    for file in (world / "data" / "all_repetitions").rglob("part-0.parquet"):
        rows = pq.ParquetFile(file).read()
        ids = pa.array(["../../victim/file"] * len(rows))
        pq.write_table(rows.set_column(rows.schema.get_field_index("run_id"), "run_id", ids), file)
    for act in (
        lambda: combine(world / "good", world / "data", out=world / "target"),
        lambda: publish(world / "data", str(world / "target"), ABOUT),
    ):
        with pytest.raises(InputError, match=r"part-0\.parquet: '\.\./\.\./victim/file' is no run_id"):
            act()


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("all_repetitions", "file"),
        ("all_repetitions", "folder"),
        ("all_repetitions", "metadata"),
        ("all_repetitions", "table"),
        ("complete_summary", "folder"),
        ("complete_executive_summary", "file"),
        ("complete_executive_summary", "metadata"),
    ],
)
def test_links_that_lead_out(world, table, what):
    """What they lead to is a whole and good data set, so that only the link is wrong."""
    folder = world / "data" / table
    linked = {
        "file": partition(folder),
        "folder": next(folder.glob("dataset=*")),
        "metadata": folder / "_common_metadata",
        "table": folder,
    }[what]
    there = world / "victim" / linked.relative_to(world / "data")
    there.parent.mkdir(parents=True, exist_ok=True)
    if there.is_dir():
        there.rmdir()
    linked.rename(there)
    linked.symlink_to(there)
    before = files(world)
    with pytest.raises(InputError, match="leads out of this folder"):
        publish(world / "data", str(world / "target"), ABOUT)
    if table == "all_repetitions":
        with pytest.raises(InputError, match="leads out of this folder"):
            combine(world / "good", world / "data", out=world / "target")
    if what in ("file", "folder"):
        with pytest.raises(InputError, match="leads out of this folder"):
            analysis_read(world / "data", table=table)
    assert files(world) == before


def test_links_within_a_data_set_are_followed(world):
    folder = next((world / "data" / "complete_summary").glob("dataset=*"))
    folder.rename(folder.with_name("kept"))
    folder.symlink_to("kept")
    (world / "link").symlink_to(world / "data")
    assert len(analysis_read(world / "link")) == 2
    assert publish(world / "link", str(world / "target"), ABOUT).num_files > 10


def test_tables_are_words(world):
    for name in ("../good/complete_summary", "/etc", "complete_summary/../../good/complete_summary", ""):
        with pytest.raises(InputError, match="no table"):
            analysis_read(world / "data", table=name)
    with pytest.raises(InputError, match="no table"):
        analysis_read(world / "data", sweep="../good/complete")


# What an earlier publication says of itself


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (SUMS, "../victim/file"),
        (SUMS, "thesis.txt"),
        (JOURNAL, "{world}/victim/file"),
        (JOURNAL, "search_spaces/../../victim/file"),
    ],
)
def test_a_list_of_other_things_removes_nothing(world, name, path):
    target = world / "target"
    publish(world / "data", str(target), ABOUT)
    (target / "thesis.txt").write_text("mine")
    path = path.format(world=world)
    with (target / name).open("a") as lines:
        lines.write(f"{'0' * 64}  {path}\n")
    before = files(world)
    with pytest.raises(OutputError) as error:
        publish(world / "data", str(target), ABOUT)
    assert f"{target}/{name}: lists {path!r}, which is no file of a publication" in str(error.value)
    assert files(world) == before


def test_links_in_a_publication_lead_nowhere(world):
    target = world / "target"
    publish(world / "good", str(target), ABOUT)
    victim = world / "victim" / "all_repetitions"
    for path in (target / "all_repetitions").iterdir():
        path.rename(victim / path.name)
    (target / "all_repetitions").rmdir()
    (target / "all_repetitions").symlink_to(victim)
    shutil.rmtree(next((world / "data" / "all_repetitions").glob("dataset=*/learning_rate=*")))
    before = files(victim)
    with pytest.raises(InputError, match="leads out of this folder"):
        publish(world / "data", str(target), ABOUT)
    assert files(victim) == before


def test_only_what_is_called_as_ours_is_removed_from_a_publication(world):
    target = world / "target"
    publish(world / "data", str(target), ABOUT)
    strewn = {target / "note.txt", *strew(target), *strew(target / "all_repetitions")}
    (target / "note.txt").touch()
    old = (
        target / "complete_summary" / "dataset=gone" / Path(*partition(world / "data" / "complete_summary").parts[-8:])
    )
    old.parent.mkdir(parents=True)
    old.touch()
    assert publish(world / "data", str(target), ABOUT).num_removed == 1
    assert not old.exists()
    assert all(path.exists() for path in strewn)


# Files of others


def test_files_of_others_in_a_data_set_are_left_alone(world):
    before = {name: read(world / "good", name).to_pylist() for name in tables(world / "good")}
    folders = [world / "data", *(path for path in (world / "data").rglob("*") if path.is_dir())]
    for folder in folders:
        strew(folder)
    data = world / "data"
    assert tables(data) == tables(world / "good")
    assert (
        len(analysis_read(data)) == len(analysis_read(data, filters=[("shape", "in", ["rectangle", "trapezoid"])])) == 2
    )
    assert CompletedRuns.of_dataset(data) == CompletedRuns.of_dataset(world / "good")
    assert len(overview(data, experiments(data))) > 10
    strew_target = world / "combined"
    strew_target.mkdir()
    strewn = strew(strew_target)
    assert combine(data, world / "good", out=strew_target).num_runs == 4
    assert all(path.exists() for path in strewn)
    publish(data, str(world / "published"), ABOUT)
    publish(world / "good", str(world / "as good"), ABOUT)
    assert files(world / "published") == files(world / "as good")
    for name, rows in before.items():
        assert repr(read(world / "combined", name).to_pylist()) == repr(rows)


def test_a_place_with_what_systems_leave_is_as_good_as_empty(world):
    (world / "target").mkdir()
    strew(world / "target")
    publish(world / "data", str(world / "target"), ABOUT)
    (world / "other").mkdir()
    (world / "other" / "thesis.txt").touch()
    for act in (
        lambda: publish(world / "data", str(world / "other"), ABOUT),
        lambda: combine(world / "data", world / "good", out=world / "other"),
    ):
        with pytest.raises(OutputError, match=r"holds other things, such as thesis\.txt|already exists"):
            act()


def test_data_sets_whose_names_are_one_on_some_systems_are_not_combined(world):
    for table in filter(Path.is_dir, (world / "data").iterdir()):
        for folder in table.glob("dataset=*"):
            folder.rename(folder.with_name("dataset=Mine"))
    for table in (world / "good").iterdir():
        for folder in table.glob("dataset=*"):
            folder.rename(folder.with_name("dataset=mine"))
    with pytest.raises(InputError, match="tasks 'mine' and 'Mine' differ only in capitals"):
        combine(world / "good", world / "data", out=world / "target")
    shutil.rmtree(world / "data")
    shutil.copytree(world / "good", world / "data")
    for file in (world / "data").glob("*/_common_metadata"):
        schema = pq.read_schema(file)
        pq.write_metadata(pa.schema([f.with_name("Alpha") if f.name == "alpha" else f for f in schema]), file)
    with pytest.raises(InputError, match="search spaces 'Alpha' and 'alpha' differ only in capitals"):
        combine(world / "good", world / "data", out=world / "target")
    assert not (world / "target").exists()


def test_names_of_folders_that_are_too_long_are_told(world, monkeypatch):
    with pytest.raises(OutputError, match="too long for a folder; choose a shorter one as out"):
        combine(world / "data", world / "good", out=world / ("x" * 250))
    monkeypatch.chdir(world / "data")
    assert combine(Path(), world / "good").dataset == world / "data+good"
