"""Splits of a user's own: a column that names each row's part, or a second file with the test rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survey.errors import SearchSpaceError
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.workload import WORKLOAD
from survey.spaces.yaml_file import load_space
from survey.tasks.loading import describe, load
from survey.tasks.own import UserTask
from survey.tasks.parts import PartSizes
from survey.tasks.preparation import lines, told
from tests.support.own_table import KEYS, own, refused

ROWS = 40


def table(rows: int = ROWS, first: int = 0) -> pd.DataFrame:
    numbers = np.arange(first, first + rows)
    return pd.DataFrame({"a": numbers * 1.5, "b": numbers % 3, "y": numbers % 2})


def csv(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    frame.to_csv(folder / name, index=False)
    return folder / name


def with_parts(folder: Path, parts: list[object], name: str = "parts.csv") -> Path:
    return csv(folder, name, table(len(parts)).assign(part=parts))


# ---------------------------------------------------------------- a column


def test_a_column_says_for_what_each_row_is(tmp_path):
    path = with_parts(tmp_path, ["train", "test", "validation", "train"] * 10)
    task, plain = own(path, split="part"), own(path, drop="part")
    assert task.parts is not None
    assert task.parts.tolist() == [0, 2, 1, 0] * 10
    assert task.part_sizes == PartSizes(20, 10, 10)
    np.testing.assert_array_equal(task.inputs, plain.inputs)  # it is no input, and changes none
    assert plain.parts is plain.part_sizes is None
    assert task.digest != plain.digest


def test_another_split_is_other_data(tmp_path):
    one = own(with_parts(tmp_path, ["train", "test"] * 20, "one.csv"), split="part")
    other = own(with_parts(tmp_path, ["test", "train"] * 20, "other.csv"), split="part")
    np.testing.assert_array_equal(one.inputs, other.inputs)
    assert one.digest != other.digest


def test_only_some_columns_are_taken_beside_it(tmp_path):
    path = with_parts(tmp_path, ["train", "test"] * 20)
    assert own(path, split="part", columns=["a"]).num_inputs == 1
    assert own(path, split="part", drop=["a"]).num_inputs == 3


def test_a_frame_can_have_one():
    frame = table().assign(part=pd.Categorical(["train", "test"] * 20))
    task = load("mine", {"mine": UserTask(data=frame, split="part", **KEYS)})
    assert task.part_sizes == PartSizes(20, 0, 20)


def test_rows_with_missing_values_leave_their_parts(tmp_path):
    frame = table().assign(part=["train", "test", "validation", "train"] * 10)
    frame.loc[[0, 1, 5], "a"] = np.nan
    task = own(csv(tmp_path, "gaps.csv", frame), split="part", missing="drop_rows")
    assert task.part_sizes == PartSizes(19, 10, 8)
    assert task.parts is not None
    assert task.parts.tolist() == [1, 0, 0, 1, 0, *[0, 2, 1, 0] * 8]


def test_the_last_row_of_a_part_may_not_be_dropped(tmp_path):
    frame = table().assign(part=["test", *["train"] * (ROWS - 1)])
    frame.loc[0, "a"] = np.nan
    path = csv(tmp_path, "gap.csv", frame)
    refused(
        path, "no row for test after 1 with missing values were dropped", "gap.csv", split="part", missing="drop_rows"
    )


@pytest.mark.parametrize(
    ("cells", "parts"),
    [
        (
            ["train", "tset"],
            ["line 3", "found 'tset' (did you mean 'test'?)", "expected one of train, validation, test"],
        ),
        (["train", "TEST"], ["line 3", "found 'TEST'"]),
        (["train", ""], ["line 3", "found a missing value"]),
        ([0, 1], ["line 2", "found '0'"]),
        ([True, False], ["line 2", "found 'True'"]),
        (["train", "train"], ["no row for test"]),
        (["validation", "test"], ["no row for train"]),
    ],
    ids=str,
)
def test_parts_that_are_wrong_are_refused_with_their_line(tmp_path, cells, parts):
    refused(with_parts(tmp_path, cells * 20), "parts.csv", *parts, split="part")


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"split": "prat"}, "`split`: there is no column 'prat' (did you mean 'part'?)"),
        ({"split": "y"}, "`split` names 'y', which is the target"),
        ({"split": "part", "drop": "part"}, "`drop` names 'part', which is the `split`"),
        ({"split": "part", "columns": ["a", "part"]}, "`columns` names 'part', which is the `split`"),
    ],
    ids=str,
)
def test_it_is_one_column_for_one_thing(tmp_path, keys, part):
    refused(with_parts(tmp_path, ["train", "test"] * 20), "parts.csv", part, **keys)


# ---------------------------------------------------------------- a second file


def test_a_second_file_has_the_test_rows(tmp_path):
    path, test_path = (
        csv(tmp_path, "train.csv", table(30)),
        csv(tmp_path, "test.csv", table(10, first=30)[["y", "b", "a"]]),
    )
    task, whole = own(path, test_path=test_path), own(csv(tmp_path, "whole.csv", table(40)))
    assert task.part_sizes == PartSizes(30, 0, 10)
    np.testing.assert_array_equal(task.inputs, whole.inputs)  # prepared on all rows, whatever they are for
    np.testing.assert_array_equal(task.targets, whole.targets)


def test_it_is_the_split_that_a_column_says(tmp_path):
    parts = own(with_parts(tmp_path, ["train"] * 30 + ["test"] * 10), split="part")
    files = own(csv(tmp_path, "train.csv", table(30)), test_path=csv(tmp_path, "test.csv", table(10, first=30)))
    assert parts.digest == files.digest


def test_a_second_file_that_changes_is_read_again(tmp_path):
    path, test_path = csv(tmp_path, "train.csv", table(30)), csv(tmp_path, "test.csv", table(10))
    before = own(path, test_path=test_path)
    csv(tmp_path, "test.csv", table(12))
    after = own(path, test_path=test_path)
    assert (before.num_rows, after.num_rows) == (40, 42)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_no_number_is_rounded_where_the_other_file_has_fractions(tmp_path, ending):
    """float64 has no 2^53 + 1, so that it would be one category with 2^53."""
    frame = table(30).assign(a=2**53 + np.arange(30) % 3)
    path = csv(tmp_path, "train.csv", frame) if ending == "csv" else tmp_path / "train.parquet"
    if ending == "parquet":
        frame.to_parquet(path)
    test_path = csv(tmp_path, "test.csv", table(10).assign(a=np.arange(10) + 0.5))
    assert own(path, test_path=test_path, columns=["a"]).num_inputs == 3 + 10


def test_arrays_can_have_one(tmp_path):
    for name, rows in (("train", 30), ("test", 10)):
        frame = table(rows)
        np.savez(tmp_path / f"{name}.npz", X=frame[["a", "b"]].to_numpy(), y=frame["y"].to_numpy())
    task = own(tmp_path / "train.npz", test_path=tmp_path / "test.npz")
    assert task.part_sizes == PartSizes(30, 0, 10)


@pytest.mark.parametrize(
    ("test", "parts"),
    [
        (table(10).drop(columns="b"), ["test.csv) has no column 'b', which", "train.csv has", "`columns`"]),
        (table(10).assign(c=1), ["train.csv) has no column 'c', which", "test.csv has", "`columns`"]),
        (table(10).drop(columns="y"), ["test.csv) has no target column 'y'"]),
        (table(10).iloc[:0], ["no row for test"]),
        (table(10).assign(a=[*range(9), np.inf]), ["'a'", "line 11 of", "test.csv", "found inf"]),
        (table(10).assign(a=[*range(9), np.nan]), ["'a'", "line 11 of", "test.csv", "missing value"]),
        (table(10).assign(b="x"), ["'b'"]),
    ],
    ids=["lacks", "has more", "no target", "no rows", "infinite", "missing", "text"],
)
def test_a_second_file_that_does_not_fit_is_refused_with_its_name(tmp_path, test, parts):
    refused(csv(tmp_path, "train.csv", table(30)), *parts, test_path=csv(tmp_path, "test.csv", test))


def test_a_second_file_that_is_missing_is_refused(tmp_path):
    refused(csv(tmp_path, "train.csv", table()), "test.csv does not exist", test_path=tmp_path / "test.csv")


# ---------------------------------------------------------------- search spaces

SPACE = """
name: mine
repetitions: 2
grids:
  - {dataset: mine, shape: rectangle, size: 64, depth: 2, epochs: 3%s}
