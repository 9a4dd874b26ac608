"""The training core against an independent float64 implementation, against autograd, and against itself."""

from __future__ import annotations

import gc
import weakref
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.networks import experiment as named
from survey.networks import search_space
from survey.networks.metrics import HISTORY_COLUMNS, METRICS
from survey.networks.rows import count_rows
from survey.networks.topology import residual_layers
from survey.networks.training import streams
from survey.networks.training.dropout import Dropout
from survey.networks.training.initialization import INITIALIZATIONS
from survey.networks.training.memory import Memory
from survey.networks.training.network import ACTIVATIONS, Architecture, Network
from survey.networks.training.optimizers import OPTIMIZERS
from survey.tasks.parts import PARTS
from tests.support.reference import Reference
from tests.support.training_cases import CASES, make_task, make_trainer, setting, widths_of


@pytest.mark.parametrize(("kind", "outputs", "experiment"), CASES)
def test_every_statistic_of_five_epochs_equals_the_reference(kind, outputs, experiment):
    inputs, targets = make_task(kind, outputs)
    seeds = [11, 12]
    trainer = make_trainer(experiment, inputs, targets, kind, seeds, dtype=torch.float64)
    widths = widths_of(experiment, inputs, targets)
    references = [Reference(experiment, inputs, targets, kind, widths, seed) for seed in seeds]
    for _ in range(5):
        ours = trainer.train_epoch().numpy()
        for run, reference in enumerate(references):
            names = METRICS.curves if experiment.validation_split else HISTORY_COLUMNS
            expected = dict(zip(names, reference.train_epoch(), strict=True))
            found = dict(zip(names, ours[:, run], strict=True))
            assert found == pytest.approx(expected, rel=1e-8, abs=1e-15)


@pytest.mark.parametrize(
    ("kind", "outputs", "experiment"),
    [
        ("classification", 7, setting()),
        ("classification", 1, setting()),
        ("regression", 1, setting()),
        *(("classification", 3, setting(activation=name, shape="rectangle_residual")) for name in ACTIVATIONS),
    ],
)
def test_float32_stays_within_1e_5_of_float64(kind, outputs, experiment):
    inputs, targets = make_task(kind, outputs, rows=1000)
    single, double = (
        make_trainer(experiment, inputs, targets, kind, [1, 2, 3], dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for _ in range(5):
        found, expected = single.train_epoch().double(), double.train_epoch()
        accuracy = [HISTORY_COLUMNS.index("val_accuracy"), HISTORY_COLUMNS.index("accuracy")]
        assert (found[accuracy] - expected[accuracy]).abs().max() <= 2 / 200
        others = [k for k in range(20) if k not in accuracy]
        torch.testing.assert_close(found[others], expected[others], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("classification", 1), ("regression", 1)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 27, "activation": "gelu", "shape": "rectangle_residual"},
        {"optimizer": "RMSprop", "momentum": 0.9},
        {"kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.01},
        {"validation_split": 0.15, "train_fraction": 0.8},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warmup_epochs": 1, "gradient_clip": 0.1},
        {"normalization": "layer", "dropout": 0.3, "activation": "tanh", "gradient_clip": 0.1},
        {"normalization": "layer", "dropout": 0.1, "shape": "rectangle_residual", "batch_size": 27},
        {"hidden_widths": ()},
    ],
)
def test_a_bundle_gives_bit_for_bit_what_its_runs_give_alone(kind, outputs, changes):
    inputs, targets = make_task(kind, outputs)
    experiment = setting(label_noise=0.1, epochs=5, **changes)
    seeds = [5, 6, 7, 8, 9]
    bundles = [make_trainer(experiment, inputs, targets, kind, seeds, runs_per_chunk=most) for most in (1, 3, None)]
    alone = [make_trainer(experiment, inputs, targets, kind, [seed]) for seed in seeds]
    for _ in range(3):
        single = torch.cat([trainer.train_epoch() for trainer in alone], dim=1)
        for fused in bundles:
            assert torch.equal(fused.train_epoch(), single)


def test_a_trainer_is_gone_when_nobody_holds_it():
    """Its memory would else be held until the garbage collector comes: the next one may not find room."""
    gc.disable()
    try:
        trainer = make_trainer(setting(), *make_task("classification", 3), "classification", [1])
        trainer.train_epoch()
        network = weakref.ref(trainer._chunks[0].network)
        del trainer
        assert network() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("changes", [{}, {"gradient_clip": 0.1}])
def test_a_run_that_diverges_harms_no_other(changes):
    inputs, targets = make_task("classification", 3)
    seeds = [1, 2, 3]
    healthy, ill = (make_trainer(setting(**changes), inputs, targets, "classification", seeds) for _ in range(2))
    ill._chunks[0].network.weights[0][1] = float("nan")
    for _ in range(3):
        expected, found = healthy.train_epoch(), ill.train_epoch()
        assert torch.equal(found[:, [0, 2]], expected[:, [0, 2]])
        assert found[0, 1].isnan()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "RMSprop"},
        {"optimizer": "RMSprop", "momentum": 0.9, "schedule": "linear", "epochs": 4},
        {"optimizer": "SGD", "momentum": 0.9},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "epochs": 4, "gradient_clip": 0.1},
        {"schedule": "step", "step_epochs": 1, "step_factor": 0.5},
        {"normalization": "layer", "dropout": 0.3, "initialization": "he_normal"},
    ],
    ids=str,
)
@pytest.mark.parametrize("runs_per_chunk", [None, 2])
def test_a_resumed_bundle_goes_on_bit_for_bit(changes, runs_per_chunk):
    """Also where the bundle is split otherwise, as on another machine."""
    inputs, targets = make_task("classification", 3)
    experiment = setting(validation_split=0.2, train_fraction=0.6, **changes)
    seeds = [1, 2, 3, 4, 5]
    straight, first = (make_trainer(experiment, inputs, targets, "classification", seeds) for _ in range(2))
    second = make_trainer(experiment, inputs, targets, "classification", seeds, runs_per_chunk=runs_per_chunk)
    for _ in range(2):
        straight.train_epoch()
        first.train_epoch()
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        assert torch.equal(straight.train_epoch(), second.train_epoch())


