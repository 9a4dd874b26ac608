"""Functions that ask for `data`: the rows of a run are those of a network, and what they are is part of the survey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import analysis
import survey
from survey.errors import InputError, OutputError, SearchSpaceError
from survey.functions.experiment import FunctionExperiment
from survey.functions.run_data import run_data
from survey.functions.server import FunctionServer
from survey.networks.experiment import NetworkExperiment
from survey.networks.training.loop import Trainer
from survey.spaces.yaml_file import dump_space, load_space
from survey.tasks.loading import load
from survey.tasks.own import UserTask
from survey.workloads.experiment import Run
from survey.workloads.registry import experiment_of
from tests.support.function_trials import surveying
from tests.support.functions import request, space, write

SAVES = """
import numpy as np
def train(*, seed, data, where: str = "", epochs: int = 1):
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    arrays = {f"{name}_{what}": getattr(rows, what) for name, rows in parts.items() if rows for what in rows._fields}
    np.savez(where, **arrays)
    data.train.inputs[:] = 0  # its own: nobody else sees it
    yield {"test_loss": data.num_outputs, "kind": data.kind == "classification", "inputs": data.num_inputs}
"""

MEANS = """
def train(*, seed, data, power: int = 1, epochs: int = 3, state=None):
    for epoch in range(state["epoch"] if state else 0, epochs):
        guess = (data.train.targets**power).mean(0)
        metrics = {"test_loss": ((data.test.targets - guess) ** 2).mean(), "rows": len(data.train.inputs)}
        yield metrics, {"epoch": epoch + 1}
