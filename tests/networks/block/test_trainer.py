"""The block core against the core in PyTorch, and against itself: its kernel, emulated on a CPU."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.networks import cores
from survey.networks.block.cuda import FOLDERS
from survey.networks.block.trainer import BlockTrainer
from survey.networks.metrics import HISTORY_COLUMNS, METRICS
from survey.networks.search_space import ACTIVATIONS
from survey.networks.training.trained_by import TrainedBy
from tests.support import emulated_gpu
from tests.support.emulated_gpu import EmulatedKernel
from tests.support.paths import ROOT
from tests.support.training_cases import CASES, make_task, make_trainer, setting, widths_of

pytestmark = pytest.mark.skipif(not emulated_gpu.COMPILER, reason="no g++ to emulate a GPU with")


def layouts_of(experiment, inputs, targets):
    return list(cores.block_layouts(experiment, inputs.shape[1], widths_of(experiment, inputs, targets)))


KNOWN = [case for case in CASES if layouts_of(case[2], *make_task(*case[:2]))]


def block(experiment, inputs, targets, kind, seeds, layout=None, **options):
    return BlockTrainer(
        experiment,
        inputs=inputs,
        targets=targets,
        task_kind=kind,
        widths=widths_of(experiment, inputs, targets),
        seeds=seeds,
        layout=layout or layouts_of(experiment, inputs, targets)[0],
        device="cpu",
        **{"compile_kernel": EmulatedKernel, **options},
    )


def assert_close(found, expected):
    """To 1e-5, as two cores in float32 are that train the same; a row whose two best classes are equal may differ."""
    accuracies = [k for k, name in enumerate(METRICS.names[: len(found)]) if name.endswith("accuracy")]
    others = [k for k in range(len(found)) if k not in accuracies]
    torch.testing.assert_close(found[others].double(), expected[others].double(), rtol=1e-5, atol=1e-6)
    assert (found[accuracies] - expected[accuracies]).abs().max() <= 1 / 20


@pytest.mark.parametrize(("kind", "outputs", "experiment"), KNOWN)
def test_every_statistic_of_five_epochs_is_that_of_the_core_in_pytorch(kind, outputs, experiment):
    inputs, targets = make_task(kind, outputs)
    ours = block(experiment, inputs, targets, kind, [11, 12])
    theirs = make_trainer(experiment, inputs, targets, kind, [11, 12], dtype=torch.float64)
    assert_close(ours.evaluate(), theirs.evaluate())
    for _ in range(5):
        assert_close(ours.train_epoch(), theirs.train_epoch())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_agrees(activation):
    experiment = setting(activation=activation, depth=4)
    inputs, targets = make_task("classification", 3)
    ours = block(experiment, inputs, targets, "classification", [1])
    theirs = make_trainer(experiment, inputs, targets, "classification", [1], dtype=torch.float64)
    for _ in range(5):
        assert_close(ours.train_epoch(), theirs.train_epoch())


def test_every_layout_agrees():
    """All numbers of rows at once, gradients in shared and in device memory, one slice of the rows and several."""
    experiment = setting(batch_size=150, depth=4)
    inputs, targets = make_task("classification", 11, rows=900, num_inputs=37)
    theirs = make_trainer(experiment, inputs, targets, "classification", [3], dtype=torch.float64)
    expected = [theirs.train_epoch() for _ in range(2)]
    found = layouts_of(experiment, inputs, targets)
    assert len(found) == 9
    for layout in found:
        ours = block(experiment, inputs, targets, "classification", [3], layout)
        for each in expected:
            assert_close(ours.train_epoch(), each)


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.integers(1, 40), max_size=5),
    num_inputs=st.integers(1, 40),
    outputs=st.integers(1, 12),
    rows=st.integers(5, 90),
    batch_size=st.integers(1, 70),
    kind=st.sampled_from(["classification", "regression"]),
)
def test_any_widths_rows_and_minibatches_agree(widths, num_inputs, outputs, rows, batch_size, kind):
    inputs, targets = make_task(kind, outputs if outputs != 2 else 1, rows=rows, num_inputs=num_inputs)
    experiment = setting(
        hidden_widths=tuple(widths), activation="tanh", batch_size=batch_size, learning_rate=1e-5, optimizer="SGD"
    )
    *_, few_rows = layouts_of(experiment, inputs, targets)  # so that minibatches have several parts
    ours = block(experiment, inputs, targets, kind, [1], few_rows)
    theirs = make_trainer(experiment, inputs, targets, kind, [1], dtype=torch.float64)
    found, expected = ours.train_epoch()[:, 0].double(), theirs.train_epoch()[:, 0]
    # Not accuracies: outputs that are equal, as of a dead unit, are told apart by rounding.
    kept = [k for k, name in enumerate(HISTORY_COLUMNS) if not name.endswith("accuracy")]
    torch.testing.assert_close(found[kept], expected[kept], rtol=1e-5, atol=1e-6)


BUNDLES = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 27, "activation": "gelu", "kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.01},
        {"optimizer": "RMSprop", "momentum": 0.9, "validation_split": 0.15, "train_fraction": 0.8},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warmup_epochs": 1},
        {"optimizer": "SGD", "momentum": 0.9, "hidden_widths": ()},
    ],
    ids=str,
)


@BUNDLES
@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("classification", 1), ("regression", 1)])
def test_a_bundle_gives_bit_for_bit_what_its_runs_give_alone(changes, kind, outputs):
    inputs, targets = make_task(kind, outputs)
    experiment, seeds = setting(label_noise=0.1, epochs=5, **changes), [5, 6, 7]
    together = block(experiment, inputs, targets, kind, seeds)
    alone = [block(experiment, inputs, targets, kind, [seed]) for seed in seeds]
    for _ in range(3):
        assert torch.equal(together.train_epoch(), torch.cat([each.train_epoch() for each in alone], dim=1))


@BUNDLES
def test_a_resumed_bundle_goes_on_bit_for_bit(changes):
    inputs, targets = make_task("classification", 3)
    experiment, seeds = setting(epochs=4, **changes), [1, 2, 3]
    straight, first, second = (block(experiment, inputs, targets, "classification", seeds) for _ in range(3))
    for trainer in (straight, first):
        trainer.train_epoch()
        trainer.train_epoch()
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        assert torch.equal(straight.train_epoch(), second.train_epoch())


@BUNDLES
@pytest.mark.parametrize("makes", [(block, make_trainer), (make_trainer, block)], ids=["to torch", "from torch"])
def test_another_core_goes_on_to_rounding_and_that_is_noted(changes, makes):
    inputs, targets = make_task("classification", 3)
    experiment, seeds = setting(epochs=4, **changes), [1, 2, 3]
    begins, ends = makes
    trained_by = TrainedBy()
    straight, first = (begins(experiment, inputs, targets, "classification", seeds) for _ in range(2))
    second = ends(experiment, inputs, targets, "classification", seeds, trained_by=trained_by)
    for trainer in (straight, first):
        trainer.train_epoch()
    second.load_state_dict(first.state_dict())
    assert_close(second.train_epoch(), straight.train_epoch())
    names = ["block", "torch"]
    assert trained_by.columns["core"] == ", ".join(names if begins is block else names[::-1])


def test_a_run_that_diverges_harms_no_other_and_says_what_it_does_in_pytorch():
    inputs, targets = make_task("classification", 3)
    seeds = [1, 2, 3]
    healthy, ill = (block(setting(), inputs, targets, "classification", seeds) for _ in range(2))
    theirs = make_trainer(setting(), inputs, targets, "classification", seeds)
    for trainer in (ill, theirs):
        state = trainer.state_dict()
        state["tensors"]["parameters"][0][1] = float("nan")
        trainer.load_state_dict(state)
    for _ in range(3):
        expected, found = healthy.train_epoch(), ill.train_epoch()
        assert torch.equal(found[:, [0, 2]], expected[:, [0, 2]])
        torch.testing.assert_close(found[:, 1], theirs.train_epoch()[:, 1], equal_nan=True)


@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("classification", 1), ("regression", 2)])
@pytest.mark.parametrize("weight", [0.0, 1e4, float("inf"), float("nan")])
def test_extreme_outputs_have_the_statistics_of_the_core_in_pytorch(kind, outputs, weight):
    """Equal scores, saturated ones, infinite ones, and none: accuracy, clipped logarithms and all."""
    inputs, targets = make_task(kind, outputs)
    experiment = setting(hidden_widths=())
    ours, theirs = (make(experiment, inputs, targets, kind, [3]) for make in (block, make_trainer))
    state = ours.state_dict()
    state["tensors"]["parameters"][0][:] = weight
    state["tensors"]["parameters"][0][:, 1:] *= -0.5
    for trainer in (ours, theirs):
        trainer.load_state_dict(state)
    torch.testing.assert_close(ours.evaluate(), theirs.evaluate(), rtol=1e-5, atol=1e-6, equal_nan=True)


def test_a_regression_of_zeros_and_ones_has_hinge_labels_by_minibatch():
    inputs, targets = make_task("regression", 1)
    targets = torch.where(torch.rand(targets.shape, generator=torch.Generator().manual_seed(0)) < 0.05, 0.4, 1.0)
    ours, theirs = (make(setting(), inputs, targets, "regression", [1, 2]) for make in (block, make_trainer))
    for _ in range(2):
        assert_close(ours.train_epoch(), theirs.train_epoch())


def test_a_given_split_is_that_of_every_run():
    inputs, targets = make_task("classification", 3)
    parts = torch.arange(len(inputs)) % 3
    ours, theirs = (
        make(setting(), inputs, targets, "classification", [7, 8], parts=parts) for make in (block, make_trainer)
    )
    for _ in range(2):
        assert_close(ours.train_epoch(), theirs.train_epoch())


def trained(kind, outputs, *, backwards):
    """Statistics of two epochs, whose threads run from the first to the last between barriers, or backwards."""
    inputs, targets = make_task(kind, outputs)
    experiment = setting(batch_size=48)
    compile_kernel = partial(EmulatedKernel, backwards=backwards)
    trainer = block(experiment, inputs, targets, kind, [1, 2], compile_kernel=compile_kernel)
    return torch.stack([trainer.train_epoch() for _ in range(2)])


@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("regression", 2)])
def test_the_order_in_which_threads_run_between_barriers_does_not_matter(kind, outputs):
    assert torch.equal(trained(kind, outputs, backwards=False), trained(kind, outputs, backwards=True))


BARRIER = "__syncthreads();"
NUM_BARRIERS = (FOLDERS[0] / "training.h").read_text().count(BARRIER)


@pytest.mark.scale
@pytest.mark.parametrize("number", range(NUM_BARRIERS))
def test_there_it_does_once_a_barrier_is_missing(number, tmp_path, monkeypatch):
    """So no barrier is there for nothing, and the test above would notice."""
    sources = tmp_path / "block"
    shutil.copytree(FOLDERS[0], sources)
    parts = (sources / "training.h").read_text().split(BARRIER)
    with_one_less = parts[number] + parts[number + 1]
    (sources / "training.h").write_text(BARRIER.join([*parts[:number], with_one_less, *parts[number + 2 :]]))
    emulated_gpu.build("relu", 2, tmp_path / "kernel.so", sources=sources)
    library = ctypes.CDLL(str(tmp_path / "kernel.so"))
    monkeypatch.setattr(emulated_gpu, "_library", lambda activation, rows_per_lane: library)
    found = [trained("classification", 3, backwards=backwards) for backwards in (False, True)]
    assert not torch.equal(*found)


RACE = """
import ctypes, sys
from tests.networks.block import test_trainer as tests
library = ctypes.CDLL(sys.argv[1])
tests.emulated_gpu._library = lambda activation, rows_per_lane: library
for kind, outputs in (("classification", 3), ("regression", 2)):
    tests.trained(kind, outputs, backwards=False)
"""


@pytest.mark.scale
def test_threads_of_the_system_find_no_race(tmp_path):
    """By ThreadSanitizer, which sees each access to memory that no barrier orders."""
    sanitizer = subprocess.run(
        [emulated_gpu.COMPILER, "-print-file-name=libtsan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not os.path.isabs(sanitizer):  # noqa: PTH117 (as g++ tells it)
        pytest.skip("no ThreadSanitizer beside g++")
    emulated_gpu.build("relu", 2, tmp_path / "kernel.so", "-DTHREADS", "-fsanitize=thread")
    environment = {**os.environ, "LD_PRELOAD": sanitizer, "PYTHONPATH": str(ROOT), "TSAN_OPTIONS": "exitcode=66"}
    done = subprocess.run(
        [sys.executable, "-c", RACE, str(tmp_path / "kernel.so")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[:3000]
    assert "ThreadSanitizer" not in done.stderr
