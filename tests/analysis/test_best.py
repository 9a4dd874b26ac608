"""The one definition of best: which column compares experiments, in which order, and what each run counts by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import read
from analysis.reading.best import Best, best_of, run_values
from survey.workloads.metrics import Metric, Metrics
from tests.support.workload_data import MADE, Made, write_workload

TEST = Metric("test_loss", "loss of the test set", "val_loss", best="min", at_choice=True)
CHOOSER = Metric("validation_loss", "loss of the validation set", best="min")
METRICS = Metrics((TEST, CHOOSER), choose_by="validation_loss")


def summary(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_without_a_set_to_choose_by_the_objective_chooses_and_says_so():
    best = best_of(METRICS, summary(test_loss_min_value_median=[0.5, 0.25], test_loss_min_epoch_median=[3.0, 4.0]))
    assert best.is_optimistic
    assert (best.value("q1"), best.epoch()) == ("test_loss_min_value_q1", "test_loss_min_epoch_median")
    assert "test loss at the epoch of its least test loss: it chooses the epoch itself" in best.sentence


def test_the_validation_set_chooses_where_all_experiments_have_one():
    frame = summary(
        test_loss_min_value_median=[0.5, 0.25],
        test_loss_at_validation_loss_min_value_median=[0.5, 0.75],
        validation_loss_min_epoch_median=[3.0, 4.0],
    )
    best = best_of(METRICS, frame)
    assert not best.is_optimistic
    assert best.value() == "test_loss_at_validation_loss_min_value_median"
    assert best.epoch("max") == "validation_loss_min_epoch_max"
    assert "the validation loss chooses, the test loss judges" in best.sentence
    assert best.order(frame).tolist() == [0, 1]
    frame.loc[1, "test_loss_at_validation_loss_min_value_median"] = np.nan
    assert best_of(METRICS, frame).is_optimistic  # one experiment has no such set: they would not be alike


def test_an_experiment_that_is_never_finite_has_no_say_in_it():
    frame = summary(
        test_loss_min_value_median=[np.nan, 0.25],
        test_loss_at_validation_loss_min_value_median=[np.nan, 0.75],
        validation_loss_min_epoch_median=[np.nan, 4.0],
    )
    best = best_of(METRICS, frame)
    assert not best.is_optimistic
    assert best.order(frame).tolist() == [1, 0]


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """Two experiments whose heights are greatest where the width is not."""
    metrics = Metrics(tuple(replace(each, best="min") if each.name == "width" else each for each in MADE.metrics.all))
    columns = replace(MADE, metrics=metrics)
    monkeypatch.setattr(
        "survey.dataset.schema.workload_named", lambda name, about="": type("Named", (), {"columns": columns})
    )
    heights = np.array([[1, 5, 2, np.nan], [np.nan] * 4])
    widths = np.array([[4, 3, 2, 1], [1, 2, 3, 4]])
    curves = {"height": heights, "width": widths, "unseen": widths}
    return write_workload(tmp_path, columns, {Made(rate=1.0, epochs=4): curves, Made(rate=2.0, epochs=4): curves})


def test_each_run_counts_at_its_own_best_epoch(dataset):
    height, width = MADE.metrics.objective, Metric("width", "how wide", best="min")
    experiments = read(dataset)[1:]
    own = run_values(dataset, experiments, Best(height, height))
    assert own["experiment_id"].tolist() == experiments["experiment_id"].tolist() * 2
    np.testing.assert_array_equal(own["value"], [5, np.nan])
    assert own["epoch"].tolist() == [2, 0]
    chosen = run_values(dataset, experiments, Best(width, height))
    np.testing.assert_array_equal(chosen["value"], [3, np.nan])
    judged = run_values(dataset, experiments, Best(height, width))  # not finite where it is judged
    assert judged["value"].isna().all()
    assert judged["epoch"].tolist() == [0, 0]
