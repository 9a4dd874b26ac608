"""The compiled core against the core in PyTorch, and against itself, by each unit that this processor can execute."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.networks.compiled import library
from survey.networks.compiled.trainer import CompiledTrainer, _Orders
from survey.networks.metrics import HISTORY_COLUMNS, METRICS
from survey.networks.search_space import ACTIVATIONS
from survey.networks.training import streams
from survey.networks.training.trained_by import TrainedBy
from tests.support.training_cases import CASES, make_task, make_trainer, setting, widths_of

pytestmark = pytest.mark.skipif(not library.units(), reason="no compiled core was built, or not for this processor")

UNITS = pytest.mark.parametrize("unit", library.units(), ids=lambda unit: unit.name)
KNOWN = [case for case in CASES if case[2].normalization == "none"]


def compiled(experiment, inputs, targets, kind, seeds, unit=None, **options):
    return CompiledTrainer(
        experiment,
        inputs=inputs,
        targets=targets,
        task_kind=kind,
        widths=widths_of(experiment, inputs, targets),
        seeds=seeds,
        unit=unit or library.units()[0],
        **options,
    )


def assert_close(found, expected):
    """To 1e-5, as two cores in float32 are that train the same; a row whose two best classes are equal may differ."""
    accuracies = [k for k, name in enumerate(METRICS.names[: len(found)]) if name.endswith("accuracy")]
    others = [k for k in range(len(found)) if k not in accuracies]
    torch.testing.assert_close(found[others].double(), expected[others].double(), rtol=1e-5, atol=1e-6)
    assert (found[accuracies] - expected[accuracies]).abs().max() <= 1 / 20


@UNITS
@pytest.mark.parametrize(("kind", "outputs", "experiment"), KNOWN)
def test_every_statistic_of_five_epochs_is_that_of_the_core_in_pytorch(unit, kind, outputs, experiment):
    inputs, targets = make_task(kind, outputs)
    ours = compiled(experiment, inputs, targets, kind, [11, 12], unit)
    theirs = make_trainer(experiment, inputs, targets, kind, [11, 12], dtype=torch.float64)
    assert_close(ours.evaluate(), theirs.evaluate())
    for _ in range(5):
        assert_close(ours.train_epoch(), theirs.train_epoch())


@UNITS
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "elu", "swish"])  # relu has kinks, see definitions
@pytest.mark.parametrize(("size", "depth", "batch_size"), [(2**14, 4, 256), (2**16, 3, 32), (2**17, 3, 1024)])
def test_larger_networks_agree_too(unit, activation, size, depth, batch_size):
    """Their products take more than one block of the caches, and their minibatches more than one strip."""
    experiment = setting(activation=activation, size=size, depth=depth, batch_size=batch_size, learning_rate=1e-4)
    inputs, targets = make_task("classification", 11, rows=900, num_inputs=37)
    trainers = (make(experiment, inputs, targets, "classification", [3]) for make in (compiled, make_trainer))
    ours, theirs = trainers
    for _ in range(2):
        assert_close(ours.train_epoch(), theirs.train_epoch())


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 40), max_size=5),
    num_inputs=st.integers(1, 20),
    outputs=st.integers(1, 12),
    rows=st.integers(5, 90),
    batch_size=st.integers(1, 70),
    activation=st.sampled_from(ACTIVATIONS),
    kind=st.sampled_from(["classification", "regression"]),
)
def test_any_widths_rows_and_minibatches_agree(widths, num_inputs, outputs, rows, batch_size, activation, kind):
    inputs, targets = make_task(kind, outputs if outputs != 2 else 1, rows=rows, num_inputs=num_inputs)
    experiment = setting(
        hidden_widths=tuple(widths), activation=activation, batch_size=batch_size, learning_rate=1e-5, optimizer="SGD"
    )
    ours = compiled(experiment, inputs, targets, kind, [1])
    theirs = make_trainer(experiment, inputs, targets, kind, [1], dtype=torch.float64)
    found, expected = ours.train_epoch()[:, 0].double(), theirs.train_epoch()[:, 0]
    # Not accuracies: outputs that are equal, as of a dead unit, are told apart by rounding.
    kept = [k for k, name in enumerate(HISTORY_COLUMNS) if not name.endswith("accuracy")]
    torch.testing.assert_close(found[kept], expected[kept], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 63, 64, 65, 1000, 4097])
def test_the_orders_of_rows_are_those_that_are_defined(rows):
    found = _Orders(library.units()[0], 7, rows).draw(streams.order_keys(range(7), 3))
    assert torch.equal(found, streams.epoch_orders(rows, seeds=range(7), epoch=3))


BUNDLES = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 27, "activation": "gelu", "shape": "rectangle_residual"},
        {"optimizer": "RMSprop", "momentum": 0.9, "validation_split": 0.15, "train_fraction": 0.8},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warmup_epochs": 1, "gradient_clip": 0.1},
        {"dropout": 0.3, "activation": "tanh", "kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.01},
        {"optimizer": "SGD", "momentum": 0.9, "hidden_widths": ()},
    ],
    ids=str,
)


@UNITS
@BUNDLES
@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("classification", 1), ("regression", 1)])
def test_a_bundle_gives_bit_for_bit_what_its_runs_give_alone(unit, changes, kind, outputs):
    inputs, targets = make_task(kind, outputs)
    experiment, seeds = setting(label_noise=0.1, epochs=5, **changes), [5, 6, 7]
    together = compiled(experiment, inputs, targets, kind, seeds, unit)
    alone = [compiled(experiment, inputs, targets, kind, [seed], unit) for seed in seeds]
    for _ in range(4):
        assert torch.equal(together.train_epoch(), torch.cat([each.train_epoch() for each in alone], dim=1))


@UNITS
@BUNDLES
def test_a_resumed_bundle_goes_on_bit_for_bit(unit, changes):
    inputs, targets = make_task("classification", 3)
    experiment, seeds = setting(epochs=4, **changes), [1, 2, 3]
    straight, first, second = (compiled(experiment, inputs, targets, "classification", seeds, unit) for _ in range(3))
    for trainer in (straight, first):
        trainer.train_epoch()
        trainer.train_epoch()
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        assert torch.equal(straight.train_epoch(), second.train_epoch())


@BUNDLES
@pytest.mark.parametrize("makes", [(compiled, make_trainer), (make_trainer, compiled)], ids=["to torch", "from torch"])
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
    names = [library.units()[0].name, "torch"]
    assert trained_by.columns["core"] == ", ".join(names if begins is compiled else names[::-1])
    assert second.state_dict()["cores"] == trained_by.cores


def test_a_run_that_diverges_harms_no_other_and_says_what_it_does_in_pytorch():
    inputs, targets = make_task("classification", 3)
    seeds = [1, 2, 3]
    healthy, ill = (compiled(setting(), inputs, targets, "classification", seeds) for _ in range(2))
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
    ours, theirs = (make(experiment, inputs, targets, kind, [3]) for make in (compiled, make_trainer))
    state = ours.state_dict()
    state["tensors"]["parameters"][0][:] = weight
    state["tensors"]["parameters"][0][:, 1:] *= -0.5
    for trainer in (ours, theirs):
        trainer.load_state_dict(state)
    torch.testing.assert_close(ours.evaluate(), theirs.evaluate(), rtol=1e-5, atol=1e-6, equal_nan=True)


def test_moments_that_decay_into_denormal_numbers_leave_those_of_the_process_alone():
    torch.set_flush_denormal(False)
    try:
        inputs, targets = make_task("classification", 3)
        compiled(setting(), inputs, targets, "classification", [1]).train_epoch()
        assert torch.tensor(1e-40) * 1.0 != 0.0
    finally:
        torch.set_flush_denormal(True)


def test_a_given_split_is_that_of_every_run():
    inputs, targets = make_task("classification", 3)
    parts = torch.arange(len(inputs)) % 3
    ours, theirs = (
        make(setting(), inputs, targets, "classification", [7, 8], parts=parts) for make in (compiled, make_trainer)
    )
    for _ in range(2):
        assert_close(ours.train_epoch(), theirs.train_epoch())


def test_equal_scores_count_for_the_first_class():
    inputs, targets = make_task("classification", 3)
    trainer = compiled(setting(learning_rate=1e-30), inputs, targets, "classification", [3])
    state = trainer.state_dict()
    for layer in state["tensors"]["parameters"]:
        layer.zero_()
    trainer.load_state_dict(state)
    found = dict(zip(HISTORY_COLUMNS, trainer.train_epoch()[:, 0].tolist(), strict=True))
    _, test_rows = streams.split(len(inputs), seed=3)
    assert found["val_accuracy"] == pytest.approx(float(targets[test_rows, 0].mean()), abs=1e-6)