@settings(max_examples=25)
@given(
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    num_inputs=st.integers(1, 5),
    rows=st.integers(1, 9),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    residual=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_hand_written_gradients_equal_autograd(widths, num_inputs, rows, activation, residual, seed):
    adds = residual_layers("rectangle_residual" if residual else "rectangle", widths)
    architecture = Architecture(num_inputs, tuple(widths), adds, activation)
    network = Network(architecture, 2, dtype=torch.float64, device="cpu")
    generator = torch.Generator().manual_seed(seed)
    network.parameters.copy_(torch.randn(network.parameters.shape, generator=generator, dtype=torch.float64))
    work = network.workspace(rows)
    work.inputs.zero_()
    work.inputs[:, :num_inputs] = torch.randn(len(work.inputs), num_inputs, generator=generator, dtype=torch.float64)
    work.inputs[:, num_inputs] = 1.0
    output_gradient = torch.randn(2, widths[-1], work.rows, generator=generator, dtype=torch.float64)
    output_gradient[:, :, rows:] = 0.0
    network.forward(work)
    work.logits_gradient.copy_(output_gradient / rows)
    network.backward(work)

    leaves = [weight.clone().requires_grad_() for weight in network.weights]
    h = work.inputs.view(2, work.rows, -1).transpose(1, 2)[:, :num_inputs]
    functions = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
    functions |= {name: getattr(torch.nn.functional, name) for name in ("gelu", "elu")}
    functions["swish"] = torch.nn.functional.silu
    for k, weight in enumerate(leaves):
        z = weight[:, :, :-1] @ h + weight[:, :, -1:]
        h = z if k == len(leaves) - 1 else functions[activation](z) + (h if adds[k] else 0)
    expected = torch.autograd.grad((h * output_gradient).sum() / rows, leaves)
    for found, wanted in zip(network.weight_gradients, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_what_is_validated_with_and_what_is_left_out_change_nothing():
    """Neither inputs nor targets of these rows have a part in training, nor in the evaluation of the test set."""
    experiment = setting(validation_split=0.2, train_fraction=0.5)
    inputs, targets = make_task("classification", 3)
    rows = streams.draw_rows(len(inputs), count_rows(len(inputs), 0.2, 0.5), seed=4)
    unused = torch.ones(len(inputs), dtype=torch.bool)
    unused[torch.cat([rows.train, rows.test])] = False
    changed = inputs.clone(), targets.clone()
    changed[0][unused], changed[1][unused] = 0.5, targets[unused].roll(1, 1)
    one, other = (make_trainer(experiment, *data, "classification", [4]) for data in ((inputs, targets), changed))
    for _ in range(3):
        found, expected = one.train_epoch(), other.train_epoch()
        assert torch.equal(found[:20], expected[:20])
        assert not torch.equal(found[20:], expected[20:])


def test_as_many_rows_train_alike_however_the_others_are_left_out():
    inputs, targets = make_task("classification", 3, rows=100)
    validated = make_trainer(setting(validation_split=0.5), inputs, targets, "classification", [1, 2])
    fewer = make_trainer(setting(train_fraction=0.5), inputs, targets, "classification", [1, 2])
    for _ in range(3):
        assert torch.equal(validated.train_epoch()[:20], fewer.train_epoch())


def test_a_given_split_is_that_of_every_run():
    inputs, targets = make_task("regression", 1, rows=50)
    parts = torch.tensor([0, 0, 1, 2, 2]).repeat(10)
    trainer = make_trainer(setting(learning_rate=1e-30), inputs, targets, "regression", [3, 4], parts=parts)
    trainer._chunks[0].network.parameters.zero_()
    for found in trainer.train_epoch().T:
        named = dict(zip(METRICS.names, found.tolist(), strict=True))
        for part, name in enumerate(PARTS):
            errors = 0.5 - targets[parts == part]  # of a network without weights
            found_error = named[f"{name}_mean_absolute_error"]
            assert found_error == pytest.approx(float(errors.abs().mean()), rel=1e-5)


def test_weights_and_orders_of_a_given_split_are_drawn():
    inputs, targets = make_task("classification", 3)
    parts = torch.arange(len(inputs)) % 3
    trainer = make_trainer(setting(), inputs, targets, "classification", [7, 8], parts=parts)
    one, other = trainer.train_epoch().T
    assert not torch.equal(one, other)


def test_equal_scores_count_for_the_first_class():
    """A network of dead units gives every class the same score: then class 0 is predicted."""
    inputs, targets = make_task("classification", 3)
    trainer = make_trainer(setting(learning_rate=1e-30), inputs, targets, "classification", [3])
    trainer._chunks[0].network.parameters.zero_()
    found = dict(zip(HISTORY_COLUMNS, trainer.train_epoch()[:, 0].tolist(), strict=True))
    train_rows, test_rows = streams.split(len(inputs), seed=3)
    assert found["val_accuracy"] == pytest.approx(float(targets[test_rows, 0].mean()), abs=1e-6)
    assert found["accuracy"] == pytest.approx(float(targets[train_rows, 0].mean()), abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "batch_size"), [(5, 256), (6, 1), (10, 7), (11, 4)], ids=["tiny", "single", "rest", "one"]
)
def test_odd_row_counts_train(rows, batch_size):
    for kind, outputs in (("classification", 3), ("classification", 1), ("regression", 1)):
        inputs, targets = make_task(kind, outputs, rows=rows)
        inputs[:, 0] = 0.5  # a constant column
        trainer = make_trainer(setting(batch_size=batch_size), inputs, targets, kind, [1, 2])
        assert np.isfinite(trainer.train_epoch().numpy()).all()


def test_what_a_grid_can_name_can_be_trained():
    assert set(named.OPTIMIZERS) == set(OPTIMIZERS)
    assert set(named.INITIALIZATIONS) == set(INITIALIZATIONS)
    assert set(search_space.ACTIVATIONS) == set(ACTIVATIONS)


def test_units_are_dropped_by_seed_epoch_and_step_alone():
    """Each unit in its share of the rows, and kept ones are scaled by its inverse."""
    memory = Memory(torch.zeros(0))
    drawn = []
    for seeds in ([5, 6], [6]):
        dropout = Dropout(0.25, [40, 30], len(seeds), 256, memory)
        for epoch, step in ((1, 0), (1, 1), (2, 0)):
            dropout.draw(streams.dropout_keys(seeds, epoch), step)
            drawn.append([mask[-1].clone() for mask in dropout.masks])
    for together, alone in zip(drawn[:3], drawn[3:], strict=True):
        assert all(map(torch.equal, together, alone))
    assert not any(torch.equal(one[0], other[0]) for one, other in combinations(drawn[:3], 2))
    for mask in drawn[0]:
        assert mask.unique().tolist() == pytest.approx([0.0, 4 / 3])
        assert ((mask == 0).float().mean(1) - 0.25).abs().max() < 5 * (0.25 * 0.75 / 256) ** 0.5


def test_evaluation_drops_nothing():
    inputs, targets = make_task("classification", 3)
    plain, dropped = (
        make_trainer(setting(dropout=rate, learning_rate=1e-30), inputs, targets, "classification", [1])
        for rate in (0.0, 0.5)
    )
    one, other = plain.train_epoch(), dropped.train_epoch()
    assert torch.equal(one[:10], other[:10])
    assert not torch.equal(one[10:], other[10:])
