"""The training cores against Keras 3 on TensorFlow; its numbers lie in a file, see `benchmarks/keras_reference.py`."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch

from survey.networks.compiled.library import Unit, units
from survey.networks.compiled.trainer import CompiledTrainer
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import HISTORY_COLUMNS
from survey.networks.topology import SHAPES, layer_widths
from survey.networks.training.loop import Trainer
from survey.networks.training.network import ACTIVATIONS
from survey.networks.training.optimizers import OPTIMIZERS, Updates
from tests.support.paths import ROOT

REFERENCE = json.loads((ROOT / "tests" / "data" / "keras_reference.json").read_text())
CASES = {case["name"]: case for case in REFERENCE["cases"]}
# Rounding in float32 grows too fast at higher learning rates for two programs to agree.
PRECISIONS = [(name, dtype) for name, case in CASES.items() for dtype in ("float64", "float32") if dtype in case]
RELATIVE_TOLERANCE = {"float64": 1e-8, "float32": 1e-5}


def arrays(task: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [rows, features] and targets [rows, outputs], float64."""
    targets = torch.tensor(task["targets"], dtype=torch.float64) / task["target_denominator"]
    inputs = torch.tensor(REFERENCE["inputs"][: len(targets)], dtype=torch.float64) / task["input_denominator"]
    return inputs, targets


def train(case: dict, dtype: torch.dtype, unit: Unit | None) -> np.ndarray:
    """Train a case by the core in PyTorch, or by a unit of the compiled one; float64 [epochs, 20]."""
    experiment, task = NetworkExperiment(**case["experiment"]), REFERENCE["tasks"][case["experiment"]["dataset"]]
    inputs, targets = arrays(task)
    widths, _ = layer_widths(experiment.shape, experiment.size, experiment.depth, inputs.shape[1], targets.shape[1])
    make = partial(CompiledTrainer, unit=unit) if unit else partial(Trainer, dtype=dtype)
    trainer = make(
        experiment,
        inputs=inputs.to(dtype),
        targets=targets.to(dtype),
        task_kind=task["kind"],
        widths=widths,
        seeds=[case["seed"]],
    )
    return np.stack([trainer.train_epoch()[:, 0].double().numpy() for _ in case["float64"]])


def absolute_tolerance(column: str, precision: str, task: dict) -> float:
    """What is allowed beside the relative tolerance: nothing in float64."""
    if precision == "float64":
        return 0.0
    if column.endswith("accuracy"):
        num_test = -(-len(task["targets"]) // 5)
        return 2 / (num_test if column.startswith("val_") else len(task["targets"]) - num_test) + 1e-6
    if column.endswith("kullback_leibler_divergence") and task["kind"] == "regression":
        # A mean of terms of both signs, some tenths in size: where it crosses zero nothing is left to be relative to.
        return 0.2 * RELATIVE_TOLERANCE[precision]
    return 0.0


@pytest.mark.parametrize(
    ("name", "precision", "unit"),
    [
        *((name, precision, None) for name, precision in PRECISIONS),
        *((name, "float32", unit) for name, precision in PRECISIONS if precision == "float32" for unit in units()),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_statistic_of_five_epochs_equals_that_of_keras(name, precision, unit):
    case = CASES[name]
    task = REFERENCE["tasks"][case["experiment"]["dataset"]]
    found, expected = train(case, getattr(torch, precision), unit), np.array(case[precision])
    assert found.shape == expected.shape == (5, 20)
    for k, column in enumerate(HISTORY_COLUMNS):
        absolute = absolute_tolerance(column, precision, task)
        np.testing.assert_allclose(
            found[:, k], expected[:, k], rtol=RELATIVE_TOLERANCE[precision], atol=absolute, err_msg=column
        )


def test_the_reference_covers_what_a_survey_can_vary():
    """Every shape, activation and optimizer, with and without momentum; Keras 3 has another RMSprop without."""
    experiments = [NetworkExperiment(**case["experiment"]) for case in CASES.values()]
    assert tuple(REFERENCE["columns"]) == HISTORY_COLUMNS
    assert {e.shape for e in experiments} == set(SHAPES)
    assert {e.depth for e in experiments} == set(range(2, 11))
    assert {e.activation for e in experiments} == set(ACTIVATIONS)
    assert {e.optimizer for e in experiments} == set(OPTIMIZERS) - {"adamw"}, "which PyTorch is the reference of"
    assert {(e.optimizer, e.momentum > 0) for e in experiments} == {
        ("adam", False),
        ("RMSprop", True),
        ("SGD", False),
        ("SGD", True),
    }
    assert all(("float32" in CASES[e.label]) == (e.learning_rate <= 1e-3) for e in experiments)


def test_rmsprop_without_momentum_steps_by_its_formula():
    """v = rho v + (1 - rho) g^2, w -= lr g / (sqrt(v) + epsilon), for gradients above and below epsilon."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=64)
    v = np.zeros(64)
    parameters, gradients = torch.from_numpy(w.copy()), torch.zeros(64, dtype=torch.float64)
    optimizer = OPTIMIZERS["RMSprop"](parameters, gradients, Updates("RMSprop", 1e-3))
    scale = np.geomspace(1e-12, 10.0, 64)
    scale[:4] = 0.0
    optimizer.begin_epoch(20)
    for number in range(20):
        g = rng.normal(size=64) * scale
        v = 0.9 * v + 0.1 * g**2
        w = w - 1e-3 * g / (np.sqrt(v) + 1e-7)
        gradients.copy_(torch.from_numpy(g))
        optimizer.step(number)
        np.testing.assert_allclose(parameters.numpy(), w, rtol=1e-12)
