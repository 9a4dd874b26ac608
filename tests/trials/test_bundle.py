"""Runs that memory does not hold at once: trained in groups, with the numbers that they have together."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import METRICS
from survey.networks.training.loop import Trainer
from survey.trials.bundle import Bundle
from tests.support.awaiting import HANGS_S

EPOCHS, RUNS = 4, 5
EXPERIMENT = NetworkExperiment(dataset="d", shape="rectangle", size=100, depth=2, epochs=EPOCHS, learning_rate=0.01)
TASK = {
    "inputs": torch.rand(60, 3, generator=torch.Generator().manual_seed(0)),
    "targets": torch.eye(2)[torch.arange(60) % 2],
    "task_kind": "classification",
    "widths": [16, 2],
}
make_trainer = partial(Trainer, EXPERIMENT, **TASK)


def train_epoch(bundle: Bundle) -> None:
    bundle.start_epoch()
    bundle.end_epoch()


def trained(bundle: Bundle) -> np.ndarray:
    while not bundle.is_done:
        train_epoch(bundle)
    return bundle.curves.values


class MemoryOf:
    """Makes trainers on a device that holds but some runs, or runs out of memory at an epoch."""

    def __init__(self, runs: int, *, at_epoch: int = 0, error: Exception | None = None) -> None:
        self.runs, self.at_epoch, self.groups = runs, at_epoch, []
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")

    def __call__(self, *, seeds):
        if len(seeds) > self.runs and not self.at_epoch:
            raise self.error
        self.groups.append(list(seeds))
        trainer = make_trainer(seeds=seeds)
        start_epoch = trainer.start_epoch

        def limited():
            if len(seeds) > self.runs and trainer.epoch + 1 == self.at_epoch:
                trainer.epoch += 1  # it fails in the middle
                raise self.error
            start_epoch()

        trainer.start_epoch = limited
        return trainer


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return trained(Bundle(make_trainer, METRICS, range(RUNS), EPOCHS))


@pytest.mark.parametrize("at_epoch", [0, 3])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError("Unable to allocate"),
    ],
)
def test_runs_are_halved_until_they_fit(whole, at_epoch, error):
    memory = MemoryOf(2, at_epoch=at_epoch, error=error)
    bundle = Bundle(memory, METRICS, range(RUNS), EPOCHS)
    np.testing.assert_array_equal(trained(bundle), whole)
    assert memory.groups[-3:] == [[0, 1], [2, 3], [4]]
    assert bundle.run_epochs == RUNS * EPOCHS


def test_one_run_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        Bundle(MemoryOf(0), METRICS, range(RUNS), EPOCHS).start_epoch()


def test_another_error_is_no_lack_of_memory():
    with pytest.raises(RuntimeError, match="a fault"):
        Bundle(MemoryOf(0, error=RuntimeError("a fault")), METRICS, range(RUNS), EPOCHS).start_epoch()


@pytest.mark.parametrize("stop", [2, 4, 5, 11])
def test_groups_are_gone_on_with(whole, stop):
    """In the middle of the first of three groups, at its end, after the first epoch of the next, before the last."""
    first, second = (Bundle(MemoryOf(2), METRICS, range(RUNS), EPOCHS) for _ in range(2))
    for _ in range(stop):
        train_epoch(first)
    second.load_state_dict(first.state_dict())
    assert (second.epoch, second.run_epochs) == (first.epoch, first.run_epochs)
    np.testing.assert_array_equal(trained(second), whole)


@pytest.mark.parametrize("runs", [4, 1])
def test_a_group_that_the_memory_no_longer_holds_is_begun_again_in_halves(whole, runs):
    first, second = (
        Bundle(make_trainer, METRICS, range(RUNS), EPOCHS),
        Bundle(MemoryOf(runs), METRICS, range(RUNS), EPOCHS),
    )
    for _ in range(2):
        train_epoch(first)
    second.load_state_dict(first.state_dict())
    assert second.epoch == 0
    np.testing.assert_array_equal(trained(second), whole)


def test_a_run_that_the_memory_no_longer_holds_is_an_error():
    first, second = Bundle(make_trainer, METRICS, range(1), EPOCHS), Bundle(MemoryOf(0), METRICS, range(1), EPOCHS)
    train_epoch(first)
    with pytest.raises(torch.OutOfMemoryError):
        second.load_state_dict(first.state_dict())


LACK = """
import resource
from functools import partial
import torch
from survey.trials.bundle import Bundle
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import METRICS
from survey.networks.training.loop import Trainer

torch.set_num_threads(1)
experiment = NetworkExperiment(dataset="d", shape="rectangle", size=5 * 10**5, depth=3, epochs=2)
inputs, targets = torch.rand(300, 8), torch.eye(3)[torch.arange(300) % 3]
make_trainer = partial(Trainer, experiment, inputs=inputs, targets=targets, task_kind="classification",
                       widths=[702, 702, 3])

def train(make_trainer):
    bundle = Bundle(make_trainer, METRICS, range(8), 2)
    while not bundle.is_done:
        bundle.start_epoch()
        bundle.end_epoch()
    return bundle.curves.values

def tell(*, seeds):
    print("trainer of", len(seeds))
    return make_trainer(seeds=seeds)

whole = train(make_trainer)
in_use = 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize")))
# A run takes some 8 MB: parameters, gradients and two moments.
resource.setrlimit(resource.RLIMIT_AS, (in_use + 30 * 2**20, resource.RLIM_INFINITY))
print("equal:", (train(tell) == whole).all())
"""


@pytest.mark.scale
def test_memory_that_the_system_refuses():
    # The C library gives large arrays back at once then, so that what is free depends on no holes between them.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(
        [sys.executable, "-c", LACK], capture_output=True, text=True, check=False, timeout=HANGS_S, env=environment
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[-1] == "equal: True"
    assert told[0] == "trainer of 8"
    assert len(told) > 3, "they were trained in groups"
