"""A trial's share of a GPU: its process is capped to that fraction of the memory, with or without a GPU here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from survey.trials.messages import TrialSettings, trial_config
from tests.support.planned import planned
from tests.support.trial_outside_ray import Trial


@pytest.fixture
def caps(monkeypatch) -> list[tuple]:
    """What processes are capped to, on a machine that takes itself for one with a GPU."""
    caps: list[tuple] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: caps.append(given))
    return caps


def device_of(num_gpus: float, *, packed: int = 1) -> str:
    """Where a trial with such a share trains."""
    trials = [each._replace(num_gpus=num_gpus) for each in planned().bundles[:packed]]
    trial = Trial(
        trial_config(trials),
        TrialSettings(workload="networks", data={}, tracking=None, origin={}, checkpoints=Path(), states=Path()),
    )
    trial._begin()
    return trial._context.device.type


@pytest.mark.parametrize("num_gpus", [0.125, 0.25, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("packed", [1, 3])
def test_a_trial_on_a_share_of_a_gpu_is_capped_to_it(num_gpus, packed, caps):
    assert device_of(num_gpus, packed=packed) == "cuda"
    assert caps == [(num_gpus,)]


def test_more_than_a_gpu_is_all_of_one(caps):
    assert device_of(2.0) == "cuda"
    assert caps == [(1.0,)]


def test_a_trial_without_a_share_is_on_one_core(caps):
    assert device_of(0.0) == "cpu"
    assert torch.get_num_threads() == 1
    assert caps == []


def test_where_ray_counts_gpus_that_are_not_there_a_trial_is_on_one_core(caps, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(0.5) == "cpu"
    assert caps == []
