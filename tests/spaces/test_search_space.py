"""Search spaces: what grids expand to, and what is said of every mistake in one."""

from __future__ import annotations

import json
from importlib import resources

import pandas as pd
import pytest

import survey
from analysis.fits.landmarks import LANDMARKS
from analysis.report.condense import tallied
from survey.dataset.schema import summary_schema
from survey.dataset.sweep_names import ADDED_BY_ANALYSIS
from survey.errors import InputError, SearchSpaceError
from survey.networks.columns import COLUMNS
from survey.networks.experiment import NetworkExperiment
from survey.networks.search_space import Grid, SearchSpace
from survey.spaces.search_space import varied_axes
from survey.spaces.yaml_file import built_in_names, dump_space, load_space
from survey.spaces.yaml_source import read_yaml
from survey.tasks.own import UserTask
from tests.support.paths import ROOT
from tests.support.space_files import GRID, written

MINIMAL = """\
grids: [{dataset: [wine_quality_white], shape: [rectangle], size: [16384], depth: [3], epochs: [1500]}]
"""


def grid(**changes) -> Grid:
    return Grid(**{"dataset": "mnist", "shape": "rectangle", "size": 1024, "depth": 3, **changes})


def expand(**changes) -> list[NetworkExperiment]:
    return SearchSpace(name="x", grids=(grid(**changes),)).experiments()


def test_axes_vary_over_all_grids_and_those_with_most_values_come_first():
    one = SearchSpace(name="x", grids=(grid(size=[1 << 8, 1 << 9, 1 << 10], depth=2), grid(depth=3, size=1 << 8)))
    assert varied_axes([one]) == ("size", "depth")
    other = SearchSpace(name="y", grids=(grid(dataset="sleep", depth=3),))
    assert varied_axes([one, other]) == ("size", "depth", "dataset")


def test_the_minimal_example_has_the_defaults_of_butter(tmp_path):
    space = load_space(written(tmp_path, MINIMAL, "minimal.yaml"))
    assert space.name == "minimal"
    assert space.repetitions == 10
    (experiment,) = space.experiments()
    asked = {"dataset": "wine_quality_white", "shape": "rectangle", "size": 16384, "depth": 3, "epochs": 1500}
    assert experiment == NetworkExperiment(**asked)


def test_a_name_in_the_file_wins_over_the_files_own(tmp_path):
    assert load_space(written(tmp_path, "name: other\n" + MINIMAL)).name == "other"


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ("512", [512]),
        ("[512]", [512]),
        ("[512, 100]", [512, 100]),
        ("{powers_of_two: [3, 6]}", [8, 16, 32, 64]),
        ("{powers_of_two: [0, 0]}", [1]),
        ("{powers_of_two: [40, 40]}", [2**40]),
    ],
)
def test_an_axis_is_a_value_a_list_or_powers_of_two(tmp_path, given, sizes):
    space = load_space(written(tmp_path, GRID.replace("size: 1024", f"size: {given}")))
    assert [experiment.size for experiment in space.experiments()] == sizes


def test_a_grid_is_the_product_of_its_axes():
    found = expand(shape=["rectangle", "trapezoid"], size=[8, 16, 32], depth=[2, 3], label_noise=[0, 0.05])
    assert len(found) == len(set(found)) == 24
    assert {(e.shape, e.size, e.depth, e.label_noise) for e in found} == {
        (shape, size, depth, noise)
        for shape in ("rectangle", "trapezoid")
        for size in (8, 16, 32)
        for depth in (2, 3)
        for noise in (0.0, 0.05)
    }


def test_a_union_holds_each_experiment_once_in_the_order_of_the_grids():
    space = SearchSpace(name="x", grids=(grid(size=[64, 32]), grid(size=[16, 32, 128])))
    assert [experiment.size for experiment in space.experiments()] == [64, 32, 16, 128]
    assert len(expand(size=[32, 32])) == 1
    assert len(expand(dataset=["mnist", "pmlb:mnist"])) == 1


