"""Axes that a command line sets, and samples of a search space."""

from __future__ import annotations

import pytest

from survey.errors import InputError
from survey.launch.__main__ import command
from survey.networks.search_space import Grid, SearchSpace
from survey.spaces.changes import parse_changes
from survey.spaces.yaml_file import dump_space, load_space
from tests.support.functions import LINE, write, write_space
from tests.support.space_files import GRID, written

TWO_GRIDS = """\
grids:
  - {dataset: mnist, shape: rectangle, size: [64, 128], depth: 3, learning_rate: 0.5}
  - {dataset: sleep, shape: rectangle, size: [64, 128], depth: [2, 4]}
"""


def changed(folder, *texts: str, text: str = TWO_GRIDS):
    return load_space(written(folder, text), parse_changes(texts))


def test_an_axis_is_replaced_in_every_grid(tmp_path):
    space = changed(tmp_path, "learning_rate=0.1,1e-2", "size={powers_of_two: [5, 6]}", "optimizer=sgd")
    assert [grid.learning_rate for grid in space.grids] == [(0.1, 0.01)] * 2
    assert [grid.size for grid in space.grids] == [(32, 64)] * 2
    assert [grid.depth for grid in space.grids] == [(3,), (2, 4)]
    assert {each.optimizer for each in space.experiments()} == {"SGD"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("size=9", (9,)),
        ("size = 9, 10", (9, 10)),
        ("kernel_regularizer_type=none", (None,)),
        ("draws=paired", ("paired",)),
    ],
)
def test_values_are_written_as_in_a_file(tmp_path, text, values):
    space = changed(tmp_path, text)
    assert space.grids[0].values(text.partition("=")[0].strip()) == values


def test_lists_are_values_too(tmp_path):
    text = "grids: [{dataset: mnist, widths: [[3]]}]\n"
    assert changed(tmp_path, "widths=[64,32],[128],[]", text=text).grids[0].widths == ((64, 32), (128,), ())


def test_any_workload_has_axes_to_set(tmp_path):
    write(tmp_path, LINE)
    file = write_space(tmp_path, "[{slope: 1}, {slope: 2}]")
    assert [each.slope for each in load_space(file, parse_changes(["slope=3,4"])).experiments()] == [3, 4]
    with pytest.raises(InputError, match=r"--set: 'slop' is no axis of lines .did you mean 'slope'"):
        load_space(file, parse_changes(["slop=3"]))
    walks = written(tmp_path, "workload: random_walk\ngrids: [{step: 1, epochs: 3}]\n", "walks.yaml")
    assert len(load_space(walks, parse_changes(["drift=0,0.5"])).experiments()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("size", "--set: expected NAME=VALUE[,VALUE...], such as learning_rate=0.1,0.01; found 'size'"),
        ("=3", "found '=3'"),
        ("size=", "found 'size='"),
        ("size=[", "--set size: expected values as in a search space, with commas between them, found '['"),
        ("siez=9", "--set: 'siez' is no axis of space (did you mean 'size'?); expected one of dataset, shape, size"),
        ("size=x", "--set size[0]: input should be a valid integer"),
        ("size=3,010", "--set size"),
        ("optimizer=adan", "--set optimizer[0]: expected one of adam, RMSprop, SGD, adamw (did you mean 'adam'?)"),
    ],
)
def test_a_mistake_is_one_message(tmp_path, text, told):
    with pytest.raises(InputError) as error:
        changed(tmp_path, text)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_line_takes_them(tmp_path, capsys):
    assert (
        command(
            [str(written(tmp_path, GRID))], out=tmp_path / "out", set_axes=["dataset=sklearn:iris"], fetch_only=True
        )
        == 0
    )
    assert "sklearn:iris" in capsys.readouterr().out


def sample(count: int | None, seed: int = 0, sizes: int = 40) -> list[int]:
    grid = Grid(dataset="mnist", shape="rectangle", size=range(1, sizes + 1), depth=3)
    space = SearchSpace(name="x", grids=[grid], sample=count, sample_seed=seed)
    return [each.size for each in space.experiments()]


def test_a_sample_is_some_of_the_experiments_in_their_order():
    found = sample(10)
    assert len(found) == 10
    assert found == sorted(set(found))
    assert sample(10) == found
    assert sample(10, seed=1) != found
    assert sample(None) == sample(40) == sample(50) == list(range(1, 41))


def test_a_larger_sample_contains_a_smaller_one():
    assert set(sample(10)) < set(sample(11)) < set(sample(30))


def test_a_larger_grid_changes_a_sample_least():
    """What is no longer chosen has made room for what was added, and nothing else has come."""
    before, after = set(sample(10)), set(sample(10, sizes=80))
    assert all(size > 40 for size in after - before)
    assert len(before & after) >= 3


def test_all_experiments_have_the_same_chance():
    counts = [0] * 41
    for seed in range(400):
        for size in sample(10, seed=seed):
            counts[size] += 1
    assert min(counts[1:]) > 60
    assert max(counts[1:]) < 145


def test_a_sample_is_kept_with_its_space(tmp_path):
    grid = Grid(dataset="mnist", shape="rectangle", size=[1, 2, 3], depth=3)
    space = SearchSpace(name="x", grids=[grid], sample=2, sample_seed=7)
    assert load_space(written(tmp_path, dump_space(space), "x.yaml")) == space


def test_functions_and_other_workloads_are_sampled_too(tmp_path):
    write(tmp_path, LINE)
    file = write_space(tmp_path, "[{slope: [1, 2, 3, 4]}]")
    file.write_text(file.read_text() + "\nsample: 2\n")
    assert len(load_space(file).experiments()) == 2
    walks = "workload: random_walk\nsample: 3\ngrids: [{step: 1, drift: [0, 0.1, 0.2, 0.3, 0.4], epochs: 3}]\n"
    assert len(load_space(written(tmp_path, walks, "walks.yaml")).experiments()) == 3


@pytest.mark.parametrize("line", ["sample: 0", "sample: true", "sample: 1.5", "sample_seed: -1"])
def test_a_sample_that_is_none_is_refused(tmp_path, line):
    with pytest.raises(InputError, match=f"{line.partition(':')[0]}: "):
        load_space(written(tmp_path, GRID + line + "\n"))
