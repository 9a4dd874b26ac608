"""What is not recorded: told apart from NaN, left out of statistics, and kept by what copies curves."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from survey.workloads.metrics import NOT_RECORDED, Metric, Metrics, is_recorded, quantiles

NAN = np.float32(np.nan)


def test_what_is_not_recorded_is_no_nan_of_a_computation():
    with np.errstate(invalid="ignore"):
        computed = np.array([NAN, -NAN, np.float32(np.inf) - np.float32(np.inf), np.sqrt(np.float32(-1))], np.float32)
    assert np.isnan(NOT_RECORDED)
    assert is_recorded(computed).all()
    assert not is_recorded(np.full(3, NOT_RECORDED)).any()


def test_it_outlives_copies_and_files():
    values = np.array([1.0, NOT_RECORDED, NAN], np.float32)
    stream = io.BytesIO()
    torch.save(torch.tensor(values), stream)
    stream.seek(0)
    for copied in (values.copy(), np.where([True] * 3, values, 0), torch.load(stream, weights_only=True).numpy()):
        assert is_recorded(copied).tolist() == [True, False, True]


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_those_of_what_is_recorded(seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(6, 2, 9)).astype(np.float32)
    values[generator.random(values.shape) < 0.4] = NOT_RECORDED
    values[generator.random(values.shape) < 0.1] = NAN
    found = quantiles(values, (0.25, 0.5, 1.0))
    for place in np.ndindex(values.shape[1:]):
        column = values[(slice(None), *place)]
        there = column[is_recorded(column)]
        expected = quantiles(there, (0.25, 0.5, 1.0)) if len(there) else np.full(3, np.nan)
        np.testing.assert_array_equal(found[(slice(None), *place)], expected)


def test_metrics_that_training_finds_come_after_those_that_are_known():
    loss = Metric("loss", "how bad", best="min")
    found = Metrics((loss,), is_open=True).found(["b", "loss", "a", "b"])
    assert found.names == ("loss", "b", "a")
    assert found.objective == loss
    assert found.found(["a"]) == found