def test_penalties_are_alternatives():
    coefficients = [0.32 / 2**k for k in range(13)]
    found = expand(
        kernel_regularizer_type=["none", "l1", "l2"],
        kernel_regularizer_l1=coefficients,
        kernel_regularizer_l2=coefficients,
        size=[32, 64],
    )
    # as in the regularization sweep of BUTTER: 1 + 13 + 13 settings
    assert len(found) == 2 * 27
    assert sum(e.kernel_regularizer_l1 > 0 and e.kernel_regularizer_l2 > 0 for e in found) == 0
    assert {e.kernel_regularizer_l1 for e in found if e.kernel_regularizer_type == "l1"} == set(coefficients)
    assert {e.kernel_regularizer_l2 for e in found if e.kernel_regularizer_type == "l2"} == set(coefficients)
    assert sum(e.kernel_regularizer_type is None for e in found) == 2


@pytest.mark.parametrize("none", ["none", None])
def test_a_penalty_of_zero_is_none(none):
    assert expand(kernel_regularizer_type=[none, "l2"], kernel_regularizer_l2=[0.0]) == expand()


def test_what_a_grid_leaves_out_is_as_in_an_experiment():
    given = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 64, "depth": 3}
    assert list(Grid.model_validate(given).experiments()) == [NetworkExperiment(**given)]


def test_adam_has_no_momentum():
    found = expand(optimizer=["adam", "RMSprop", "SGD"], momentum=[0, 0.9])
    assert [(e.optimizer, e.momentum) for e in found] == [
        ("adam", 0.0),
        ("RMSprop", 0.0),
        ("RMSprop", 0.9),
        ("SGD", 0.0),
        ("SGD", 0.9),
    ]


def test_axes_that_belong_to_one_value_of_another_are_crossed_with_that_alone():
    found = expand(optimizer="AdamW", weight_decay=[0, 0.1])
    assert [(e.optimizer, e.weight_decay) for e in found] == [("adam", 0.0), ("adamw", 0.1)]
    found = expand(schedule=["constant", "step"], step_epochs=[5, 10], step_factor=0.1)
    assert [(e.schedule, e.step_epochs) for e in found] == [("constant", 0), ("step", 5), ("step", 10)]


def test_widths_stand_for_shape_size_and_depth():
    grid = Grid(dataset="sklearn:iris", widths=[[64, 32], [], (8,)], learning_rate=[0.1, 0.01])
    found = list(grid.experiments())
    assert [each.hidden_widths for each in found] == [(64, 32)] * 2 + [()] * 2 + [(8,)] * 2
    assert [each.depth for each in found] == [3, 3, 1, 1, 2, 2]
    assert {each.shape for each in found} == {"widths"}
    assert grid.num_points == 6


def test_widths_are_written_as_they_are_read(tmp_path):
    space = SearchSpace(name="x", grids=[Grid(dataset="sklearn:iris", widths=[[64, 32], []])])
    assert load_space(written(tmp_path, dump_space(space), "x.yaml")) == space


@pytest.mark.parametrize("written", ["rmsprop", "RMSProp", "RMSprop"])
def test_letter_case_of_optimizers_does_not_matter(written):
    assert expand(optimizer=written) == expand(optimizer="RMSprop")


def test_a_rate_without_a_dot_is_a_number(tmp_path):
    """YAML takes 1e-4 for text."""
    space = load_space(written(tmp_path, GRID + "    learning_rate: [1e-4, 1e-5, 1E-3]\n"))
    assert [experiment.learning_rate for experiment in space.experiments()] == [1e-4, 1e-5, 1e-3]


def test_contents_of_a_users_own_tasks_are_part_of_its_experiments(tmp_path):
    text = GRID.replace("mnist", "mnist, mine") + "tasks: {mine: {path: a.csv, target: y, kind: regression}}\n"
    space = load_space(written(tmp_path, text))
    found = {e.dataset: e.task_content for e in space.experiments({"mine": "ab", "mnist_": "cd"})}
    assert found == {"mnist": "", "mine": "ab"}


@pytest.mark.parametrize("path", ["data/a.csv", "../a.csv", "/somewhere/a.csv"])
def test_paths_of_tasks_are_relative_to_the_file(tmp_path, monkeypatch, path):
    folder = tmp_path / "spaces"
    folder.mkdir()
    text = GRID.replace("mnist", "mine") + f"tasks: {{mine: {{path: {path}, target: y, kind: regression}}}}\n"
    written(folder, text)
    monkeypatch.chdir(tmp_path)
    found = load_space("spaces/space.yaml").tasks["mine"]
    assert found == UserTask(path=folder / path, target="y", kind="regression")
    assert found.file.is_absolute()


def test_a_path_may_start_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = GRID.replace("mnist", "mine") + "tasks: {mine: {path: ~/a.csv, target: y, kind: regression}}\n"
    assert load_space(written(tmp_path, text)).tasks["mine"].file == tmp_path / "home/a.csv"


