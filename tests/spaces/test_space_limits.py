"""What a few lines can be made to stand for is bounded before it is made; and what YAML 1.1 reads oddly is refused."""

from __future__ import annotations

import itertools

import pytest

from survey.errors import InputError, SearchSpaceError
from survey.networks.search_space import Grid, SearchSpace
from survey.plan import make_plan as planning
from survey.plan.make_plan import Bound
from survey.spaces import search_space, yaml_source
from survey.spaces.search_space import check_together
from survey.spaces.yaml_file import load_space
from tests.support.planned import plan_of
from tests.support.space_files import GRID, written

FEW = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 64, "depth": 3}


def refused(folder, text: str) -> str:
    file = written(folder, text)
    with pytest.raises(SearchSpaceError) as error:
        load_space(file)
    message = str(error.value)
    assert message.startswith(str(file))
    assert len(message) < 1000, "a message for a person"
    return message.removeprefix(str(file))


def doubling(first: str, again: str) -> str:
    """Nine lines, each of which repeats the one above nine times."""
    lines = [first, *(f"l{k + 1}: &l{k + 1} {again}" for k in range(9))]
    return "\n".join(line.replace("ALL", ", ".join([f"*l{k - 1}"] * 9)) for k, line in enumerate(lines)) + "\n"


BOMBS = {
    "aliases in lists": doubling("l0: &l0 [1, 1]", "[ALL]"),
    "aliases in mappings": doubling("l0: &l0 {a: 1}", "{a: [ALL]}"),
    "merge keys": doubling("l0: &l0 {a: 1}", "{<<: [ALL]}"),
    "named lists": "lists:\n"
    + "  l0: [1, 1, 1]\n"
    + "".join(f"  l{k + 1}: [{', '.join([f'{{list: l{k}}}'] * 9)}]\n" for k in range(9))
    + GRID,
    "named lists in grids": f"lists: {{a: [{'1, ' * 1000}]}}\ngrids:\n" + "- {depth: [{list: a}, {list: a}]}\n" * 300,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_small_file_that_stands_for_billions_of_values_is_refused(tmp_path, text):
    message = refused(tmp_path, text)
    assert ", line " in message
    assert "expected 500,000 values at most, found " in message
    assert "repeat fewer" in message


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{a: " * 5_000, "\n".join(" " * k + "a:" for k in range(2_000)), "- " * 5_000]
)
def test_what_is_nested_too_deeply_is_refused(tmp_path, text):
    assert refused(tmp_path, text) == ": lists or mappings are nested too deeply"


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_source, "parse_yaml", None)
    assert refused(tmp_path, "#" * 5_000_001) == ": expected 5,000,000 bytes at most, found more; use several files"


def test_reading_stops_at_the_first_value_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_source, "MOST_VALUES", 100)
    assert "expected 100 values at most, found 101" in refused(tmp_path, "[" + "0, " * 1000 + "]")


CROSSED = """\
name: crossed
grids:
  - {dataset: mnist, shape: rectangle, size: 64, depth: 3}
  - dataset: mnist
    shape: rectangle
    size: [SOME]
    depth: [3]
    batch_size: [SOME]
    learning_rate: [SOME]
    epochs: [SOME]
""".replace("SOME", ", ".join(str(k) for k in range(1, 1001)))


@pytest.fixture
def _nothing_is_expanded(monkeypatch):
    def fail(*_):
        raise AssertionError("it was expanded")

    monkeypatch.setattr(search_space, "Experiment", fail)


@pytest.mark.usefixtures("_nothing_is_expanded")
def test_a_grid_with_too_many_points_is_refused_with_their_number(tmp_path):
    message = refused(tmp_path, CROSSED)
    assert "expected 10,000,000 experiments at most in all, found 1,000,000,000,001" in message
    assert "of which grids[1] of crossed has 1,000,000,000,000; cross fewer values" in message


@pytest.mark.usefixtures("_nothing_is_expanded")
def test_points_of_penalties_are_counted_with_their_own_type_only():
    grid = Grid(
        **{**FEW, "size": [32, 64]},
        kernel_regularizer_type=[None, "l1", "l2"],
        kernel_regularizer_l1=[0.1, 0.2, 0.3],
        kernel_regularizer_l2=[0.1, 0.2],
    )
    assert grid.num_points == 2 * (1 + 3 + 2)


