"""What a plan says of a user's own data, and of sizes that no network of theirs has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import survey
from survey.errors import SearchSpaceError
from survey.launch.__main__ import command as launch
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.sizes import check_sizes
from survey.output.folder import Output
from survey.spaces.yaml_file import load_space
from survey.tasks.loading import TaskDescription, describe

ROWS = 60


def written(folder: Path, *, texts: int = 4, sizes: str = "[64, 256]", dataset: str = "mine") -> Path:
    """A search space with a table of its own: a scaled column, one of `texts` texts, and a constant one."""
    rows = np.arange(ROWS)
    frame = pd.DataFrame({"a": rows / 7, "[red]text": [f"t{row % texts}" for row in rows], "one": 1, "y": rows % 3})
    frame.to_csv(folder / "mine.csv", index=False)
    (folder / "own.yaml").write_text(
        f"grids: [{{dataset: [{dataset}], shape: [rectangle, trapezoid], size: {sizes}, depth: [2, 3], epochs: 5}}]\n"
        "tasks: {mine: {path: mine.csv, target: y, kind: classification}}\n"
    )
    return folder / "own.yaml"


def test_a_dry_run_says_what_own_data_have_come_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = str(written(tmp_path, dataset="mine, 'sklearn:iris'"))
    assert launch([space], out=tmp_path / "out", dry_run=True) == 0
    text = capsys.readouterr().out
    assert (
        "mine: 60 rows, 5 inputs: 1 column scaled to [0, 1], 4 of 1 one-hot column; columns of one value dropped: one\n"
        "mine: classification, 3 outputs, 3 classes: '0' 33.3%, '1' 33.3%, '2' 33.3%\n"
    ) in text
    assert "sklearn:iris:" not in text
    assert launch([space], out=tmp_path / "out", dry_run=True, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)["own_data"]
    assert set(told) == {"mine"}
    assert (told["mine"]["rows"], told["mine"]["inputs"], told["mine"]["outputs"]) == (60, 5, 3)
    assert (told["mine"]["classes"], told["mine"]["columns_dropped"]) == ({"0": 20, "1": 20, "2": 20}, ["one"])


def test_names_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch([str(written(tmp_path, texts=1))], out=tmp_path / "out", dry_run=True) == 0
    assert "columns of one value dropped: [red]text, one\n" in capsys.readouterr().out


@pytest.mark.parametrize("dry_run", [True, False])
def test_sizes_of_which_no_network_is_left(tmp_path: Path, dry_run: bool) -> None:
    space = written(tmp_path, texts=50, sizes="[16, 32]")
    with pytest.raises(SearchSpaceError) as error:
        launch([str(space)], out=tmp_path / "out", dry_run=dry_run)
    for part in (
        "own: nothing is left to train",
        "within 20% of its `size`",
        "'mine' (51 inputs, 3 outputs) comes nearest with 58 parameters for size 32 (rectangle, depth 2)",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "out").exists()


def test_an_output_is_left_as_it_was(tmp_path: Path) -> None:
    output = Output.at(tmp_path / "out")
    output.prepare()
    before = {path.name for path in output.folder.rglob("*")}
    with pytest.raises(SearchSpaceError, match="nothing is left to train"):
        survey.run(written(tmp_path, sizes="1"), out=output.folder)
    assert {path.name for path in output.folder.rglob("*")} == before


def spaces(**grid: object) -> list[SearchSpace]:
    settings = {"dataset": ["537_houses", "mnist"], "shape": "rectangle", "depth": 2, **grid}
    return [SearchSpace(name="x", grids=(Grid.model_validate(settings),))]


def test_the_nearest_size_of_each_data_set_is_told() -> None:
    with pytest.raises(SearchSpaceError) as error:
        check_sizes(spaces(size=[1, 2, 4]), contents={}, describe=describe)
    assert "'537_houses' (8 inputs, 1 output) comes nearest with 11 parameters for size 4 (rectangle, depth 2)" in str(
        error.value
    )
    assert "'mnist' (784 inputs, 10 outputs) comes nearest with 805 parameters for size 4" in str(error.value)


def test_one_size_that_is_possible_is_enough() -> None:
    check_sizes(spaces(size=[1, 2, 1024]), contents={}, describe=describe)
    check_sizes([*spaces(size=1), *spaces(size=1 << 20)], contents={}, describe=describe)


def test_where_inputs_are_guessed_nothing_is_refused() -> None:
    guessed = TaskDescription("adult", "classification", 48842, 81, 1, guessed=False, inputs_guessed=True)
    check_sizes(spaces(size=1), contents={}, describe=lambda _: guessed)


def test_the_example_is_a_search_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(example=True) == 0
    (tmp_path / "example.yaml").write_text(capsys.readouterr().out)
    assert load_space(tmp_path / "example.yaml").name == "my_survey"
