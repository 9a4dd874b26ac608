"""Quality in the terms of users: accuracy, error in the unit of the target, and the share of its variance explained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from analysis.reading.best import Best
from analysis.reading.quality import columns_of_quality, quality_of
from survey.networks.metrics import METRICS
from survey.tasks.prepared import PreparedTask

OWN = Best(METRICS.objective, METRICS.objective)
CHOSEN = Best(METRICS.objective, replace(METRICS.objective, name="validation_loss"))


def test_a_regression_is_judged_in_the_unit_of_its_target():
    rng = np.random.default_rng(0)
    target = rng.random(100).astype(np.float32)
    predicted = target + rng.normal(0, 0.1, 100)
    task = PreparedTask("a", "regression", np.zeros((100, 1)), target[:, None], target_minimum=5.0, target_range=40.0)
    frame = pd.DataFrame(
        {
            "task": ["regression"],
            "target_range": [40.0],
            "target_variance": [task.target_variance],
            "test_mean_squared_error_min_value_median": [np.mean((predicted - target) ** 2)],
            "test_accuracy_max_value_median": [0.25],
        }
    )
    found = quality_of(frame, OWN)
    assert found.explained[0] == pytest.approx(r2_score(target, predicted), abs=1e-6)
    in_its_unit = 5 + 40 * predicted - (5 + 40 * target)
    assert found.error[0] == pytest.approx(np.sqrt(np.mean(in_its_unit**2)))
    assert np.isnan(found.accuracy[0])


def test_the_validation_set_chooses_the_epoch_of_an_accuracy_too():
    frame = pd.DataFrame(
        {
            "task": ["classification"],
            "test_accuracy_max_value_median": [0.875],
            "test_accuracy_at_validation_loss_min_value_median": [0.75],
        }
    )
    assert (quality_of(frame, OWN).accuracy[0], quality_of(frame, CHOSEN).accuracy[0]) == (0.875, 0.75)
    assert np.isnan(quality_of(frame, OWN).explained[0])


def test_what_an_older_data_set_lacks_is_unknown():
    found = quality_of(pd.DataFrame({"task": ["regression", "classification"]}), OWN)
    assert np.isnan([found.accuracy, found.error, found.explained]).all()
    assert {"target_range", "test_accuracy_max_value_median"} <= set(columns_of_quality())


def test_the_variance_is_that_of_all_rows_and_columns():
    targets = np.array([[0, 0], [1, 0], [1, 0], [0, 0], [0, 1]], np.float32)
    inputs = np.zeros((5, 1))
    assert PreparedTask("a", "regression", inputs, targets).target_variance == pytest.approx((0.24 + 0.16) / 2)
    assert PreparedTask("a", "classification", inputs, targets).target_variance is None