@pytest.mark.usefixtures("_nothing_is_expanded")
def test_the_spaces_of_a_launch_are_counted_together():
    axis = list(range(2, 202))
    grid = Grid(**{**FEW, "depth": axis, "size": axis, "batch_size": axis})
    one, other = (SearchSpace(name=name, grids=[grid]) for name in ("one", "other"))
    check_together([one])
    with pytest.raises(SearchSpaceError, match=r"one, other: .* found 16,000,000"):
        check_together([one, other])
    with pytest.raises(SearchSpaceError, match=r"one: .* found 16,000,000"):
        check_together([one], before=[other])
    check_together([one], before=[one])  # the same again, as it was surveyed before


@pytest.mark.parametrize("axis", [range(10**12), itertools.count(1), itertools.repeat(3), [1] * 50_001], ids=repr)
def test_an_axis_with_too_many_values_is_refused(axis):
    with pytest.raises(SearchSpaceError, match=r"^Grid: size: expected 50,000 values at most, found ") as error:
        Grid(**{**FEW, "size": axis})
    assert len(str(error.value)) < 200


def test_values_of_all_grids_are_counted():
    grid = Grid(**{**FEW, "size": range(1, 40_001)})
    with pytest.raises(SearchSpaceError, match="expected 50,000 values at most, found 80,006"):
        SearchSpace(name="x", grids=[grid, grid])


def test_epochs_whose_curves_no_memory_holds_are_refused(tmp_path):
    message = refused(tmp_path, GRID + "    epochs: 4294967295\n")
    assert message.startswith(", line 6: grids[0].epochs[0]: input should be less than or equal to 10000000")


def test_epochs_of_all_repetitions_are_bounded():
    one = SearchSpace(name="one", repetitions=65_535, grids=[Grid(**FEW, epochs=3000)])
    check_together([one])
    with pytest.raises(SearchSpaceError, match=r"one: .* found 65,535 repetitions x 30,000 epochs; ask for fewer"):
        check_together([SearchSpace(name="one", repetitions=65_535, grids=[Grid(**FEW, epochs=[1, 30_000])])])
    with pytest.raises(SearchSpaceError, match="found 65,000 repetitions x 10,000 epochs"):
        check_together([SearchSpace(name="one", grids=[Grid(**FEW, epochs=10_000)])], repetitions=65_000)


def test_the_trials_of_a_plan_are_bounded(monkeypatch):
    """A large network's repetitions are split, up to a trial for each."""
    monkeypatch.setattr(planning, "MOST_EXPERIMENTS", 50)
    wide = SearchSpace(name="wide", repetitions=100, grids=[Grid(**{**FEW, "size": 1 << 20})])
    with pytest.raises(InputError, match="wide: expected 50 trials at most, found more"):
        plan_of([wide], bound=Bound(memory_bytes=1))


def test_a_message_names_twenty_mistakes_and_counts_the_others(tmp_path):
    with pytest.raises(SearchSpaceError) as error:
        Grid(**{**FEW, "depth": [1] * 1000})
    lines = str(error.value).splitlines()
    assert lines[0] == "Grid: depth[0]: input should be greater than or equal to 2, found 1"
    assert lines[20:] == ["and 980 more mistakes"]
    message = refused(tmp_path, GRID.replace("1024", f"[[{'1, ' * 1000}]]"))
    assert "found [1, 1, 1, 1, 1, 1, ...]" in message


ODD = {
    "010": "010 is read as 8 by YAML 1.1; write 10 or '010'",
    "-010": "-010 is read as -8 by YAML 1.1; write -8 or '-010'",
    "1:30": "1:30 is read as 90 by YAML 1.1; write 90 or '1:30'",
    "1:30.5": "1:30.5 is read as 90.5 by YAML 1.1; write 90.5 or '1:30.5'",
    "1_000": "1_000 is read as 1000 by YAML 1.1; write 1000 or '1_000'",
    "1.5_0": "1.5_0 is read as 1.5 by YAML 1.1; write 1.5 or '1.5_0'",
    "0x10": "0x10 is read as 16 by YAML 1.1; write 16 or '0x10'",
    "0b1": "0b1 is read as 1 by YAML 1.1; write 1 or '0b1'",
    "no": "no is read as false by YAML 1.1; write false or 'no'",
    "Yes": "Yes is read as true by YAML 1.1; write true or 'Yes'",
    "on": "on is read as true by YAML 1.1; write true or 'on'",
    "OFF": "OFF is read as false by YAML 1.1; write false or 'OFF'",
    "2020-01-01": "2020-01-01 is read as a date by YAML 1.1; write '2020-01-01'",
    "2001-99-99": "2001-99-99 is read as a date by YAML 1.1; write '2001-99-99'",
    "2020-01-01 10:00:00": "2020-01-01 10:00:00 is read as a date by YAML 1.1; write '2020-01-01 10:00:00'",
    "!!binary aGk=": "aGk= is read as bytes by YAML 1.1; write 'aGk='",
    "=": "= is read as a default value by YAML 1.1; write '='",
    "!!python/name:os.system": "this is not valid YAML: could not determine a constructor for the tag",
    "!!python/object/apply:os.system ls": "this is not valid YAML: could not determine a constructor for the tag",
    "!mine 3": "this is not valid YAML: could not determine a constructor for the tag",
    "1:" + ":".join(["30"] * 100_000): "... is read as a number by YAML 1.1",
    "0x" + "f" * 100_000: "... is read as a number by YAML 1.1",
}