tasks:
  mine: {path: data.csv, target: y, kind: classification, %s}
"""


def space_of(folder: Path, keys: str, axes: str = "") -> SearchSpace:
    (folder / "space.yaml").write_text(SPACE % (axes, keys))
    return load_space(folder / "space.yaml")


def test_paths_are_below_the_folder_of_the_file(tmp_path):
    csv(tmp_path, "data.csv", table(30))
    csv(tmp_path, "held_out.csv", table(10))
    space = space_of(tmp_path, "test_path: held_out.csv")
    assert space.tasks["mine"].test_file == tmp_path / "held_out.csv"
    assert describe("mine", space.tasks).parts == PartSizes(30, 0, 10)
    published = space.without_paths().tasks["mine"]
    assert (str(published.path), str(published.test_path)) == ("data.csv", "held_out.csv")


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ("split: part, test_path: test.csv", "`split` and `test_path` are both given"),
        ("split: [part]", "split"),
    ],
)
def test_keys_that_contradict_each_other_are_refused_with_their_line(tmp_path, keys, part):
    with pytest.raises(SearchSpaceError, match=r"space\.yaml, line 7") as error:
        space_of(tmp_path, keys)
    assert part in str(error.value)


def test_an_npz_has_no_column_for_it():
    with pytest.raises(SearchSpaceError, match=r"an \.npz has not"):
        SearchSpace(name="x", grids=[GRID], tasks={"mine": UserTask(path="x.npz", split="part", **KEYS)})
    with pytest.raises(SearchSpaceError, match="`test_path` goes with `path`"):
        SearchSpace(name="x", grids=[GRID], tasks={"mine": UserTask(data=table(), test_path="x.csv", **KEYS)})


GRID = Grid(dataset="mine", shape="rectangle", size=64, depth=2, epochs=3)


def test_a_plan_and_a_launch_say_how_many_rows_are_for_what(tmp_path):
    about = told(own(with_parts(tmp_path, ["train", "test", "validation", "train"] * 10), split="part"))
    assert about["rows_by_part"] == {"train": 20, "validation": 10, "test": 10}
    assert next(lines("mine", about)).startswith(
        "mine: 40 rows (20 for train, 10 for validation, 10 for test), 4 inputs: "
    )
    plain = told(own(csv(tmp_path, "plain.csv", table())))
    assert plain["rows_by_part"] is None
    assert next(lines("mine", plain)).startswith("mine: 40 rows, 4 inputs: ")


@pytest.mark.parametrize(
    ("parts", "share", "problem"),
    [
        (["train", "test", "validation", "train"], 0.1, "say themselves which rows are for validation, 10 rows"),
        (["train", "test"], 0.96, "of the 20 rows beside the 20 of the test set none is left to train on"),
        (["train", "test"], 0.95, ""),
        (["train", "test", "validation", "train"], 0, ""),
    ],
)
def test_rows_are_held_out_of_training_rows_alone(tmp_path, parts, share, problem):
    with_parts(tmp_path, parts * 10 if len(parts) == 4 else parts * 20, "data.csv")
    space = space_of(tmp_path, "split: part", f", validation_split: [0, {share}]" if share else "")
    data = WORKLOAD.data([space])
    if not problem:
        data.check()
        return
    with pytest.raises(SearchSpaceError) as error:
        data.check()
    assert f"mine: validation_split {share} of 'mine': " in str(error.value)
    assert problem in str(error.value)
