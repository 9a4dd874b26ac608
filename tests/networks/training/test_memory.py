"""Large networks: what they take of memory, and that deep ones train."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import layer_widths
from survey.networks.training.loop import Trainer
from tests.support.awaiting import HANGS_S

MEASURE = """
import torch
from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import layer_widths
from survey.networks.training.loop import Trainer

torch.set_num_threads(1)

def train(size, runs):
    experiment = NetworkExperiment(dataset="d", shape="rectangle", size=size, depth=4)
    widths, _ = layer_widths("rectangle", size, 4, 11, 7)
    targets = torch.eye(7)[torch.arange(1000) % 7]
    Trainer(experiment, inputs=torch.rand(1000, 11), targets=targets, task_kind="classification",
            widths=widths, seeds=range(runs)).train_epoch()

def peak():
    # Not `getrusage`, whose peak is that of the process that started this one.
    return 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))

train(1000, 2)
before = peak()
train({size}, {runs})
print(peak() - before)
"""


@pytest.mark.scale
def test_a_bundle_takes_little_beside_its_parameters_and_one_chunk_of_activations():
    """At most six times the parameters, activations, and an epoch's rows: so chunks share what they use in turns."""
    size, runs, rows, batch_size, outputs = 1 << 19, 24, 1000, 256, 7
    widths, parameters = layer_widths("rectangle", size, 4, 11, outputs)
    code = MEASURE.replace("{size}", str(size)).replace("{runs}", str(runs))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=HANGS_S)
    assert done.returncode == 0, done.stderr
    # Of one run, the least chunk, in full minibatches and in the last one, of the training and of the test set.
    activations = 4 * 4 * batch_size * (11 + 4 * outputs + sum(widths) + 2 * max(widths))
    gathered = runs * rows * (2 * 8 * 2 + 2 * 4 * outputs + 2 * 8)
    assert int(done.stdout) <= 6 * 4 * parameters * runs + activations + gathered


@pytest.mark.scale
def test_ten_million_parameters_at_depth_twenty_train():
    experiment = NetworkExperiment(
        dataset="d", shape="rectangle", size=10**7, depth=20, batch_size=64, learning_rate=1e-3
    )
    widths, parameters = layer_widths("rectangle", experiment.size, experiment.depth, 8, 3)
    assert abs(parameters - 10**7) < 10**5
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(160, 8, generator=generator)
    targets = torch.eye(3)[(3 * inputs[:, 0]).long()]
    trainer = Trainer(
        experiment, inputs=inputs, targets=targets, task_kind="classification", widths=widths, seeds=[1, 2]
    )
    epochs = torch.stack([trainer.train_epoch() for _ in range(4)])  # [epochs, 20, runs]
    assert epochs.isfinite().all()
    assert (epochs[-1, 10] < epochs[0, 10]).all()  # the training loss falls
