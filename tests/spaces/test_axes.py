"""Axes that are built in Python: what is taken, what is said of the rest, and that no value loses itself on the way."""

from __future__ import annotations

import enum
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from survey.dataset.layout import REPETITIONS, partition_of
from survey.dataset.schema import executive_schema
from survey.errors import InputError, SearchSpaceError
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.networks.columns import COLUMNS
from survey.networks.experiment import NetworkExperiment
from survey.networks.search_space import Grid, SearchSpace
from survey.output.folder import Output
from survey.spaces.axes import float32
from survey.spaces.search_space import check_together
from survey.spaces.yaml_file import dump_space

FEW = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 64, "depth": 3}


def grid(**changes) -> Grid:
    return Grid(**{**FEW, **changes})


@pytest.mark.parametrize(
    "depths",
    [
        [2, 3, 4],
        (2, 3, 4),
        range(2, 5),
        iter([2, 3, 4]),
        (k for k in (2, 3, 4)),
        {2: "a", 3: "b", 4: "c"}.keys(),
        np.arange(2, 5),
        np.array([2, 3, 4], np.uint8),
        np.array([2.0, 3.0, 4.0]),
        np.array([2, 3, 4], object),
        [np.int64(2), np.float32(3), 4],
        pd.Series([2, 3, 4], index=[7, 8, 9]),
        pd.Series([2, 3, 4], dtype="Int16"),
        pd.Index([2, 3, 4]),
        pd.RangeIndex(2, 5),
        torch.arange(2, 5),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)
def test_whatever_has_values_in_an_order_is_an_axis(depths):
    found = grid(depth=depths).depth
    assert found == (2, 3, 4)
    assert {type(value) for value in found} == {int}


@pytest.mark.parametrize("depth", [3, np.int8(3), np.uint64(3), np.array(3), np.float64(3)], ids=repr)
def test_a_single_value_is_an_axis(depth):
    assert grid(depth=depth).depth == (3,)


class Shape(enum.StrEnum):
    RECTANGLE = "rectangle"


def test_words_of_other_types_are_plain_ones():
    words = [np.str_("trapezoid"), Shape.RECTANGLE]
    found = grid(shape=words, dataset=np.array(["sklearn:iris"]), optimizer=pd.Series(["adam"], dtype="category"))
    assert (found.shape, found.dataset, found.optimizer) == (("trapezoid", "rectangle"), ("sklearn:iris",), ("adam",))
    assert {type(word) for word in (*found.shape, *found.dataset, *found.optimizer)} == {str}
    assert yaml.safe_load(dump_space(SearchSpace(name="x", grids=[found])))["grids"][0]["shape"] == words


@pytest.mark.parametrize("make", [np.float16, np.float32, np.float64, np.longdouble, float])
def test_a_float_of_numpy_is_the_python_float_that_is_written_alike(make):
    expected = NetworkExperiment(**FEW, learning_rate=0.001)
    for rate in (make("0.001"), np.array(["0.001"]).astype(make), [make("0.001")]):
        (found,) = grid(learning_rate=rate).experiments()
        assert found.experiment_id == expected.experiment_id
        assert partition_of(found, COLUMNS) == partition_of(expected, COLUMNS)


def test_a_float_of_numpy_does_not_depend_on_how_it_is_printed():
    with np.printoptions(precision=2, legacy="1.13"):
        assert grid(learning_rate=np.float64(0.12345678901)).learning_rate == (0.12345678901,)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"depth": {2, 3}}, "depth: expected a list, as a set has no order, found {2, 3}"),
        ({"depth": frozenset([2])}, "depth: expected a list, as a set has no order, found frozenset({2})"),
        ({"depth": []}, "depth: expected at least one value, found []"),
        ({"depth": np.array([])}, "depth: expected at least one value, found array([], dtype=float64)"),
        ({"size": np.eye(2, dtype=int)}, "size: expected values in one dimension, found array([[1, 0],"),
        ({"depth": np.True_}, "depth[0]: expected a number, found True"),
        ({"depth": np.array([2.5])}, "depth[0]: input should be a valid integer, got a number with a fractional part"),
        ({"learning_rate": np.nan}, "learning_rate[0]: input should be "),
        ({"depth": None}, "depth[0]: input should be a valid integer, found None"),
        ({"depth": [[2, 3]]}, "depth[0]: input should be a valid integer, found [2, 3]"),
        ({"shape": np.array(["rectangel"])}, "shape[0]: expected one of rectangle, "),
        ({"shape": 3}, "shape[0]: expected one of rectangle, "),
        ({"depht": 3}, "unknown key 'depht' (did you mean 'depth'?); allowed are dataset, shape, size, depth, "),
        ({"dataset": pd.Timestamp("2020-01-01")}, "dataset[0]: input should be a valid string, found Timestamp("),
    ],
)
def test_what_is_wrong_in_python_is_told_as_in_a_file(changes, told):
    with pytest.raises(SearchSpaceError) as error:
        grid(**changes)
    assert str(error.value).startswith(f"Grid: {told}")
    assert isinstance(error.value, InputError)
    assert "pydantic" not in str(error.value)


