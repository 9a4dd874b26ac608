"""Commands that take a data set take the folder of a survey too, and mean the data set in it."""

from __future__ import annotations

from importlib import import_module

import pytest

from survey.output.folder import Output, dataset_in
from tests.support.commands import run_here


@pytest.mark.parametrize(
    ("command", "more"),
    [("report", []), ("explore", []), ("recommend", ["--regret"]), ("combine", ["mine", "--out", "both"])],
)
def test_the_folder_of_a_survey_stands_for_its_data_set(command, more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Output.at("mine").prepare()
    result = run_here(import_module(f"analysis.{command}.__main__").command, "mine", *more)
    assert result.returncode == 2
    assert "mine/dataset: " in result.stderr, "which has nothing in it yet"


def test_another_folder_is_taken_for_a_data_set(tmp_path):
    assert dataset_in(tmp_path) == tmp_path
