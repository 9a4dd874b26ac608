"""Draws of different experiments: what paired runs share, and that runs with independent draws share nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import layer_widths
from survey.networks.training import streams
from survey.networks.training.loop import Trainer
from survey.workloads.experiment import Run

BASE = NetworkExperiment(
    dataset="t", shape="rectangle", size=200, depth=3, learning_rate=1e-3, batch_size=16, epochs=6, optimizer="adam"
)
INPUTS = torch.tensor(np.random.default_rng(0).random((60, 5)), dtype=torch.float32)
TARGETS = torch.nn.functional.one_hot(torch.arange(60) % 3, 3).float()


def curves(experiment: NetworkExperiment, repetitions=(0, 1, 2)) -> np.ndarray:
    """float32 [20, repetitions, epochs]."""
    widths, _ = layer_widths(experiment.shape, experiment.size, experiment.depth, 5, 3)
    trainer = Trainer(
        experiment,
        inputs=INPUTS,
        targets=TARGETS,
        task_kind="classification",
        widths=widths,
        seeds=[Run(experiment, number).seed for number in repetitions],
    )
    return np.stack([trainer.train_epoch().numpy() for _ in range(experiment.epochs)], axis=2)


def test_experiments_that_learn_nothing_are_equal_repetition_by_repetition():
    """Only what is drawn is left of them: rows of the test set, initial weights, orders."""
    one, other = (curves(replace(BASE, learning_rate=rate)) for rate in (1e-30, 1e-29))
    np.testing.assert_array_equal(one, other)
    assert len({curve.tobytes() for curve in one[0]}) == 3  # and repetitions differ
    one, other = (curves(replace(BASE, learning_rate=rate, draws="independent")) for rate in (1e-30, 1e-29))
    assert not (one[0] == other[0]).any()


@pytest.mark.parametrize(
    "changes",
    [{}, {"label_noise": 0.2}, {"optimizer": "RMSprop", "momentum": 0.9}, {"batch_size": 7}, {"activation": "gelu"}],
    ids=str,
)
def test_a_shorter_experiment_is_the_beginning_of_a_longer_one(changes):
    shorter, longer = (curves(replace(BASE, epochs=epochs, **changes)) for epochs in (4, 6))
    np.testing.assert_array_equal(shorter, longer[:, :, :4])


def test_noisy_rows_are_nested_and_change_alike():
    labels, seed = torch.arange(1000) % 5, Run(BASE, 3).seed
    less, more = (streams.noisy_labels(labels, 5, noise, seed=seed) for noise in (0.1, 0.3))
    changed = less != labels
    assert int(changed.sum()) == 100
    assert torch.equal(less[changed], more[changed])
    values = torch.linspace(0, 1, 1000)[:, None].double()
    noise = [streams.noisy_values(values, level, seed=seed) - values for level in (0.1, 0.3)]
    torch.testing.assert_close(3 * noise[0], noise[1])


def test_layers_of_the_same_place_and_size_begin_alike():
    one, other = (streams.initial_parameters(widths, 5, seed=7) for widths in ((8, 8, 3), (8, 8, 8, 3)))
    assert all(torch.equal(one[k][0], other[k][0]) for k in (0, 1))