def test_a_space_written_and_read_is_the_same(tmp_path):
    space = SearchSpace(
        name="round-trip_1",
        description="Ünïcode: with a colon\nand a line",
        repetitions=3,
        grids=(
            grid(size=[8, 16], optimizer=["SGD", "adam"], momentum=[0, 0.9], learning_rate=[1e-05, 0.1]),
            grid(
                dataset=["mine", "pmlb:titanic"],
                kernel_regularizer_type=["none", "l1", "l2"],
                kernel_regularizer_l1=[7.8125e-5],
                kernel_regularizer_l2=[0.5, 0.25],
                label_noise=0.05,
                activation="tanh",
                epochs=[1, 2],
            ),
        ),
        tasks={"mine": UserTask(path=tmp_path / "a.csv", target="y", kind="classification")},
    )
    found = load_space(written(tmp_path, dump_space(space), "another.yaml"))
    assert found == space
    assert found.experiments({"mine": "ab"}) == space.experiments({"mine": "ab"})
    assert dump_space(found) == dump_space(space)


@pytest.mark.parametrize("name", built_in_names())
def test_every_built_in_space_loads(name, tmp_path):
    space = load_space(name)
    assert space.name == name
    assert space.description
    assert name.endswith("_sweep") or space.experiments(), "those of a sweep are counted in test_sweeps.py"
    assert load_space(written(tmp_path, dump_space(space))) == space


def test_the_built_in_spaces_are_the_files():
    folder = ROOT / "search_spaces"
    assert set(built_in_names()) == {file.stem for file in folder.glob("*.yaml")}
    assert "quickstart" in built_in_names()


def test_the_example_loads_as_it_is_shipped(tmp_path):
    text = (resources.files("survey.spaces") / "example.yaml").read_text(encoding="utf-8")
    space = load_space(written(tmp_path, text, "this-file.yaml"))
    assert space.name == "my_survey"
    assert len(space.experiments()) == 2 * 5 * 2


def test_what_the_example_says_of_defaults_is_true(tmp_path):
    """Its commented lines, taken in: the experiments stay the same."""
    text = (resources.files("survey.spaces") / "example.yaml").read_text(encoding="utf-8")
    plain = load_space(written(tmp_path, text)).experiments()
    lines = text.replace("    # These are the defaults", "    ## These are the defaults").splitlines()
    taken_in = [line.replace("    # ", "    ", 1) if line.startswith("    # ") else line for line in lines]
    assert taken_in != lines
    assert load_space(written(tmp_path, "\n".join(taken_in), "other.yaml")).experiments() == plain


def test_a_file_wins_over_a_built_in_space_of_its_name(tmp_path, monkeypatch):
    written(tmp_path, "name: mine\n" + GRID, "quickstart")
    monkeypatch.chdir(tmp_path)
    assert load_space("quickstart").name == "mine"


def key(text: str) -> str:
    """The grid with one more line, which is line 6."""
    return GRID + f"    {text}\n"


TASK = "  {}: {{path: a.csv, target: y, kind: regression}}\n"


def own_task(name: str) -> str:
    """The grid and a task of one's own, of which YAML is told by escapes; its line is 7."""
    return GRID + "tasks:\n" + TASK.format(json.dumps(name))


