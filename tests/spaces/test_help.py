"""What `help`, a terminal and a notebook show of grids and search spaces."""

from __future__ import annotations

import inspect
import pydoc
import re

import pytest

import survey
from survey.errors import SearchSpaceError
from tests.support.widths import train


def of_function(*grids: dict) -> survey.SearchSpace:
    return survey.SearchSpace(name="widths", train=train, objective="test_loss", grids=grids)


FUNCTION_GRID = type(of_function({"width": 1}).grids[0])


def helped(what: type) -> str:
    return pydoc.plain(pydoc.render_doc(what))


@pytest.mark.parametrize("what", [survey.Grid, survey.SearchSpace, survey.UserTask, FUNCTION_GRID], ids=str)
def test_help_has_every_field_and_nothing_of_the_library_that_checks(what):
    text = helped(what)
    fields = [field.alias or name for name, field in what.model_fields.items()]
    assert [name for name in fields if not re.search(rf"^ \|      {name}: .", text, flags=re.MULTILINE)] == []
    assert "model_" not in text
    assert "Validator" not in text
    assert "ValidationError" not in text
    assert set(inspect.signature(what).parameters) == set(fields)


def test_help_tells_what_an_axis_takes_and_its_default():
    text = " ".join(re.sub(r"^ \|", "", helped(survey.Grid), flags=re.MULTILINE).split())
    for words in (
        "learning_rate: Learning rates of the optimizer. A number above 0; by default 0.0001.",
        "epochs: Numbers of epochs. A whole number from 1 to 10,000,000; by default 3000.",
        "One of relu, tanh, sigmoid, gelu, elu, swish; by default relu.",
        "One of none, l1, l2; by default none.",
        "A list, each a whole number from 1 to 4,294,967,295; by default none.",
        "A number from 0 to below 1; by default 0.",
        "A number above 0 to 1; by default 1.",
        "Grid(*, dataset, epochs=3000, ",
    ):
        assert words in text, words


def test_every_axis_of_networks_is_described():
    assert [name for name, field in survey.Grid.model_fields.items() if not field.description] == []


def test_help_knows_the_parameters_of_a_training_function():
    text = helped(FUNCTION_GRID)
    assert "width: A whole number; required." in text
    assert "dropout: A number; by default 0." in text
    assert "by default 50." in text
    assert "values of the parameters of" in text


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (
            {"widht": 1},
            "grids[0]: unknown key 'widht' (did you mean 'width'?); allowed are width, dropout, epochs, draws",
        ),
        ({}, "grids[0]: the key 'width' is missing"),
        ({"width": [8, 2.5]}, "grids[0].width[1]: "),
    ],
)
def test_a_mistake_in_a_grid_of_a_function_names_its_parameters(grid, told):
    with pytest.raises(SearchSpaceError) as error:
        of_function(grid)
    assert told in str(error.value)


def test_what_was_given_is_shown_and_not_what_is_as_by_default():
    grid = survey.Grid(dataset="sklearn:iris", shape="rectangle", size=[64, 128], depth=2)
    assert repr(grid) == "Grid(dataset='sklearn:iris', shape='rectangle', size=[64, 128], depth=2)"
    assert repr(survey.SearchSpace(name="x", grids=[grid])) == f"SearchSpace(name='x', grids=[{grid!r}])"
    shown = str(of_function({"width": 4}))
    assert shown.startswith("SearchSpace(name='widths', grids=[Grid(width=4)], train='")


def test_a_notebook_shows_a_search_space_as_text_in_a_table():
    task = survey.UserTask(path="a.csv", target="<b>", kind="regression")
    grid = survey.Grid(dataset="mine", shape="rectangle", size=range(1, 30), depth=2)
    shown = survey.SearchSpace(name="x", grids=[grid], tasks={"mine": task})._repr_html_()
    for words in ("grids[0]", "tasks.mine", "&emsp;size", "&lt;b&gt;", "15, 16, and 13 more", "rectangle"):
        assert words in shown
    assert "learning_rate" not in shown
    assert "<b>" not in shown.replace("<b>SearchSpace</b>", "")
