"""Search spaces over a training function: axes from its signature, identity, and what is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

import survey
from survey.errors import InputError, OutputError, SearchSpaceError
from survey.functions.description import Description
from survey.spaces.search_space import sweep_of
from survey.spaces.yaml_file import dump_space, load_space, spaces_in
from survey.workloads.experiment import Run
from survey.workloads.registry import experiment_of, workload_named
from tests.support.functions import LINE, request, space, write, write_space

KINDS = """
import enum
from typing import Literal, Optional

class Optimizer(enum.Enum):
    ADAM = "adam"
    SGD = "sgd"

def train(*, seed, width: int, rate: float = 1e-3, deep: bool = False, name: str = "a", norm: Literal["batch", "layer"]
          = "batch", times: Literal[1, 2] = 1, optimizer: Optimizer = Optimizer.ADAM, clip: float | None = None,
          layers: tuple[int, ...] = (8, 8), pair: Optional[list[float]] = None, epochs: int = 3):
    yield {"test_loss": 1.0}
"""


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, LINE)
    return tmp_path


def test_axes_are_the_parameters_with_their_kinds_and_defaults(tmp_path):
    write(tmp_path, KINDS)
    grid = "[{width: [1, 2], rate: [0.1, 1e-3], optimizer: sgd, clip: [null, 1], layers: [[4], [4, 2]], times: [1, 2]}]"
    found = space(tmp_path, grid)
    experiments = found.experiments()
    assert len(experiments) == 2 * 2 * 2 * 2 * 2
    last = experiments[-1]
    assert (last.width, last.rate, last.optimizer, last.clip, last.layers, last.times) == (
        2,
        1e-3,
        "sgd",
        1.0,
        (4, 2),
        2,
    )
    assert (last.epochs, last.deep, last.pair) == (3, False, None)
    assert dict(last.axes).keys() == {"width", "optimizer", "clip", "layers", "times"}, "those that are no defaults"
    assert last.label == "train clip=1 layers=4x2 optimizer=sgd times=2 width=2"


def test_an_experiment_is_what_it_means(folder):
    """Its id does not depend on the file, the grid, the order of axes, or whether a default is written."""
    one = space(folder, "[{slope: [1, 2]}]").experiments()
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "line.py").write_text(f"# moved\n{LINE}")
    other = space(
        folder, "[{level: 0, epochs: 6, slope: 2}]", name="others", train="elsewhere/line.py:train"
    ).experiments()
    assert other[0] == one[1]
    assert other[0].experiment_id == one[1].experiment_id == experiment_of(one[1].to_dict()).experiment_id
    assert Run(one[0], 1).seed == Run(one[1], 1).seed != Run(one[1], 0).seed, "draws are paired"
    versions = {space(folder, "[{slope: 2}]", version=version).experiments()[0].experiment_id for version in (1, 2)}
    assert len(versions) == 2
    named = space(folder, "[{slope: 2}]", workload="mine").experiments()[0]
    assert (named.workload, named.experiment_id != one[1].experiment_id) == ("functions:mine", True)
    assert one[0].prefix_id != space(folder, "[{slope: 1, epochs: 7}]").experiments()[0].prefix_id


def test_an_axis_that_does_not_count_is_recorded_and_makes_no_other_experiment(folder):
    one, other = (
        space(folder, f"[{{slope: 1, level: {level}}}]", not_identity="[level]").experiments()[0] for level in (1, 2)
    )
    assert one.experiment_id == other.experiment_id
    assert (one.level, other.level) == (1, 2)
    assert other.described["level"] == 2


def test_what_an_output_keeps_is_read_without_the_function(folder):
    found = space(folder, "[{slope: [1, 2], level: 3}]")
    (folder / "kept").mkdir()
    (folder / "kept" / "lines.yaml").write_text(dump_space(found))
    (folder / "line.py").unlink()
    (kept,) = spaces_in(folder / "kept")
    assert kept.experiments() == found.experiments()
    assert dump_space(kept) == dump_space(found)


@pytest.mark.parametrize(
    ("grids", "keys", "told"),
    [
        ("[{slope: 1, lvel: 2}]", {}, r"line 5: grids\[0\]: unknown key 'lvel' \(did you mean 'level'\?\)"),
        ("[{level: 2}]", {}, r"line 5: grids\[0\]: the key 'slope' is missing"),
        ("[{slope: [1, true]}]", {}, r"line 5: grids\[0\].slope\[1\]: input should be a valid number, found True"),
        ("[{slope: 1, level: 2.5}]", {}, r"line 5: grids\[0\].level\[0\]: input should be a valid integer"),
        ("[{slope: 1, level: '2'}]", {}, r"line 5: grids\[0\].level\[0\]: input should be a valid integer, found '2'"),
        ("[{slope: 1}]", {"train": "lin.py:train"}, r"line 2: train: there is no file .*lin\.py"),
        ("[{slope: 1}]", {"train": "line.py:trian"}, r"line 2: train: line\.trian: there is no function 'trian'"),
        ("[{slope: 1}]", {"version": 0}, r"version: input should be greater than or equal to 1"),
        ("[{slope: 1}]", {"objective": "{a: least}"}, "objective.a: input should be 'min' or 'max'"),
        ("[{slope: 1}]", {"objective": "[a]"}, "objective: expected the name of a metric"),
        ("[{slope: 1}]", {"not_identity": "[lvel]"}, r"not_identity: 'lvel' is no axis \(did you mean 'level'\?\)"),
        ("[{slope: 1}]", {"partition": "[depth]"}, "partition: 'depth' is no axis"),
        ("[{slope: 1}]", {"partition": "[level]", "not_identity": "[level]"}, "does not count for the identity"),
        ("[{slope: 1}]", {"objective": "command"}, "objective: the data set has a column 'command' of its own"),
        ("[{slope: 1}]", {"objective": "Slope"}, "objective: the data set has a column 'Slope' of its own"),
        ("[{slope: 1}]", {"name": "epochs"}, "the data set has a column or table of this name"),
        ("[{slope: 1}]", {"name": "test_loss", "objective": "Test_Loss"}, "objective: the data set has a column"),
    ],
)
def test_mistakes_are_told_with_file_and_line(folder, grids, keys, told):
    with pytest.raises(SearchSpaceError, match=told):
        space(folder, grids, **keys)


def test_a_kind_takes_only_its_own_values(tmp_path):
    write(tmp_path, KINDS)
    for axis, value in [("times", "true"), ("norm", "bach"), ("optimizer", "ADAM"), ("layers", "3"), ("deep", "1")]:
        with pytest.raises(SearchSpaceError, match=rf"grids\[0\]\.{axis}\[0\]"):
            space(tmp_path, f"[{{width: 1, {axis}: {value}}}]")


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ("width: int = None", "the default of 'width' is None, which is not int; change one of them, or annotate it"),
        ("test_loss_median: int = 1", "objective: the data set has a column 'test_loss_median' of its own"),
        ("command: int", "the data set has a column 'command' of its own; rename the parameter"),
    ],
)
def test_a_parameter_that_cannot_be_an_axis_is_told(tmp_path, parameter, told):
    write(tmp_path, f"def train(*, seed, {parameter}, epochs: int = 1): yield {{}}")
    with pytest.raises(InputError, match=told):
        space(tmp_path, "[{epochs: 2}]")


def test_how_many_epochs_a_function_has_is_known(tmp_path):
    write(tmp_path, "def train(*, seed, width: int): return {'test_loss': 1.0}")
    assert space(tmp_path, "[{width: 1}]").experiments()[0].epochs == 1
    write(tmp_path, "def train(*, seed, width: int): yield {'test_loss': 1.0}")
    with pytest.raises(SearchSpaceError, match="the key 'epochs' is missing"):
        space(tmp_path, "[{width: 1}]")
    assert space(tmp_path, "[{width: 1, epochs: 9}]").experiments()[0].epochs == 9


def test_a_function_itself_is_surveyed_from_python():
    def train(*, seed, width: int, epochs: int = 2):
        yield {"test_loss": float(width)}

    found = survey.SearchSpace(name="mine", train=train, objective="test_loss", grids=[{"width": range(3)}])
    assert [each.width for each in found.experiments()] == [0, 1, 2]
    with pytest.raises(SearchSpaceError, match=r"grids\[0\]: unknown key 'widht' \(did you mean 'width'\?\)"):
        survey.SearchSpace(name="mine", train=train, objective="test_loss", grids=[{"width": 1, "widht": 2}])


def held(folder: Path, grids: str, **keys: object):
    """A launch that has got so far as to record what it surveys."""
    found = request(folder, grids, **keys)
    with found.output.held(found.workload.name, found.workload.about):
        found.output.record(list(found.spaces), found.contents, found.workload.about)
    return found


def test_a_default_that_has_changed_under_one_version_is_refused(folder):
    held(folder, "[{slope: 1}]")
    write(folder, LINE.replace("level: int = 0", "level: int = 1"))
    with pytest.raises(InputError, match=r"the default of 'level' was 0 and is 1 now, under the same version 1"):
        request(folder, "[{slope: 1}]")
    held(folder, "[{slope: 1}]", version=2)
    write(folder, LINE)
    held(folder, "[{slope: 1}]")


def test_a_default_that_is_a_list_stays_the_same(tmp_path):
    write(tmp_path, KINDS)
    for _ in range(2):
        held(tmp_path, "[{width: 1}]")


def test_a_source_that_has_changed_is_told_and_goes_on(folder):
    assert list(held(folder, "[{slope: 1}]").data.lines({})) == []
    write(folder, f"# a remark\n{LINE}")
    (told,) = held(folder, "[{slope: 1}]").data.lines({})
    assert "the source of line.train has changed since the last launch, under the same version 1" in told
    assert list(held(folder, "[{slope: 1}]").data.lines({})) == []


def test_an_axis_with_a_default_can_be_added(folder):
    before = held(folder, "[{slope: 1}]").spaces[0].experiments()
    write(folder, LINE.replace("level: int = 0,", "level: int = 0, bend: float = 0.5,"))
    found = held(folder, "[{slope: 1, bend: [0.5, 1]}]")
    assert found.spaces[0].experiments()[0].experiment_id == before[0].experiment_id
    assert found.workload.columns.before["bend"] == 0.5


def test_an_axis_that_is_gone_or_has_another_kind_is_refused(folder):
    held(folder, "[{slope: 1}]")
    for changed, told in [("level: str = '0'", "one column cannot hold both"), ("", "'level'.* is gone; restore")]:
        write(folder, LINE.replace("level: int = 0", changed or "other: int = 0").replace("level +", "0 +"))
        with pytest.raises(InputError, match=told):
            request(folder, "[{slope: 1}]", version=2)


def test_an_output_holds_one_function_with_one_objective(folder):
    held(folder, "[{slope: 1}]")
    with pytest.raises(
        InputError, match=r"objective is \{'late': 'max'\} here and \{'test_loss': 'min'\} in this output"
    ):
        request(folder, "[{slope: 1}]", objective="{late: max}")
    with pytest.raises(OutputError, match="an output holds one workload; choose another --out"):
        request(folder, "[{slope: 1}]", workload="other")


def test_two_functions_of_one_name_are_refused(folder):
    (folder / "sub").mkdir()
    write(folder / "sub", f"# another\n{LINE}")
    one = load_space(write_space(folder, "[{slope: 1}]"))
    other = load_space(write_space(folder, "[{slope: 1}]", name="more", train="sub/line.py:train"))
    with pytest.raises(InputError, match=r"line\.train is another function in each; give one of them a name"):
        one.workload.joined(other.workload).data([one, other])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"name": "slope"', '"name": "../slope"'),
        ('"kind": "int"', '"kind": "object"'),
        ('"best": "min"', '"best": "../"'),
        ('"partition": ["slope"]', '"partition": ["../../x"]'),
        ('"objective": "test_loss"', '"objective": "../x"'),
    ],
)
def test_what_a_stranger_says_of_a_function_is_checked(folder, before, after):
    found = space(folder, "[{slope: [1, 2]}]").function
    text = found.to_json()
    assert Description.from_json(text) == found
    assert before in text
    with pytest.raises(InputError, match=r"what is recorded of 'functions:line\.train' cannot be read"):
        workload_named("functions:line.train", text.replace(before, after))


def test_a_kept_search_space_imports_nothing(folder):
    kept = dump_space(space(folder, "[{slope: [1, 2]}]"))
    (folder / "kept").mkdir()
    for text, told in [
        (kept.partition("signature:")[0], "does not say"),
        (kept.replace("kind: int", "kind: {}"), "cannot be"),
    ]:
        (folder / "kept" / "lines.yaml").write_text(text)
        with pytest.raises(SearchSpaceError, match=f"lines.yaml, line [0-9]+: train: .*{told}"):
            spaces_in(folder / "kept")


def test_a_published_search_space_does_not_tell_folders(folder):
    found = space(folder, "[{slope: 1}]", train=f"{folder}/line.py:train").without_paths()
    assert found.train == "line.py:train"
    assert str(folder) not in dump_space(found)


def test_a_function_without_a_seed_is_told(tmp_path):
    write(tmp_path, "def train(*, width: int, epochs: int = 2): yield {'test_loss': 1}")
    assert any("asks for no seed" in line for line in request(tmp_path, "[{width: 1}]").data.lines({}))


def test_a_search_space_may_have_the_name_of_the_axis_that_it_surveys(folder):
    found = space(folder, "[{slope: [1, 2]}]", name="Slope")
    assert (found.name, sweep_of(found)) == ("Slope", "Slope_sweep")
    assert sweep_of(space(folder, "[{slope: 1}]")) == "lines"
    held(folder, "[{slope: 1}]", name="slope")
    with pytest.raises(InputError, match="'slope' and 'slope_sweep' have one column, 'slope_sweep'; rename one"):
        request(folder, "[{slope: 1}]", name="slope_sweep")
