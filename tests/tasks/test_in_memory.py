"""Data from Python: arrays and frames as tasks of a search space, surveyed, exported, and surveyed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from rich.console import Console
from sklearn import datasets

import survey
from survey import Grid, SearchSpace
from survey.errors import InputError, SearchSpaceError, TaskError
from survey.export.update import update_dataset
from survey.launch.result import SurveyResult
from survey.networks.task_space import own_tasks
from survey.output.folder import Output
from survey.spaces.yaml_file import dump_space, load_space
from survey.tasks.loading import load
from survey.tasks.own import UserTask
from survey.tracking.store import TrackingStore

ROWS = 30
X = np.random.default_rng(0).normal(size=(ROWS, 3))
Y = np.arange(ROWS) % 3
FRAME = pd.DataFrame(X, columns=list("abc")).assign(kind=np.array(["u", "v", "w"])[Y])
GRID = Grid.model_validate({"dataset": "mine", "shape": "rectangle", "size": 64, "depth": 2, "epochs": 5})


def space(given: Any, name: str = "own") -> SearchSpace:
    return SearchSpace(name=name, repetitions=2, grids=(GRID,), tasks={"mine": given})


def digest(given: Any) -> str:
    return load("mine", space(given).tasks).digest


def test_arrays_and_frames_are_what_their_files_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=X, y=Y)
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    arrays = UserTask(path=tmp_path / "t.npz", target="y", kind="classification")
    table = UserTask(path=tmp_path / "t.csv", target="kind", kind="classification")
    same = [(X, Y), (X.tolist(), list(Y)), (X, Y[:, None]), (pd.DataFrame(X), pd.Series(Y)), (X, Y, "classification")]
    assert {digest(given) for given in same} == {digest(arrays)}
    shuffled = FRAME.set_index(np.arange(ROWS)[::-1])
    assert {digest(given) for given in [(FRAME, "kind"), (shuffled, "kind")]} == {digest(table)}


def test_the_kind_is_guessed_or_given() -> None:
    assert space((X, Y)).tasks["mine"].kind == "classification"
    assert space((X, X[:, 0])).tasks["mine"].kind == "regression"
    assert space((X, Y, "regression")).tasks["mine"].kind == "regression"
    assert space((FRAME, "kind")).tasks["mine"].kind == "classification"
    assert space((FRAME, "a")).tasks["mine"].kind == "regression"


def test_keys_of_files_go_with_frames() -> None:
    gaps = FRAME.assign(a=FRAME["a"].where(FRAME.index != 3), day=pd.date_range("2020", periods=ROWS), id=FRAME.index)
    keys: dict[str, Any] = {"target": "kind", "missing": "drop_rows", "dates": "day", "drop": "id"}
    task = load("mine", space(UserTask.model_validate({"data": gaps, **keys})).tasks)
    assert (task.num_rows, task.num_inputs) == (ROWS - 1, 4)
    with pytest.raises(TaskError, match=r"task 'mine' \(data in memory\), column 'a', row 3 .*missing: drop_rows"):
        digest(UserTask.model_validate({"data": gaps, "target": "kind", "dates": "day"}))


def test_later_changes_of_what_was_given_change_nothing() -> None:
    x, frame = X.copy(), FRAME.copy()
    spaces = space((x, Y)), space((frame, "kind"))
    before = [load("mine", one.tasks).digest for one in spaces]
    x[:], frame["a"] = 0, 0
    assert [load("mine", one.tasks).digest for one in spaces] == before


def test_equal_data_are_one_task_and_others_two() -> None:
    assert set(own_tasks([space((X, Y), "one"), space((X.copy(), Y), "two")])) == {"mine"}
    with pytest.raises(SearchSpaceError, match=r"two: tasks.mine: another search space defines it differently"):
        own_tasks([space((X, Y), "one"), space((X + 1e-9, Y), "two")])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((X, Y[:5]), r"X of shape \(30, 3\) and y of shape \(5,\)"),
        ((X[:, 0], Y), r"X of shape \(30,\)"),
        ((X, np.ones((ROWS, 2))), r"y of shape \(30, 2\)"),
        ((X,), "a tuple of 1"),
        ((FRAME, "kinds"), r"no target column 'kinds' \(did you mean 'kind'\?\)"),
        ((FRAME.assign(a=[[1]] * ROWS), "kind"), "one number or text"),
        ((FRAME.set_axis(["1", 1, "c", "kind"], axis=1), "kind"), "column '1' occurs twice"),
        ((pd.DataFrame({"y": [1.0] * ROWS}), pd.Series(Y, name="y")), None),
        (UserTask.model_construct(path=None, target="y", kind="regression", in_memory=True), "came from Python"),
    ],
)
def test_what_is_no_data(given: Any, says: str | None) -> None:
    if says is None:
        assert space(given).tasks["mine"].target == "target of the task"
        return
    with pytest.raises((TaskError, ValidationError), match=says):
        load("mine", {"mine": given} if isinstance(given, UserTask) else space(given).tasks)


@pytest.mark.parametrize("kind", ["ranking", 3])
def test_a_kind_that_is_none(kind: Any) -> None:
    with pytest.raises(SearchSpaceError, match="'classification' or 'regression'"):
        space((X, Y, kind))


def test_files_and_data_are_not_both_given() -> None:
    with pytest.raises(ValidationError, match="`path` and `data` are both given"):
        UserTask.model_validate({"path": "t.csv", "data": FRAME, "target": "kind"})


def test_a_space_is_written_without_its_data_and_read_back(tmp_path: Path) -> None:
    given = space(UserTask.model_validate({"data": FRAME, "target": "kind", "drop": ["a"]}))
    (tmp_path / "own.yaml").write_text(dump_space(given))
    back = load_space(tmp_path / "own.yaml")
    contents = {"mine": "f" * 64}
    assert back.experiments(contents) == given.experiments(contents)
    assert (back.tasks["mine"].drop, back.tasks["mine"].kind) == (("a",), "classification")
    with pytest.raises(TaskError, match=r"task 'mine': its data came from Python .* save them to a file"):
        load("mine", back.tasks)


@pytest.mark.launch
def test_a_survey_of_arrays_from_python(tmp_path: Path) -> None:
    """Surveyed, surveyed again with equal arrays, exported by what the output holds, and turned back to its unit."""
    out = tmp_path / "out"
    bunch: Any = datasets.load_diabetes(scaled=False)
    grid = {"dataset": ["sugar", "mine"], "shape": "rectangle", "size": 64, "depth": 2, "epochs": 5}

    def surveyed() -> SurveyResult:
        given = {"sugar": (bunch.data.copy(), bunch.target), "mine": (FRAME, "kind")}
        here = SearchSpace.model_validate({"name": "own", "repetitions": 2, "grids": [grid], "tasks": given})
        with console.capture() as text:
            result = survey.run(here, out=out, num_cpus=1, mlflow_runs="experiment", console=console)
        assert ("sugar: regression, 1 output: a target from 25 to 346" in text.get()) == (result.num_runs_trained > 0)
        return result

    console = Console(soft_wrap=True, highlight=False)
    first = surveyed()
    assert (first.num_runs_trained, first.exit_status) == (4, 0)
    assert surveyed().num_runs_trained == 0
    output = Output.at(out)
    (written,) = output.search_spaces.read()
    experiments = written.experiments(output.identity.contents)
    assert {each.experiment_id for each in experiments} == set(first.summary["experiment_id"])
    assert first.summary["own"].all()
    assert (
        update_dataset(output, TrackingStore(output.default_tracking_uri, output_id=output.output_id)).num_new_runs == 0
    )
    with pytest.raises(TaskError, match="came from Python"):
        survey.run(out / "search_spaces" / "own.yaml", out=out)
    check_units(out / "dataset", float(np.ptp(bunch.target)))


def check_units(dataset: Path, extent: float) -> None:
    from analysis import read

    only = [("dataset", "=", "sugar")]
    for table, names in (
        ("all_repetitions", ["val_mean_absolute_error", "loss"]),
        ("complete_summary", ["test_loss_q1", "test_mean_squared_error_min_value_avg"]),
    ):
        scaled, turned = (
            read(dataset, table=table, filters=only, columns=names, units=units) for units in ("scaled", "target")
        )
        assert list(turned.columns) == names
        for name in names:
            factor = extent if "absolute" in name else extent**2
            expected = np.stack([np.asarray(value, float) for value in scaled[name]]) * factor
            assert np.allclose(np.stack([np.asarray(value) for value in turned[name]]), expected)
    with pytest.raises(InputError, match="the target of 'mine' was not scaled"):
        read(dataset, units="target")
