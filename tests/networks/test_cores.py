"""Which core trains a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from survey.networks import cores
from survey.networks.block.layout import MOST_LAYERS
from survey.networks.compiled import library
from survey.networks.compiled.trainer import CompiledTrainer
from survey.networks.cores import MOST_WEIGHTS, make_trainer, unit_for
from survey.networks.training.loop import Trainer
from tests.support.training_cases import make_task, setting

BUILT = pytest.mark.skipif(not library.units(), reason="no compiled core was built, or not for this processor")


@BUILT
def test_small_networks_on_a_cpu_are_trained_by_the_best_unit():
    best = library.units()[0]
    assert unit_for(setting(), 6, (20, 3), on_gpu=False) is best
    most = MOST_WEIGHTS[best.name]
    assert unit_for(setting(), 512, (most // 512, 3), on_gpu=False) is best
    assert unit_for(setting(), 512, (most // 512 + 1, 3), on_gpu=False) is None


@pytest.mark.parametrize(
    ("changes", "widths", "on_gpu"),
    [
        ({}, (20, 3), True),
        ({"normalization": "layer"}, (20, 3), False),
        ({"precision": "tf32"}, (20, 3), False),
        ({}, (1025, 1025, 3), False),
        ({}, (4,) * library.MOST_LAYERS + (3,), False),
    ],
    ids=["on a GPU", "normalized", "in TF32", "large", "deep"],
)
def test_pytorch_trains_the_others(changes, widths, on_gpu):
    assert unit_for(setting(**changes), 6, widths, on_gpu=on_gpu) is None


def layouts_of(experiment, widths=(20, 3)):
    return list(cores.block_layouts(experiment, 6, widths))


def test_the_block_core_knows_small_networks_but_is_not_chosen_before_it_has_been_measured_on_a_gpu():
    assert layouts_of(setting())
    assert not cores.BLOCK_TRAINS


@pytest.mark.parametrize(
    ("changes", "widths"),
    [
        ({"normalization": "layer"}, (20, 3)),
        ({"precision": "tf32"}, (20, 3)),
        ({"dropout": 0.1}, (20, 3)),
        ({"gradient_clip": 0.1}, (20, 3)),
        ({"shape": "rectangle_residual"}, (20, 20, 3)),
        ({}, (300, 300, 3)),
        ({}, (4,) * MOST_LAYERS + (3,)),
    ],
    ids=["normalized", "in TF32", "with dropout", "clipped", "residual", "large", "deep"],
)
def test_it_leaves_the_others_to_pytorch(changes, widths):
    assert not layouts_of(setting(**changes), widths)


def test_a_network_that_fits_one_gpu_may_not_fit_another():
    assert list(cores.block_layouts(setting(), 6, (90, 90, 3), 99 * 1024)) != layouts_of(setting(), (90, 90, 3)) != []


@BUILT
def test_how_many_runs_and_epochs_there_are_does_not_matter():
    inputs, targets = make_task("classification", 3)
    for seeds, epochs in ((range(1), 1), (range(40), 5000)):
        made = make_trainer(
            replace(setting(), epochs=epochs),
            inputs=inputs,
            targets=targets,
            task_kind="classification",
            widths=(20, 3),
            seeds=seeds,
        )
        assert isinstance(made, CompiledTrainer)


def test_without_a_compiled_core_pytorch_trains_all_and_says_so(monkeypatch):
    monkeypatch.setattr(library, "units", lambda: ())
    inputs, targets = make_task("classification", 3)
    made = make_trainer(
        setting(), inputs=inputs, targets=targets, task_kind="classification", widths=(20, 3), seeds=[1]
    )
    assert isinstance(made, Trainer)
    assert torch.isfinite(made.train_epoch()).all()
    assert cores.told().startswith("PyTorch trains all networks")


@BUILT
def test_a_launch_says_which_core_trains():
    assert (
        cores.told()
        == f"on a CPU, the compiled core ({library.units()[0].name}) trains small networks, and PyTorch the others"
    )