"""

OWN = "a,b,y\n" + "\n".join(f"{row * 0.37 % 1:.3f},{row * 0.71 % 1:.3f},{row % 3}" for row in range(40)) + "\n"


def given(task, experiment: FunctionExperiment, folder: Path, *, seed: int) -> dict[str, np.ndarray]:
    """The arrays that a function gets."""
    axes = {"where": str(folder / "arrays.npz"), "epochs": 1}
    with FunctionServer(load_space(folder / "lines.yaml").SOURCE) as server:
        with run_data(task, experiment, seed=seed) as data:
            asked = {"axes": axes, "seed": seed, "device": "cpu", "cwd": str(folder)}
            call = server.call(asked, data=data)
        answer, _ = call.ask({"next": True})
        assert answer["metrics"] == {"test_loss": 3.0, "kind": 1.0, "inputs": task.num_inputs}
    return dict(np.load(folder / "arrays.npz"))


def marked(text: str) -> str:
    """A table with a column that says for which part each row is."""
    head, *rows = text.splitlines()
    parts = ("test" if row % 5 == 0 else "validation" if row % 7 == 0 else "train" for row in range(len(rows)))
    return "\n".join([f"{head},part", *(f"{row},{part}" for row, part in zip(rows, parts, strict=True))])


@pytest.mark.parametrize(
    ("name", "split"),
    [("sklearn:iris", {"validation_split": 0.13, "train_fraction": 0.6}), ("mine", {})],
    ids=["drawn", "of its own"],
)
def test_a_run_has_the_rows_that_a_network_of_the_same_task_and_repetition_is_trained_on(tmp_path, name, split):
    write(tmp_path, SAVES)
    (tmp_path / "own.csv").write_text(marked(OWN))
    tasks = {"mine": {"path": "own.csv", "target": "y", "kind": "classification", "split": "part"}}
    found = space(tmp_path, str([{"dataset": name, **split}]), tasks=tasks)
    task = load(name, found.tasks)
    content = {"mine": task.digest} if name == "mine" else {}
    (experiment,) = found.experiments(content)
    network = NetworkExperiment(
        dataset=name, shape="rectangle", size=64, depth=2, task_content=content.get(name, ""), **split
    )
    seed = Run(network, 3).seed
    assert Run(experiment, 3).seed == seed, "draws are paired with those of networks"

    trainer = Trainer(
        network,
        inputs=torch.tensor(task.inputs),
        targets=torch.tensor(task.targets),
        task_kind=task.kind,
        widths=(4, task.num_outputs),
        seeds=[seed],
        parts=None if task.parts is None else torch.tensor(task.parts),
    )
    (chunk,) = trainer._chunks
    arrays = given(task, experiment, tmp_path, seed=seed)
    evaluated = [part.row_numbers[0, 0, : part.num_valid] for (part,) in chunk._evaluated]
    for name, rows in zip(("train", "test", "validation"), [chunk._train_rows[0], *evaluated], strict=True):
        np.testing.assert_array_equal(arrays[f"{name}_inputs"], task.inputs[rows.numpy()])
        np.testing.assert_array_equal(arrays[f"{name}_targets"], task.targets[rows.numpy()])


def test_task_and_split_are_axes_of_the_survey(tmp_path):
    write(tmp_path, MEANS)
    (tmp_path / "own.csv").write_text(OWN)
    tasks = {"mine": {"path": "own.csv", "target": "y", "kind": "classification"}}
    grids = "[{dataset: [mine, sklearn:iris], validation_split: [0, 0.2], train_fraction: [0.5, 1], power: [1, 2]}]"
    with surveying(request(tmp_path, grids, tasks=tasks)) as held:
        held.train()
    frame = analysis.read(held.request.output.dataset, table="all_repetitions")
    assert len(frame) == 2 * 2 * 2 * 2 * 2
    for (name, held_out, fraction), rows in frame.groupby(["dataset", "validation_split", "train_fraction"]):
        left = {"mine": 32, "sklearn:iris": 120}[name]
        left -= int(np.ceil(held_out * left))
        assert {curve[-1] for curve in rows["rows"]} == {np.ceil(fraction * left)}
        assert rows["task_digest"].unique().tolist() == [load(name, held.request.spaces[0].tasks).digest]
    assert frame.groupby(["dataset", "repetition"])["seed"].nunique().eq(1).all()
    assert sorted(each.name for each in (held.request.output.dataset / "all_repetitions").iterdir()) == [
        "_common_metadata",
        "dataset=mine",
        "dataset=sklearn%3Airis",
    ]
    assert held.request.workload.columns.task_column == "dataset"


def test_content_of_a_task_of_ones_own_is_part_of_the_identity_and_cannot_change(tmp_path):
    write(tmp_path, MEANS)
    (tmp_path / "own.csv").write_text(OWN)
    tasks = {"mine": {"path": "own.csv", "target": "y", "kind": "classification"}}
    with surveying(request(tmp_path, "[{dataset: mine}]", tasks=tasks)) as held:
        held.train()
        (experiment,) = held.request.spaces[0].experiments(held.request.contents)
    assert experiment_of(experiment.to_dict()) == experiment
    (tmp_path / "own.csv").write_text(OWN.replace("0.000,0.000,0", "0.000,0.500,0"))
    changed = request(tmp_path, "[{dataset: mine}]", tasks=tasks)
    (other,) = changed.spaces[0].experiments(changed.contents)
    assert other.experiment_id != experiment.experiment_id
    with pytest.raises(OutputError, match="has runs of the task 'mine' on other data"):
        changed.data.check_dataset(changed.output.dataset)


@pytest.mark.parametrize(
    ("grids", "told"),
    [
        ("[{power: 1}]", r"grids\[0\]: the key 'dataset' is missing"),
        ("[{dataset: sklearn:irs}]", r"line 5: grids\[0\].dataset\[0\]: unknown task 'sklearn:irs' \(did you mean"),
        ("[{dataset: sklearn:iris, validation_split: 1}]", r"validation_split\[0\]: input should be less than 1"),
        ("[{dataset: sklearn:iris, train_fraction: 0}]", r"train_fraction\[0\]: input should be greater than 0"),
        ("[{dataset: sklearn:iris, tasks: 0}]", r"grids\[0\]: unknown key 'tasks'"),
    ],
)
def test_mistakes_in_the_axes_of_tasks_are_told(tmp_path, grids, told):
    write(tmp_path, MEANS)
    with pytest.raises(SearchSpaceError, match=told):
        space(tmp_path, grids)


def test_a_validation_set_that_leaves_no_rows_is_refused(tmp_path):
    write(tmp_path, MEANS)
    with pytest.raises(SearchSpaceError, match=r"validation_split 0.999 of 'sklearn:iris': .* none is left to train"):
        request(tmp_path, "[{dataset: sklearn:iris, validation_split: 0.999}]").data.check()


def test_a_parameter_of_the_name_of_an_axis_of_tasks_is_refused(tmp_path):
    write(tmp_path, MEANS.replace("power: int", "train_fraction: float"))
    with pytest.raises(InputError, match="it asks for `data`, so that 'train_fraction' is an axis of the survey"):
        space(tmp_path, "[{dataset: sklearn:iris}]")


def test_an_output_does_not_mix_functions_with_and_without_data(tmp_path):
    write(tmp_path, MEANS)
    with surveying(request(tmp_path, "[{dataset: sklearn:iris}]")):
        pass
    write(tmp_path, "def train(*, seed, dataset: str, power: int = 1, epochs: int = 3): yield {'test_loss': 1}")
    with pytest.raises(InputError, match="whether it asks for `data` is False here and True in this output"):
        request(tmp_path, "[{dataset: sklearn:iris}]", version=2)


def test_a_function_with_data_is_surveyed_from_python_and_kept(tmp_path):
    def train(*, seed, data, power: int = 1, epochs: int = 1):
        yield {"test_loss": 1.0}

    inputs = np.random.default_rng(0).random((30, 2))
    found = survey.SearchSpace(
        name="mine",
        train=train,
        objective="test_loss",
        tasks={"own": (inputs, inputs[:, 0] > 0.5)},
        grids=[{"dataset": ["own", "pmlb:banana"]}],
    )
    assert isinstance(found.tasks["own"], UserTask)
    assert [each.dataset for each in found.experiments()] == ["own", "banana"]
    assert "validation_split" not in dump_space(found)