@pytest.mark.parametrize("where", ["value", "in a list", "in a file of lists", "name of a task"])
@pytest.mark.parametrize(("word", "told"), ODD.items(), ids=[word[:20] for word in ODD])
def test_what_yaml_reads_as_something_else_is_refused(tmp_path, word, told, where):
    if where == "in a file of lists":
        file = written(tmp_path, f"few:\n- 1\n- {word}\n", "lists.yaml")
        with pytest.raises(SearchSpaceError) as error:
            load_space(written(tmp_path, "lists: lists.yaml\n" + GRID))
        assert str(error.value).startswith(f"{file}, line 3: ")
        assert told in str(error.value)
        return
    place = {"value": word, "in a list": f"\n    - {word}", "name of a task": "3"}[where]
    text = GRID.replace("depth: 3", f"depth: {place}")
    if where == "name of a task":
        text += f"tasks:\n  ? {word}\n  : {{path: a.csv, target: y, kind: regression}}\n"
    message = refused(tmp_path, text)
    line = {"value": 5, "in a list": 6, "name of a task": 7}[where]
    assert message.startswith(f", line {line}: ")
    assert told in message


@pytest.mark.parametrize("text", ["!!int ''", "!!float ''", "!!bool maybe", "!!int x", "!!null [1]", "9" * 5000])
def test_a_value_that_its_tag_does_not_fit_is_refused(tmp_path, text):
    assert "this is not valid YAML" in refused(tmp_path, GRID.replace("depth: 3", f"depth: {text}"))


@pytest.mark.parametrize(
    ("written_as", "rate"),
    [("1e-3", 1e-3), ("1E-3", 1e-3), (".5", 0.5), ("1.e-3", 1e-3), ("1.0e-3", 1e-3), ("+0.5", 0.5), ("3", 3.0)],
)
def test_numbers_that_can_be_read_one_way_only_are_taken(tmp_path, written_as, rate):
    found = load_space(written(tmp_path, GRID + f"    learning_rate: {written_as}\n"))
    assert [each.learning_rate for each in found.experiments()] == [rate]


@pytest.mark.parametrize("name", ["no", "010", "2020-01-01", "1_000", "~", "on"])
def test_a_task_may_have_such_a_name_in_quotes(tmp_path, name):
    own = f"\ntasks: {{'{name}': {{path: a.csv, target: y, kind: regression}}}}\n"
    found = load_space(written(tmp_path, GRID.replace("mnist", f"'{name}'") + own))
    assert found.datasets == {name}


def test_a_key_that_is_no_text_is_told_with_its_line(tmp_path):
    own = "tasks:\n  201: {path: a.csv, target: y, kind: regression}\n"
    assert refused(tmp_path, GRID + own) == ", line 7: tasks[201]: input should be a valid string, found 201"
    assert refused(tmp_path, GRID + "5: x\n").startswith(", line 6: unknown key '5'; allowed are name, ")


def test_null_is_taken_for_no_penalty(tmp_path):
    found = load_space(written(tmp_path, GRID + "    kernel_regularizer_type: [~, null]\n"))
    assert [each.kernel_regularizer_type for each in found.experiments()] == [None]


MERGED = """\
grids:
  - &first
    dataset: mnist
    shape: rectangle
    size: 1024
    depth: 3
  - <<: *first
    depth: 1
"""


def test_a_merge_is_taken_and_its_mistakes_are_told_with_their_lines(tmp_path):
    found = load_space(written(tmp_path, MERGED.replace("depth: 1", "depth: 4")))
    assert [(each.size, each.depth) for each in found.experiments()] == [(1024, 3), (1024, 4)]
    assert refused(tmp_path, MERGED).startswith(", line 8: grids[1].depth[0]: ")
    wrong = MERGED.replace("size: 1024", "size: 0").replace("depth: 1", "depth: 4")
    assert refused(tmp_path, wrong).startswith(", line 5: grids[0].size[0]: ")