BAD = {
    "unknown key": ("grid: []\n" + GRID, 1, ["unknown key 'grid'", "did you mean 'grids'?", "repetitions"]),
    "unknown key of a grid": (
        key("epoch: 10"),
        6,
        ["grids[0]", "unknown key 'epoch'", "did you mean 'epochs'?", "label_noise"],
    ),
    "unknown key of a second grid": (
        GRID + "  - {dataset: mnist, shape: rectangle, size: 8, depth: 2, learningrate: 1}\n",
        6,
        ["grids[1]", "unknown key 'learningrate'", "did you mean 'learning_rate'?"],
    ),
    "unknown key of a task": (
        GRID + "tasks:\n  mine:\n    path: a.csv\n    target: y\n    kind: regression\n    sep: x\n",
        11,
        ["tasks.mine", "unknown key 'sep'", "path, target, kind"],
    ),
    "misspelt shape": (
        GRID.replace("shape: rectangle", "shape: [trapezoid, rectangel]"),
        3,
        ["grids[0].shape[1]", "'rectangel'", "did you mean 'rectangle'?", "wide_first_2x"],
    ),
    "misspelt shape in a block list": (
        GRID.replace("shape: rectangle", "shape:\n      - trapezoid\n      - rectangel"),
        5,
        ["grids[0].shape[1]", "'rectangel'", "did you mean 'rectangle'?"],
    ),
    "misspelt dataset": (
        GRID.replace("[mnist]", "[sleep, wine_quality_withe]"),
        2,
        ["grids[0].dataset[1]", "'wine_quality_withe'", "did you mean 'wine_quality_white'?"],
    ),
    "dataset without its prefix": (
        GRID.replace("mnist", "digits"),
        2,
        ["grids[0].dataset[0]", "'digits'", "did you mean 'sklearn:digits'?"],
    ),
    "dataset that is a number": (GRID.replace("mnist", "201"), 2, ["grids[0].dataset[0]", "string", "201"]),
    "misspelt optimizer": (
        key("optimizer: [Adam, sdg]"),
        6,
        ["grids[0].optimizer[1]", "adam, RMSprop, SGD", "'sdg'", "did you mean 'SGD'?"],
    ),
    "misspelt activation": (
        key("activation: rellu"),
        6,
        ["grids[0].activation", "'rellu'", "did you mean 'relu'?", "tanh"],
    ),
    "misspelt penalty": (
        key("kernel_regularizer_type: L1"),
        6,
        ["kernel_regularizer_type", "'L1'", "none, l1, l2", "did you mean 'l1'?"],
    ),
    "penalty without coefficients": (
        key("kernel_regularizer_type: l1"),
        2,
        ["grids[0]", "kernel_regularizer_l1", "both or neither"],
    ),
    "weight decay of another optimizer": (
        key("optimizer: [adamw, sgd]\n    weight_decay: 0.1"),
        2,
        ["grids[0]", "weight_decay is that of adamw; SGD has none", "a grid of its own"],
    ),
    "adamw without weight decay": (
        key("optimizer: AdamW"),
        2,
        ["grids[0]", "adamw is adam with weight_decay", "such as 0.01"],
    ),
    "steps without a length": (
        key("schedule: step\n    step_factor: 0.1"),
        2,
        ["grids[0]", "step_epochs", "give all or none"],
    ),
    "steps of another schedule": (
        key("schedule: cosine\n    step_factor: 0.1\n    step_epochs: 5"),
        2,
        ["grids[0]", "schedule step", "give all or none"],
    ),
    "warm-up that never ends": (
        key("warmup_epochs: [0, 50]\n    epochs: [50, 100]"),
        2,
        ["grids[0]", "warmup_epochs 50 leaves the schedule none of 50 epochs", "fewer, or for more epochs"],
    ),
    "misspelt initialization": (
        key("initialization: glorot"),
        6,
        ["grids[0].initialization", "'glorot'", "glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_normal"],
    ),
    "dropout of everything": (key("dropout: [0, 1]"), 6, ["grids[0].dropout[1]", "less than 1"]),
    "misspelt normalization": (key("normalization: batch"), 6, ["grids[0].normalization", "'batch'", "none, layer"]),
    "misspelt schedule": (
        key("schedule: Cosine"),
        6,
        ["grids[0].schedule", "'Cosine'", "constant, cosine, linear, step"],
    ),
    "coefficients without penalty": (
        key("kernel_regularizer_l2: 0.1"),
        2,
        ["grids[0]", "kernel_regularizer_l2", "both or neither"],
    ),
    "coefficient below 0": (
        key("kernel_regularizer_type: l2\n    kernel_regularizer_l2: -1"),
        7,
        ["grids[0].kernel_regularizer_l2", "greater than or equal to 0", "-1"],
    ),
    "depth 1": (GRID.replace("depth: 3", "depth: [3, 1]"), 5, ["grids[0].depth[1]", "2", "found 1"]),
    "depth 256": (GRID.replace("depth: 3", "depth: 256"), 5, ["grids[0].depth", "255", "found 256"]),
    "size 0": (GRID.replace("1024", "0"), 4, ["grids[0].size", "1", "found 0"]),
    "size with a fraction": (GRID.replace("1024", "10.5"), 4, ["grids[0].size", "integer", "found 10.5"]),
    "epochs 0": (key("epochs: 0"), 6, ["grids[0].epochs", "1", "found 0"]),
    "batch size below 0": (key("batch_size: -1"), 6, ["grids[0].batch_size", "found -1"]),
    "learning rate 0": (key("learning_rate: 0"), 6, ["grids[0].learning_rate", "greater than 0", "found 0"]),
    "learning rate nan": (key("learning_rate: .nan"), 6, ["grids[0].learning_rate", "found nan"]),
    "learning rate inf": (key("learning_rate: .inf"), 6, ["grids[0].learning_rate", "found inf"]),
    "learning rate text": (key("learning_rate: fast"), 6, ["grids[0].learning_rate", "number", "'fast'"]),
    "label noise 1.5": (key("label_noise: 1.5"), 6, ["grids[0].label_noise", "1", "found 1.5"]),
    "label noise nan": (key("label_noise: .nan"), 6, ["grids[0].label_noise", "found nan"]),
    "momentum 1": (key("momentum: 1"), 6, ["grids[0].momentum", "less than 1", "found 1"]),
    "boolean for a size": (GRID.replace("1024", "true"), 4, ["grids[0].size", "number", "found True"]),
    "boolean for a rate": (key("learning_rate: true"), 6, ["grids[0].learning_rate", "number", "found True"]),
    "boolean for repetitions": ("repetitions: true\n" + GRID, 1, ["repetitions", "number", "found True"]),
    "repetitions 0": ("repetitions: 0\n" + GRID, 1, ["repetitions", "1", "found 0"]),
    "repetitions past 16 bits": ("repetitions: 65536\n" + GRID, 1, ["repetitions", "65535", "found 65536"]),
    "empty list": (key("epochs: []"), 6, ["grids[0].epochs", "at least one value", "found []"]),
    "powers of two the wrong way": (
        GRID.replace("1024", "{powers_of_two: [8, 5]}"),
        4,
        ["grids[0].size", " {powers_of_two: [first, last]} ", "[8, 5]"],
    ),
    "powers of two past 40": (GRID.replace("1024", "{powers_of_two: [8, 41]}"), 4, ["grids[0].size", "[8, 41]"]),
    "powers of two of one": (GRID.replace("1024", "{powers_of_two: [8]}"), 4, ["grids[0].size", "[8]"]),
    "powers of two of halves": (GRID.replace("1024", "{powers_of_two: [1, 2.5]}"), 4, ["grids[0].size", "2.5"]),
    "powers of two of truths": (GRID.replace("1024", "{powers_of_two: [false, true]}"), 4, ["grids[0].size", "True"]),
    "another mapping": (
        GRID.replace("1024", "{powers_of_ten: [1, 2]}"),
        4,
        ["grids[0].size", "powers_of_two", "'powers_of_ten'"],
    ),
    "key twice": (key("depth: 4"), 6, ["'depth'", "twice"]),
    "key twice at the top": (GRID + GRID, 6, ["'grids'", "twice"]),
    "invalid YAML": ("name: x\ngrids: [{\n", 3, ["not valid YAML"]),
    "a tab in YAML": ("name: x\ngrids:\n\t- a\n", 3, ["not valid YAML"]),
    "two documents": (GRID + "---\n" + GRID, 6, ["not valid YAML"]),
    "missing key of a grid": (GRID.replace("    shape: rectangle\n", ""), 2, ["grids[0]", "'shape' is missing"]),
    "missing keys of a grid": (
        GRID.replace("    shape: rectangle\n    size: 1024\n", ""),
        2,
        ["grids[0]", "'shape', 'size' are missing"],
    ),
    "widths beside a depth": (key("widths: [[64]]"), 2, ["grids[0]", "instead of shape, size and depth"]),
    "widths that are no lists": (
        "grids:\n  - dataset: mnist\n    widths: [64, 32]\n",
        3,
        ["grids[0].widths", "expected lists of the widths of hidden layers, as [[64, 32], [128], []]", "[64, 32]"],
    ),
    "widths of nothing": (
        "grids:\n  - dataset: mnist\n    widths: [[64, 0]]\n",
        3,
        ["grids[0].widths[0][1]", "greater than or equal to 1", "found 0"],
    ),
    "no grids": ("name: x\n", 1, ["'grids' is missing"]),
    "empty grids": ("name: x\ngrids: []\n", 2, ["grids", "found []"]),
    "grids that are no list": ("name: x\ngrids: 3\n", 2, ["grids", "found 3"]),
    "name that is a column": ("name: size\n" + GRID, 1, ["name", "column", "'size'"]),
    "name that is no word": ("name: a b\n" + GRID, 1, ["name", "'a b'"]),
    "name that leads elsewhere": ("name: ../x\n" + GRID, 1, ["name", "'../x'"]),
    "name that is a column in capitals": ("name: Depth\n" + GRID, 1, ["name", "column or table", "'Depth'"]),
    "name that is a column with underscores": (
        "name: kernel_regularizer_l1\n" + GRID,
        1,
        ["name", "column or table", "'kernel_regularizer_l1'"],
    ),
    "name that is a table in capitals": ("name: COMPLETE\n" + GRID, 1, ["name", "column or table", "'COMPLETE'"]),
    "name that analysis gives a column": ("name: epoch\n" + GRID, 1, ["name", "column or table", "'epoch'"]),
    "name that is a device": ("name: Nul\n" + GRID, 1, ["name", "Windows", "'Nul'"]),
    "name that ends in a dot": ("name: x.\n" + GRID, 1, ["name", "'x.'"]),
    "name that ends in a line break": ('name: "x\\n"\n' + GRID, 1, ["name", r"'x\n'"]),
    "name that is too long": (f"name: {'x' * 101}\n" + GRID, 1, ["name", "at most 100"]),
    "a task whose encoded name is too long": (
        own_task("é" * 90),
        7,
        [f"tasks.{'é' * 90}", "548 bytes", "shorter name"],
    ),
    "a task that stands for a missing value": (
        own_task("__HIVE_DEFAULT_PARTITION__"),
        7,
        ["tasks.__HIVE_DEFAULT_PARTITION__", "missing value"],
    ),
    "a task whose last dot gets lost": (own_task("v1."), 7, ["tasks.v1.", "on Windows a dot"]),
    "a task with a control character": (own_task("a\u001bc"), 7, [r"tasks.'a\x1bc'", "can be printed"]),
    "a task with half a character": (own_task("a\ud800"), 6, ["tasks.a", "can be printed"]),
    "a task that leads elsewhere": (own_task("../x"), 7, ["tasks.../x", "no '/'"]),
    "a device of PMLB": (GRID.replace("mnist", '"pmlb:aux.1"'), 2, ["grids[0].dataset[0]", "valid name for a folder"]),
    "a PMLB name that is too long": (GRID.replace("mnist", f'"pmlb:{"x" * 250}"'), 2, ["valid name for a folder"]),
    "tasks in capitals and not": (
        GRID.replace("[mnist]", "[mine, Mine]") + "tasks:\n" + TASK.format("mine") + TASK.format("Mine"),
        2,
        ["grids[0].dataset[1]", "'mine' and 'Mine'", "the same folder"],
    ),
    "tasks of PMLB and of one's own": (
        GRID.replace("[mnist]", '["pmlb:titanic", Titanic]') + "tasks:\n" + TASK.format("Titanic"),
        2,
        ["grids[0].dataset[1]", "'titanic' and 'Titanic'"],
    ),
    "tasks in two encodings": (
        GRID.replace("[mnist]", '["caf\u00e9", "cafe\u0301"]')
        + "tasks:\n"
        + TASK.format('"caf\u00e9"')
        + TASK.format('"cafe\u0301"'),
        2,
        ["grids[0].dataset[1]", "accents"],
    ),
    "kind of a task": (
        GRID + "tasks:\n  mine: {path: a.csv, target: y, kind: clasification}\n",
        7,
        ["tasks.mine.kind", "classification", "'clasification'"],
    ),
    "missing key of a task": (
        GRID + "tasks:\n  mine:\n    path: a.csv\n    kind: regression\n",
        7,
        ["tasks.mine", "'target' is missing"],
    ),
    "task with a published name": (
        GRID + "tasks:\n  mnist: {path: a.csv, target: y, kind: regression}\n",
        7,
        ["tasks.mnist", "published", "another name"],
    ),
    "task with the name of a bundled set": (
        GRID + "tasks:\n  digits: {path: a.csv, target: y, kind: regression}\n",
        7,
        ["tasks.digits", "another name"],
    ),
    "empty file": ("", None, ["expected keys such as `grids`", "NoneType"]),
    "a list": ("- 1\n", None, ["expected keys such as `grids`", "list"]),
    "text": ("hello\n", None, ["expected keys such as `grids`", "str"]),
}


