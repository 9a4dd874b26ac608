"""Search spaces over a module: its axes beside ours, identity, pairs with networks, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import survey
from survey.errors import InputError, SearchSpaceError
from survey.functions.source import source_of
from survey.modules.building import Setting, builder_of
from survey.modules.data import SOURCE
from survey.spaces.yaml_file import dump_space, spaces_in
from survey.workloads.experiment import Run
from survey.workloads.registry import experiment_of, workload_named
from tests.support.modules import NET, request, space, write_space

GRID = "[{dataset: [sklearn:digits], width: [4, 8], norm: [none, batch], learning_rate: [0.01], epochs: 3}]"


def test_axes_are_those_of_the_module_and_ours(tmp_path):
    experiments = space(tmp_path, GRID).experiments()
    assert len(experiments) == 4
    last = experiments[-1]
    assert (last.width, last.norm, last.dropout, last.learning_rate, last.epochs) == (8, "batch", 0.0, 0.01, 3)
    assert last.label == "digits build norm=batch lr0.01 e3"
    assert last.setting == {"width": 8, "norm": "batch", "dropout": 0.0}
    assert dict(last.axes).keys() == {"norm"}, "those that are no defaults"


def test_an_experiment_is_what_it_means(tmp_path):
    one = space(tmp_path, GRID).experiments()
    again = space(tmp_path, "[{dataset: sklearn:digits, learning_rate: 0.01, dropout: 0, epochs: 3}]", name="others")
    assert again.experiments() == [one[2]]
    assert experiment_of(one[1].to_dict()) == one[1]
    assert experiment_of(one[1].to_dict()).experiment_id == one[1].experiment_id
    assert len({each.experiment_id for each in one}) == 4
    other = space(tmp_path, GRID, version=2).experiments()
    assert {each.experiment_id for each in other}.isdisjoint(each.experiment_id for each in one)
    assert experiment_of({**one[0].to_dict(), "epochs": 9}).prefix_id == one[0].prefix_id


def test_runs_are_paired_with_those_of_networks(tmp_path):
    grid = survey.Grid(dataset="sklearn:digits", shape="rectangle", size=512, depth=2, epochs=3)
    (network,) = grid.experiments()
    module = space(tmp_path, GRID).experiments()[0]
    assert Run(module, 4).seed == Run(network, 4).seed


def test_what_an_output_keeps_is_read_without_the_module(tmp_path):
    found = space(tmp_path, GRID)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "nets.yaml").write_text(dump_space(found))
    (tmp_path / "net.py").unlink()
    (kept,) = spaces_in(tmp_path / "kept")
    assert kept.experiments() == found.experiments()
    assert dump_space(kept) == dump_space(found)
    assert workload_named(found.WORKLOAD, found.workload.about).columns.partition == (
        *("dataset", "learning_rate", "batch_size", "epochs"),
        *("width", "norm"),
    )


@pytest.mark.parametrize(
    ("grids", "keys", "told"),
    [
        ("[{dataset: digits, widht: 4}]", {}, r"line 4: grids\[0\]: unknown key 'widht' \(did you mean 'width'\?\)"),
        ("[{width: 4}]", {}, r"line 4: grids\[0\]: the key 'dataset' is missing"),
        ("[{dataset: sklearn:digits, width: 1.5}]", {}, r"line 4: grids\[0\].width\[0\]: input should be a valid int"),
        ("[{dataset: sklearn:digits, optimizer: adm}]", {}, r"line 4: grids\[0\].optimizer\[0\]: expected one of adam"),
        ("[{dataset: sklearn:digts}]", {}, r"line 4: .*sklearn:digts"),
        ("[{dataset: digits}]", {"model": "nets.py:build"}, r"line 2: model: there is no file .*nets\.py"),
        ("[{dataset: digits}]", {"model": "net.py:make"}, "model: net.make: there is no function 'make' in it"),
        ("[{dataset: digits}]", {"train": "net.py:build"}, "train and model are both given"),
        ("[{dataset: digits}]", {"text": "import nothing_of_ours"}, "model: net.build: net.py, line 1: ModuleNotFound"),
        ("[{dataset: digits}]", {"text": "def build(:"}, "model: net.build: net.py, line 1: SyntaxError"),
        ("[{dataset: digits}]", {"text": "import sys; sys.exit(3)"}, "model: net.build: net.py, line 1: SystemExit: 3"),
        ("[{dataset: digits}]", {"text": "def build(*, inputs): pass"}, "it has no parameter 'outputs'"),
        ("[{dataset: digits}]", {"text": "def build(*, inputs, outputs, x): 0"}, "parameter 'x' has no annotation"),
        (
            "[{dataset: digits}]",
            {"text": "def build(*, inputs, outputs, batch_size: int): pass"},
            "'batch_size' is an axis of the loop that trains the module.*rename it",
        ),
        (
            "[{dataset: digits}]",
            {"text": "def build(*, inputs, outputs, test_loss_median: int): pass"},
            "the data set has a column 'test_loss_median' of its own; rename the parameter",
        ),
    ],
)
def test_mistakes_are_told_in_one_message(tmp_path, grids, keys, told):
    with pytest.raises(SearchSpaceError, match=told):
        space(tmp_path, grids, **keys)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "raise ValueError('too wide')",
            r"net.build\(inputs=64, outputs=10, width=8\): net.py, line 5: ValueError: too",
        ),
        ("import sys; sys.exit()", "net.py, line 5: SystemExit"),
        ("return 3", r"net.build\(.*\): expected an nn.Module, it returned int"),
        ("return nn.ReLU()", r"net.build\(.*\): the module has no parameters to train"),
        ("return nn.Linear(inputs, 3)", r"expected outputs of shape \(4, 10\) \[rows, outputs\], found \(4, 3\)"),
        ("return nn.Linear(9, outputs)", r"for inputs of shape \(4, 64\): RuntimeError: mat1 and mat2 shapes"),
        ("return nn.LSTM(inputs, outputs)", r"expected a tensor \(4, 10\) \[rows, outputs\], it returned tuple"),
        ("return Detached(inputs, outputs)", "its outputs do not depend on its parameters"),
    ],
)
def test_what_is_no_module_for_the_task_is_told_before_anything_is_trained(tmp_path, body, told):
    detached = "class Detached(nn.Linear):\n    def forward(self, x): return super().forward(x).detach()\n"
    text = f"from torch import nn\n{detached}def build(*, inputs, outputs, width: int = 8):\n    {body}\n"
    with pytest.raises(InputError, match=f"model: .*{told}"):
        request(tmp_path, "[{dataset: sklearn:digits}]", text=text).plan({})


def test_a_plan_knows_parameters_operations_and_memory(tmp_path):
    grids = "[{dataset: sklearn:digits, width: [4, 400], batch_size: [32, 512]}]"
    needs = [bundle.needs for bundle in request(tmp_path, grids).plan({}).bundles]
    assert {each.probe.num_free_parameters for each in needs} == {65 * 4 + 5 * 10, 65 * 400 + 401 * 10}
    largest = max(needs, key=lambda each: each.run_bytes)
    smallest = min(needs, key=lambda each: each.run_bytes)
    assert (largest.setting.axes["width"], largest.experiment.batch_size) == (400, 512)
    assert (smallest.setting.axes["width"], smallest.experiment.batch_size) == (4, 32)
    assert largest.work(10).flops == 10 * largest.work(1).flops
    assert 6 * 400 * 74 * 1437 < largest.work(1).flops < 8 * 400 * 74 * 1797
    assert largest.details == {"num_free_parameters": 65 * 400 + 401 * 10}


def test_a_plan_tells_which_runs_can_be_trained_as_one(tmp_path):
    text = (
        "from torch import nn\n\nclass Half(nn.Linear):\n    def forward(self, x):\n"
        "        return super().forward(x if x.sum() > 0 else -x)\n\n"
        "def build(*, inputs, outputs, branches: bool):\n"
        "    return (Half if branches else nn.Linear)(inputs, outputs)\n"
    )
    found = request(tmp_path, "[{dataset: sklearn:iris, branches: [false, true]}]", text=text)
    found.plan({})
    told = list(found.data.lines({}))
    assert told == [
        "net.build(inputs=4, outputs=3, branches=False): its repetitions can be trained as one",
        "net.build(inputs=4, outputs=3, branches=True): its repetitions are trained one by one: its control flow "
        "depends on the data",
    ]


def test_a_plan_counts_calls_of_each_run_where_their_passes_cannot_be_one(tmp_path):
    text = (
        "from torch import nn\n\ndef build(*, inputs, outputs, alone: bool):\n"
        "    norm = nn.utils.spectral_norm if alone else nn.Identity()\n"
        "    return nn.Sequential(norm(nn.Linear(inputs, 4)), nn.Dropout(0.1), nn.Linear(4, outputs))\n"
    )
    plan = request(tmp_path, "[{dataset: sklearn:iris, alone: [false, true]}]", text=text).plan({})
    for needs in (bundle.needs for bundle in plan.bundles):
        times = 5 if needs.setting.axes["alone"] else 1
        assert needs.work(5).calls == pytest.approx(times * needs.work(1).calls)


def test_a_pilot_measures_a_part(tmp_path):
    needs = request(tmp_path, "[{dataset: sklearn:digits, width: 4}]").plan({}).bundles[0].needs
    sample = needs.sample(3, device="cpu", seconds=0.01, packed=1)
    assert sample.epoch_s > 0
    assert sample.work.rows < needs.work(3).rows


def test_a_trial_trains_from_the_source_alone(tmp_path):
    """Without the files, as on another machine; and with the columns that a row has of it."""
    found = request(tmp_path, GRID)
    plan = found.plan({})
    data = found.load_data(plan)
    (tmp_path / "net.py").unlink()
    bundle = plan.bundles[0]
    training = found.workload.training(bundle.experiment, bundle.needs.details, data, torch.device("cpu"))
    trainer = training.make_trainer(seeds=[1, 2])
    trainer.start_epoch()
    assert trainer.end_epoch().shape == (20, 2)
    assert training.columns["fused"].startswith(("yes", "no: "))
    assert training.columns["num_free_parameters"] == bundle.needs.probe.num_free_parameters
    assert training.columns["source_digest"] == data[SOURCE].digest
    assert found.workload.data_digest(bundle.experiment, data).endswith(data[SOURCE].digest)


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path):
    found = []
    for width in (3, 5):
        folder = tmp_path / str(width)
        folder.mkdir()
        (folder / "helper.py").write_text(f"WIDTH = {width}")
        (folder / "net.py").write_text(
            "from torch import nn\nimport helper\n\ndef build(*, inputs, outputs):\n    import helper as late\n"
            "    return nn.Sequential(nn.Linear(inputs, late.WIDTH), nn.Linear(helper.WIDTH, outputs))"
        )
        found.append(builder_of(source_of("net.py:build", folder)))
    widths = [builder.build(Setting({}, 2, 1))[0].out_features for builder in found]
    assert widths == [3, 5]


def test_python_gives_the_function_itself(tmp_path):
    from torch import nn

    def build(*, inputs, outputs, width: int = 3):
        return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))

    found = survey.SearchSpace(name="mine", model=build, grids=[{"dataset": "sklearn:digits", "width": [2, 3]}])
    assert [each.width for each in found.experiments()] == [2, 3]
    module = builder_of(found.SOURCE).build(Setting({"width": 2}, 4, 1))
    assert module(torch.zeros(1, 4)).shape == (1, 1)
    with pytest.raises(SearchSpaceError, match="unknown key 'wdith'"):
        survey.SearchSpace(name="mine", model=build, grids=[{"dataset": "sklearn:digits", "wdith": 2}])


def test_images_come_as_they_are_and_networks_get_them_flat(tmp_path):
    images = np.arange(40 * 4 * 5, dtype=float).reshape(40, 4, 5)
    np.savez(tmp_path / "images.npz", X=images, target=np.arange(40) % 2)
    text = (
        "from torch import nn\n\ndef build(*, inputs, outputs):\n    assert inputs == (4, 5)\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(20, outputs))\n"
    )
    tasks = "{mine: {path: images.npz, target: target, kind: classification}}"
    found = request(tmp_path, "[{dataset: mine}]", text=text, tasks=tasks)
    bundle = found.plan({}).bundles[0]
    task = found.load_data(found.plan({}))["mine"]
    assert (task.inputs.shape, task.num_inputs, task.inputs.min(), task.inputs.max()) == ((40, 4, 5), 20, 0, 1)
    assert bundle.needs.setting.inputs == (4, 5)
    network = survey.SearchSpace(
        name="flat",
        tasks={"mine": (images, np.arange(40) % 2)},
        grids=[{"dataset": "mine", "shape": "rectangle", "size": 64, "depth": 2, "epochs": 1}],
    )
    data = network.workload.data([network])
    (experiment,) = network.experiments(data.contents)
    needs = data.needs(experiment)
    assert needs is not None
    tasks_of_network = data.load([experiment], tmp_path)
    training = network.workload.training(experiment, needs.details, tasks_of_network, torch.device("cpu"))
    trainer = training.make_trainer(seeds=[1])
    trainer.start_epoch()
    assert trainer.end_epoch().shape == (20, 1)
    assert np.array_equal(tasks_of_network["mine"].inputs, task.inputs)


def test_the_source_counts_for_what_is_gone_on_with_and_is_told(tmp_path):
    found = space(tmp_path, GRID)
    changed = space(tmp_path, GRID, text=f"# a remark\n{NET}")
    workload = changed.workload.joined(found.workload)
    assert any("has changed" in line for line in workload.data([changed]).lines({}))
    other = space(tmp_path, GRID, text=NET.replace("width: int = 8", "width: int = 9"))
    with pytest.raises(InputError, match="the default of 'width' was 8 and is 9 now"):
        other.workload.joined(found.workload)


def test_a_module_has_no_axes_of_networks(tmp_path):
    write_space(tmp_path, GRID)
    with pytest.raises(InputError, match="unknown key 'shape'"):
        space(tmp_path, "[{dataset: sklearn:digits, shape: rectangle}]")
