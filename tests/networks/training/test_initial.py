"""The statistics of runs before training."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from survey.networks.metrics import INITIAL_COLUMNS, METRICS
from survey.networks.training.initial import initial_statistics
from tests.support.reference import Reference
from tests.support.training_cases import make_task, make_trainer, setting, widths_of


@pytest.mark.parametrize(
    ("kind", "outputs", "changes"),
    [
        ("classification", 3, {"label_noise": 0.2, "dropout": 0.5}),
        ("classification", 1, {"validation_split": 0.3, "kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.1}),
        ("regression", 2, {"batch_size": 27, "normalization": "layer", "label_noise": 0.1}),
        ("regression", 1, {"hidden_widths": ()}),
    ],
)
def test_they_equal_the_reference(kind, outputs, changes):
    experiment, (inputs, targets) = setting(**changes), make_task(kind, outputs)
    found = make_trainer(experiment, inputs, targets, kind, [4, 5], dtype=torch.float64).evaluate().T
    for seed, ours in zip([4, 5], found.tolist(), strict=True):
        reference = Reference(experiment, inputs, targets, kind, widths_of(experiment, inputs, targets), seed)
        assert ours == pytest.approx(reference.evaluate().tolist(), rel=1e-8, abs=1e-15)


def test_they_depend_on_the_run_alone_and_change_nothing():
    inputs, targets = make_task("classification", 3)
    make = partial(make_trainer, setting(dropout=0.1), inputs, targets, "classification")
    found = initial_statistics(make, [1, 2, 3])
    assert tuple(found) == INITIAL_COLUMNS[:20], "there is no validation set"
    together = make([1, 2, 3])
    np.testing.assert_array_equal(np.stack(list(found.values())), together.evaluate().numpy())
    plain = make([1, 2, 3])
    for _ in range(2):
        assert torch.equal(together.train_epoch(), plain.train_epoch())
    last = together.train_epoch()
    assert torch.equal(together.evaluate()[:10], last[:10]), "as the test set is evaluated after each epoch"


def test_there_is_a_column_for_each_statistic():
    assert len(INITIAL_COLUMNS) == len(METRICS.all)
    assert INITIAL_COLUMNS[0] == "initial_val_loss"
    assert INITIAL_COLUMNS[10] == "initial_loss"