def test_every_mistake_is_told_at_once(tmp_path):
    file = written(tmp_path, key("epoch: 1\n    learning_rate: 0").replace("depth: 3", "depth: 1"))
    with pytest.raises(SearchSpaceError) as error:
        load_space(file)
    assert sorted(line.split(": ")[0] for line in str(error.value).splitlines()) == [
        f"{file}, line {line}" for line in (5, 6, 7)
    ]


LISTS = """\
lists:
  few: [2, 3]
  more: [{list: few}, 5]
"""


@pytest.mark.parametrize(
    ("given", "depths"),
    [("{list: few}", [2, 3]), ("{list: more}", [2, 3, 5]), ("[7, {list: few}, 9]", [7, 2, 3, 9])],
)
def test_a_list_is_taken_by_its_name(tmp_path, given, depths):
    text = LISTS + GRID.replace("depth: 3", f"depth: {given}")
    assert [e.depth for e in load_space(written(tmp_path, text)).experiments()] == depths


def test_lists_can_lie_in_a_file_that_several_spaces_share(tmp_path):
    (tmp_path / "lists").mkdir()
    written(tmp_path, "depths: [4, 6]\n", "lists/mine.yaml")
    text = "lists: lists/mine.yaml\n" + GRID.replace("depth: 3", "depth: {list: depths}")
    assert [e.depth for e in load_space(written(tmp_path, text)).experiments()] == [4, 6]


