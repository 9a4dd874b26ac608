"""Names: which are refused before a launch, tasks by every form of theirs, and files of others that are left alone."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from rich.console import Console

from survey import Grid, SearchSpace, run
from survey.dataset.layout import partition_of
from survey.dataset.sweep_names import sweep_problem
from survey.errors import InputError, OutputError, SearchSpaceError, TaskError
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.launch.planning import dry_run
from survey.launch.request import Request
from survey.networks.columns import COLUMNS
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import METRICS
from survey.output.disk_usage import disk_use
from survey.output.folder import Output
from survey.spaces.yaml_file import built_in_names
from survey.tasks.own import UserTask
from survey.text.names import inside, is_device, is_of_system, is_run_id, partition_problem, task_problem
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, child_run, parent_run
from tests.support.strewn import FOLDERS_OF_OTHERS, OF_OTHERS, strew

TABLE = "a\tb\ttarget\n" + "".join(f"{row}\t{row % 7}\t{row % 4}\n" for row in range(40))


def space(name: str = "x", dataset: str | list[str] = "sklearn:iris", **tasks: Path) -> SearchSpace:
    own = {task: UserTask(path=path, target="target", kind="classification") for task, path in tasks.items()}
    grid = Grid.model_validate({"dataset": dataset, "shape": "rectangle", "size": 64, "depth": 2, "epochs": 2})
    return SearchSpace(name=name, grids=(grid,), tasks=own)


def prepared(*spaces: SearchSpace, out: Path | None = None) -> Request:
    return prepare(list(spaces), Options(out=out, ui=False), Console(quiet=True))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a cache and no network."""
    monkeypatch.setenv("SURVEY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SURVEY_PMLB_DIR", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The rules themselves; tests/spaces/test_search_space.py has what is said of them with the line of a search space


@pytest.mark.parametrize("name", ["a", "300_epoch_sweep", "x" * 100, "console", "kernel_regularizer_sweep", "COM"])
def test_names_of_sweeps(name):
    assert sweep_problem(name, COLUMNS) == ""


@pytest.mark.parametrize(
    "name",
    ["", "../x", "/x", "a/b", "a.b", "a\n", "_a", "-a", "x" * 101, "é", "CON", "lpt1", "Depth", "COMPLETE", "Epoch"],
)
def test_names_that_no_sweep_has(name):
    assert sweep_problem(name, COLUMNS)


@pytest.mark.parametrize("name", ["mine", "my task_1", "a b=c%", "v1.5", "CON", "Größe", "x" * 247, "..%2Fx"])
def test_names_of_tasks(name):
    assert task_problem(name) == ""


@pytest.mark.parametrize("name", ["", " ", "a/b", "../x", "a:b", "x.", "..", "a\x1b", "a\0", "\ud800", "x" * 248])
def test_names_that_no_task_has(name):
    assert task_problem(name)


def test_every_partition_of_an_experiment_can_be():
    settings = {"shape": "wide_first_2x", "size": 64, "depth": 255, "epochs": 1}
    for more in ({"learning_rate": 1e-20}, {"kernel_regularizer_type": "l1", "kernel_regularizer_l1": 1.0}):
        for dataset in ("mnist", "sklearn:digits", "Größe 1%", "x+y"):
            folders = partition_of(
                NetworkExperiment(dataset=dataset, label_noise=0.05, **settings, **more), COLUMNS
            ).split("/")
            assert [partition_problem(folder) for folder in folders] == [""] * 8


@pytest.mark.parametrize(
    "folder",
    ["dataset=..%2F..%2Fx", "dataset=", "depth=..%2Fx", "depth=", "shape=a%2Fb", "dataset=__HIVE_DEFAULT_PARTITION__"],
)
def test_partitions_that_cannot_be(folder):
    assert partition_problem(folder)


def test_names_of_runs():
    assert is_run_id("0123456789abcdef-0012")
    assert is_run_id("0123456789abcdef-65535")
    assert not any(map(is_run_id, ("../../x", "0123456789abcdef-0012/..", "0123456789abcdef-0012\n", "", None)))


def test_devices_of_windows_have_any_ending_and_case():
    assert all(map(is_device, ("CON", "con", "Nul.csv", "com1.tar.gz")))
    assert not any(map(is_device, ("", "console", "com", "com10", "x.con")))


@pytest.mark.parametrize("path", ["../x", "/etc", "a/../../x", "link", "link/x", "loop", "a\0"])
def test_a_path_that_leads_out(tmp_path, path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    with pytest.raises(InputError) as error:
        inside(folder, path)
    assert str(error.value).startswith(f"{folder}: {path!r} leads out of this folder")


def test_a_path_that_stays_inside(tmp_path):
    real = tmp_path / "real"
    (real / "b").mkdir(parents=True)
    (tmp_path / "data").symlink_to(real)  # the folder itself may lie elsewhere
    (real / "a").symlink_to(real / "b")
    assert inside(tmp_path / "data", "a", "x") == tmp_path / "data" / "a" / "x"


# A launch or a dry run is prepared


def test_sweeps_of_one_launch_and_of_one_output_differ_in_more_than_capitals(folder):
    with pytest.raises(InputError, match="different names, found A, a"):
        prepared(space("A"), space("a"))
    output = Output.at(folder / "out")
    output.prepare()
    output.record([space("Small")], {})
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="search spaces 'Small' and 'small' differ only in capitals"):
        prepared(space("small"), out=folder / "out")
    assert sorted(folder.rglob("*")) == before
    assert prepared(space("Small"), space("other"), out=folder / "out").name == "Small+other"


def test_tasks_of_one_launch_and_of_one_output_differ_in_more_than_capitals(folder):
    table = folder / "t.csv"
    table.write_text(TABLE.replace("\t", ","))
    with pytest.raises(InputError, match="tasks 'Mine' and 'mine' differ only in capitals"):
        prepared(space("a", "mine", mine=table), space("b", "Mine", Mine=table))
    (folder / "out" / "dataset" / "all_repetitions" / "dataset=MINE").mkdir(parents=True)
    (folder / "out" / "survey.json").write_text(
        '{"output_id": "' + "0" * 32 + '", "contents": {}, "training_version": 2}'
    )
    with pytest.raises(InputError, match="tasks 'MINE' and 'mine' differ only in capitals"):
        prepared(space("a", "mine", mine=table), out=folder / "out")


def test_one_name_means_one_task_in_all_search_spaces(folder):
    table = folder / "t.csv"
    table.write_text(TABLE.replace("\t", ","))
    with pytest.raises(InputError, match="'titanic' is also a task of your own"):
        prepared(space("a", "titanic", titanic=table), space("b", "pmlb:titanic"))


def test_names_that_are_too_long_together_need_a_folder(folder):
    spaces = [space(letter * 99) for letter in "abc"]
    with pytest.raises(InputError, match="names of 3 search spaces together are too long for a folder; give --out"):
        prepared(*spaces)
    assert prepared(*spaces, out=folder / "out").name.startswith("aaa")


def test_names_in_mlflow_fit_into_its_database():
    experiment = NetworkExperiment(dataset="x" * 247, shape="rectangle", size=64, depth=2)
    settings = TrackingSettings("sqlite:///x", "1", all_epochs=True, repetition_runs=True, metrics=METRICS)
    run = parent_run(settings, TrackedTrial(experiment, [65535], 1, {}, "t"), start_time_ms=0)
    assert len(child_run(run, experiment, 65535).name) <= 250


# Every documented form of the name of a task, wherever its table lies


def placed(root: Path, name: str) -> None:
    (root / name).mkdir(parents=True)
    (root / name / f"{name}.tsv.gz").write_bytes(gzip.compress(TABLE.encode(), mtime=0))


@pytest.mark.parametrize("where", ["in the cache", "in SURVEY_PMLB_DIR"])
def test_each_form_of_a_name_is_planned_and_loaded(folder, monkeypatch, where):
    root = folder / "cache" / "pmlb" if where == "in the cache" else folder / "tables"
    placed(root, "titanic")
    if where == "in SURVEY_PMLB_DIR":
        monkeypatch.setenv("SURVEY_PMLB_DIR", str(root))
    own = folder / "t.csv"
    own.write_text(TABLE.replace("\t", ","))
    request = prepared(space("x", ["pmlb:titanic", "pmlb:nursery", "sklearn:iris", "mine", "banana"], mine=own))
    plan = request.plan({}, may_guess=True)
    names = [trial.experiment.dataset for trial in plan.bundles]
    assert sorted(names) == ["banana", "mine", "nursery", "sklearn:iris", "titanic"]
    assert dry_run(request).runs_to_train == 50
    at_hand = prepared(space("x", ["pmlb:titanic", "sklearn:iris", "mine"], mine=own))
    assert set(at_hand.load_data(at_hand.plan({}))) == {"titanic", "sklearn:iris", "mine"}
    (experiment,) = space("x", "pmlb:titanic").experiments()
    assert experiment == NetworkExperiment(dataset="titanic", shape="rectangle", size=64, depth=2, epochs=2)
    assert not (folder / "surveys").exists()


@pytest.mark.parametrize("name", ["pmlb:titanic", "pmlb:nursery", "nursery"])
def test_what_is_nowhere_is_told_with_what_was_tried_and_leaves_nothing(folder, name):
    request = prepared(space("x", name))
    bare = name.removeprefix("pmlb:")
    with pytest.raises(TaskError) as error:
        request.load_data(request.plan({}))
    for words in (f"task {bare!r}: its table was not found", str(folder / "cache"), f"/datasets/{bare}/{bare}.tsv.gz"):
        assert words in str(error.value)
    with pytest.raises(TaskError):
        run(space("x", name))
    assert list(folder.iterdir()) == []


def test_a_cache_that_is_there_stays_when_nothing_can_be_fetched(folder):
    placed(folder / "cache" / "pmlb", "other")
    with pytest.raises(TaskError):
        prepared(space("x", "pmlb:titanic")).plan({})
    assert [path.name for path in (folder / "cache" / "pmlb").iterdir()] == ["other"]


def test_an_empty_folder_stays_empty_when_nothing_can_be_fetched(folder):
    (folder / "out").mkdir()
    with pytest.raises(TaskError):
        run(space("x", "nursery"), out=folder / "out")
    assert list((folder / "out").iterdir()) == []


# Files of others


def test_what_systems_leave_in_folders_is_known():
    assert all(map(is_of_system, (*OF_OTHERS, *FOLDERS_OF_OTHERS)))
    assert not any(map(is_of_system, ("thesis.txt", "x.yaml", ".git", "survey.json", "dataset=x")))


def test_a_folder_with_what_systems_leave_is_as_good_as_empty(folder):
    strew(folder)
    Output.at(folder).prepare()
    assert Output.at(folder, must_exist=True).exists
    (folder / "sub").mkdir()
    strew(folder / "sub")
    (folder / "sub" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="holds other things"):
        Output.at(folder / "sub")


def test_the_search_spaces_of_an_output_are_those_of_its_own_files(folder):
    output = Output.at(folder / "out")
    output.prepare()
    output.record([space("a"), space("b")], {})
    kept = folder / "out" / "search_spaces"
    strew(kept)
    (kept / "a (1).yaml").write_text("no: search space")
    (kept / "copy.yaml").write_text((kept / "a.yaml").read_text())  # which says that it is called `a`
    assert output.search_spaces.names == ("a", "b", "copy")
    assert [each.name for each in output.search_spaces.read()] == ["a", "b"]


def test_the_search_spaces_of_an_output_lead_nowhere_else(folder):
    output = Output.at(folder / "out")
    output.prepare()
    output.record([space("a")], {})
    secret = folder / "secret.yaml"
    secret.write_text("password: hush")
    kept = folder / "out" / "search_spaces"
    (kept / "a.yaml").write_text(f"lists: {secret}\n" + (kept / "a.yaml").read_text())
    with pytest.raises(SearchSpaceError, match="unknown key 'lists'") as error:
        output.search_spaces.read()
    assert "hush" not in str(error.value)
    (kept / "a.yaml").unlink()
    (kept / "a.yaml").symlink_to(secret)
    with pytest.raises(InputError, match=r"'a\.yaml' leads out of this folder"):
        output.search_spaces.read()


def test_built_in_search_spaces_are_those_of_its_own_files(folder, monkeypatch):
    spaces = folder / "search_spaces"
    spaces.mkdir()
    strew(spaces)
    (spaces / "mine.yaml").touch()
    monkeypatch.setattr("survey.spaces.yaml_file.SEARCH_SPACES", spaces)
    assert built_in_names() == ("mine",)


def test_disk_use_is_counted_where_something_cannot_be_listed(folder, monkeypatch):
    output = Output.at(folder / "out")
    output.prepare()
    strew(folder / "out")
    output.dataset.mkdir()
    strew(output.dataset)
    whole = os.scandir

    def scandir(path):
        if str(path).endswith("lost+found"):
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert disk_use(output).parts["data set"] > 0