def test_every_mistake_of_a_space_is_told_in_a_line_with_its_place():
    with pytest.raises(SearchSpaceError) as error:
        SearchSpace(
            name="a b",
            grid=[],
            repetitions=0,
            grids=[grid(), {**FEW, "depth": 1, "epoch": 5}],
            tasks={"mine": {"path": "a.csv", "kid": 3, "kind": "regression"}},
        )
    lines = [line.split(":")[1:] for line in str(error.value).splitlines()]
    assert [place for place, *_ in lines] == [
        " name",
        " repetitions",
        " grids[1].depth[0]",
        " grids[1]",
        " tasks.mine",
        " tasks.mine",
        " unknown key 'grid' (did you mean 'grids'?); allowed are name, description, repetitions, "
        "grids, sample, sample_seed, tasks, record_initial",
    ]
    assert " unknown key 'epoch' (did you mean 'epochs'?); allowed are dataset, shape, " in str(error.value)
    assert " unknown key 'kid' (did you mean 'kind'?); allowed are path, target, kind" in str(error.value)
    assert " the key 'target' is missing" in str(error.value)


FLOATS = ("learning_rate", "label_noise", "momentum", "kernel_regularizer_l1", "kernel_regularizer_l2", "weight_decay")


def with_value(name: str, *values: float) -> Grid:
    given: dict = {name: list(values)}
    if name.startswith("kernel"):
        given["kernel_regularizer_type"] = name[-2:]
    if name == "weight_decay":
        given["optimizer"] = "adamw"
    return grid(**given)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [1e-46, 1e-39, 1e39, 1e300])
def test_a_value_that_the_data_set_cannot_hold_is_refused(name, value):
    with pytest.raises(SearchSpaceError, match=rf"^Grid: {name}\[0\]: .*, found {re.escape(str(value))}") as error:
        with_value(name, value)
    if value < 1 or name not in ("label_noise", "momentum"):
        assert "the data set keeps it in 32 bits, which hold 0 and numbers from 1.2e-38 to 3.4e+38" in str(error.value)


@pytest.mark.parametrize("name", FLOATS)
def test_what_the_data_set_holds_is_taken_as_it_is(name):
    for value in (2.0**-126, 1e-4, 0.1, 0.5):
        assert getattr(with_value(name, value), name) == (value,)
    column = executive_schema(COLUMNS, []).field(name.replace("regularizer_", "regularizer."))
    assert str(column.type) == "float"


def test_zeros_have_no_sign():
    (found,) = grid(label_noise=-0.0).experiments()
    assert partition_of(found, COLUMNS) == partition_of(NetworkExperiment(**FEW), COLUMNS)


def test_a_momentum_that_would_be_1_is_refused():
    with pytest.raises(SearchSpaceError, match=r"momentum\[0\]: the data set keeps it in 32 bits, where it rounds to"):
        grid(momentum=0.99999999)


def test_the_largest_whole_numbers_fit_their_columns():
    largest = grid(size=1 << 40, depth=255, batch_size=2**32 - 1, epochs=10_000_000)
    (found,) = SearchSpace(name="x", repetitions=65_535, grids=[largest]).experiments()
    schema = executive_schema(COLUMNS, [])
    for name in ("size", "depth", "batch_size", "epochs"):
        bits = int(str(schema.field(name).type).removeprefix("uint"))
        assert getattr(found, name) < 1 << bits
    assert float32(found.epochs) == found.epochs, "best epochs are float32"


NEAR = (0.1, float(np.float32(0.1)))


@pytest.mark.parametrize("name", FLOATS)
def test_two_values_that_are_one_in_the_data_set_are_refused(name):
    told = f"{name}: 0.1 and 0.10000000149011612 are the same number in the data set, which keeps it in 32 bits"
    one, other = (with_value(name, value) for value in NEAR)
    spaces = [SearchSpace(name=f"of{index}", grids=[each]) for index, each in enumerate((one, other))]
    for make in (
        lambda: with_value(name, *NEAR),
        lambda: SearchSpace(name="x", grids=[one, other]),
        lambda: check_together(spaces),
        lambda: check_together(spaces[1:], held=[(name, 0.1)]),
    ):
        with pytest.raises(SearchSpaceError) as error:
            make()
        assert told in str(error.value)
    check_together(spaces[:1], held=[(name, 0.1), ("another", NEAR[1])])


def test_a_launch_looks_at_what_its_output_holds(tmp_path):
    output = Output.at(tmp_path / "out")
    output.prepare()
    held = NetworkExperiment(**FEW, learning_rate=0.1, label_noise=0.25)
    (output.dataset / REPETITIONS / partition_of(held, COLUMNS)).mkdir(parents=True)
    (output.dataset / REPETITIONS / "dataset=x/learning_rate=much").mkdir(parents=True)
    options = Options(out=output.folder)
    prepare(SearchSpace(name="x", grids=[grid(learning_rate=0.1)]), options)
    for changes in ({"learning_rate": NEAR[1]}, {"label_noise": 0.25000000001}):
        (name,) = changes
        with pytest.raises(SearchSpaceError, match=f"x: {name}: 0.* and 0.* are the same number in the data set"):
            prepare(SearchSpace(name="x", grids=[grid(**changes)]), options)


def test_ids_are_those_of_earlier_versions():
    """Before axes were checked as closely as they are here."""
    found = grid(
        learning_rate=[1e-5, 0.3], label_noise=0.05, momentum=0.9, optimizer="SGD", batch_size=32, epochs=300
    ).experiments(training_version=1)
    assert [each.experiment_id for each in found] == [5666010830573250335, 7513099808874127395]