def test_lists_of_the_package_are_named(tmp_path):
    text = "lists: butter\n" + GRID.replace("shape: rectangle", "shape: {list: shapes_4}")
    found = [e.shape for e in load_space(written(tmp_path, text)).experiments()]
    assert found == ["rectangle", "trapezoid", "exponential", "wide_first_2x"]


BAD_LISTS = {
    "unknown list": (
        LISTS + GRID.replace("depth: 3", "depth: {list: moer}"),
        8,
        ["grids[0].depth", "the list 'moer' is unknown", "did you mean 'more'?", "few, more"],
    ),
    "no lists": (GRID.replace("depth: 3", "depth: {list: few}"), 5, ["grids[0].depth", "'few'", "defines none"]),
    "a list that stands below": (
        "lists:\n  a: [{list: b}]\n  b: [1]\n" + GRID,
        2,
        ["lists.a", "the list 'b' is unknown", "above"],
    ),
    "a list that is none": ("lists: {a: 3}\n" + GRID, 1, ["lists.a", "expected a list, found 3"]),
    "lists that are none": ("lists: [3]\n" + GRID, 1, ["lists", "expected a mapping from names to lists", "[3]"]),
    "unknown file": (
        "lists: buter\n" + GRID,
        1,
        ["lists", "'buter' is unknown", "did you mean 'butter'?", "path of a YAML file"],
    ),
    "a bad value in a list": (
        "lists: {few: [2, 1]}\n" + GRID.replace("depth: 3", "depth: {list: few}"),
        6,
        ["grids[0].depth[1]", "found 1"],
    ),
    "a list with another key": (
        LISTS + GRID.replace("depth: 3", "depth: {list: few, of: 3}"),
        8,
        ["grids[0].depth", "{list: NAME}"],
    ),
}


@pytest.mark.parametrize(("text", "line", "told"), [*BAD.values(), *BAD_LISTS.values()], ids=[*BAD, *BAD_LISTS])
def test_a_mistake_is_told_with_its_place(tmp_path, text, line, told):
    file = written(tmp_path, text)
    with pytest.raises(SearchSpaceError) as error:
        load_space(file)
    message = str(error.value)
    assert message.startswith(f"{file}, line {line}: " if line else f"{file}: ")
    assert "\n" not in message, "one mistake, one line"
    for words in told:
        assert words in message


OF_FILES_ALONE = {"a task with half a character"}
"""Mistakes in what a file says, and Python cannot."""


@pytest.mark.parametrize("name", [name for name in BAD if name not in OF_FILES_ALONE])
def test_python_is_told_a_mistake_as_a_file_is(tmp_path, name):
    file = written(tmp_path, BAD[name][0])
    with pytest.raises(SearchSpaceError) as in_file:
        load_space(file)
    try:
        document, _ = read_yaml(file)
    except SearchSpaceError:
        return  # no YAML: nothing that Python could be given
    if not isinstance(document, dict):
        return
    with pytest.raises(SearchSpaceError) as in_python:
        survey.dry_run(SearchSpace(**{"name": "space", **document}))
    told = str(in_file.value).partition(": ")[2].replace(", workload, lists", "")
    assert str(in_python.value) in (f"SearchSpace: {told}", f"space: {told}")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"epoch": 3}, "unknown key 'epoch' (did you mean 'epochs'?); allowed are dataset, shape, size, depth, "),
        ({"depth": 1}, "depth[0]: input should be greater than or equal to 2, found 1"),
        (
            {"size": "big"},
            "size[0]: input should be a valid integer, unable to parse string as an integer, found 'big'",
        ),
        ({"shape": ["rectangle", "trapezoit"]}, "shape[1]: expected one of rectangle, "),
    ],
)
def test_a_mistake_in_a_grid_alone_is_told_in_a_line(changes, told):
    with pytest.raises(SearchSpaceError) as error:
        grid(**changes)
    assert str(error.value).startswith(f"Grid: {told}")
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__, "the traceback has nothing of the library that checks"
    with pytest.raises(AttributeError, match="Grid: depth cannot be changed; make another Grid"):
        grid().depth = (2,)


def test_a_mistake_in_a_file_of_lists_is_told_with_that_file(tmp_path):
    shared = written(tmp_path, "a: [1]\nb: 2\n", "shared.yaml")
    with pytest.raises(SearchSpaceError) as error:
        load_space(written(tmp_path, "lists: shared.yaml\n" + GRID))
    assert str(error.value) == f"{shared}, line 2: b: expected a list, found 2"


STRANGE = {
    "a key that is a list": GRID + "? [a, b]\n: 1\n",
    "a list that holds itself": "grids: &a [*a]\n",
    "an impossible date": "description: 2001-99-99\n" + GRID,
    "a number of 5000 digits": GRID.replace("1024", "9" * 5000),
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE.keys())
def test_strange_yaml_is_refused_with_the_name_of_the_file(tmp_path, text):
    file = written(tmp_path, text)
    with pytest.raises(SearchSpaceError, match=r"space\.yaml"):
        load_space(file)


OF_SUMMARIES = summary_schema(COLUMNS, []).names
OF_RUNS = ("seed", "run_id", "hostname", "val_loss", "loss")


@pytest.mark.parametrize("name", [*OF_SUMMARIES, *OF_RUNS, "complete", "complete_executive"])
def test_no_space_is_called_as_a_column_or_a_table(name):
    with pytest.raises(SearchSpaceError, match=r"column or table of this name|at most 100 letters"):
        SearchSpace(name=name, grids=(grid(),))


def test_a_name_that_is_taken_from_the_file_is_checked_and_told(tmp_path):
    with pytest.raises(SearchSpaceError, match=r"name: .*column or table of this name.*, found 'depth'"):
        load_space(written(tmp_path, GRID, "depth.yaml"))


def test_no_column_of_analysis_is_forgotten():
    frame = tallied(pd.DataFrame({"test_loss_median": [[1.0]]}), "test_loss")
    added = {*frame.columns, "epoch", *LANDMARKS}
    assert added == set(ADDED_BY_ANALYSIS)


def test_a_folder_is_no_search_space(tmp_path):
    (tmp_path / "dir.yaml").mkdir()
    with pytest.raises(SearchSpaceError, match=r"dir\.yaml"):
        load_space(tmp_path / "dir.yaml")
    with pytest.raises(SearchSpaceError, match=str(tmp_path)):
        load_space(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SearchSpaceError, match=r"none\.yaml: there is no such file"):
        load_space(tmp_path / "none.yaml")


def test_a_binary_file_is_refused(tmp_path):
    file = tmp_path / "bin.yaml"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SearchSpaceError, match=r"bin\.yaml: cannot be read as a text file"):
        load_space(file)


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(SearchSpaceError) as error:
        load_space("quickstrat")
    for words in ("'quickstrat'", "did you mean 'quickstart'?", *built_in_names(), "`survey example`"):
        assert words in str(error.value)


def test_a_space_made_in_python_is_checked_too():
    with pytest.raises(SearchSpaceError, match="greater than or equal to 2"):
        grid(depth=1)
    space = SearchSpace(name="x", grids=(grid(), grid(dataset=["mnist", "mnits"])))
    with pytest.raises(SearchSpaceError, match=r"grids\[1\]\.dataset\[1\].*mnits.*did you mean 'mnist'"):
        space.check()
    assert issubclass(SearchSpaceError, InputError)
