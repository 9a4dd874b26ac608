"""Steps recorded and replayed, as a CUDA graph does it: the same calls on the same places in memory, without Python.

On a CPU a recorder of torch's calls stands for the graph: what replays right depends on no number that Python held.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from survey.networks.experiment import NetworkExperiment
from survey.networks.training import loop, products, streams
from survey.networks.training.loop import Trainer


class Calls(TorchDispatchMode):
    """Remembers torch's calls with what they were given and what they returned."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not torch.ops.aten._local_scalar_dense.default, "reads a number from the device"
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for func, args, kwargs, result in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def recorded(work, state):
    """What `graphs.record` does, for a CPU."""
    before = [each.clone() for each in state]
    with Calls() as calls:
        result = work()
    for each, saved in zip(state, before, strict=True):
        each.copy_(saved)

    def replay():
        calls.replay()
        return result

    return replay


SETTINGS = [
    {},
    {"kernel_regularizer_type": "l1", "kernel_regularizer_l1": 0.01},
    {"kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.01},
    {"optimizer": "RMSprop"},
    {"optimizer": "RMSprop", "momentum": 0.9},
    {"optimizer": "SGD", "momentum": 0.9},
    {"activation": "gelu"},
    {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "epochs": 4, "gradient_clip": 0.5},
    {"optimizer": "RMSprop", "schedule": "step", "step_epochs": 1, "step_factor": 0.5, "warmup_epochs": 1},
    {"optimizer": "SGD", "schedule": "linear", "epochs": 4},
    {"dropout": 0.3, "normalization": "layer"},
    {"dropout": 0.3, "normalization": "layer", "shape": "rectangle_residual", "activation": "tanh"},
    {"label_noise": 0.1, "shape": "rectangle_residual", "activation": "tanh"},
]


@pytest.mark.parametrize("task_kind", ["classification", "regression"])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: "-".join(map(str, setting.values())) or "default")
def test_epochs_from_a_recording_are_those_that_are_trained_step_by_step(monkeypatch, setting, task_kind):
    monkeypatch.setattr(products, "has_small_kernels", lambda: False)  # numpy's calls are none of torch's
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(107, 5, generator=generator)
    targets = torch.eye(3)[(3 * inputs[:, 0]).long()] if task_kind == "classification" else inputs[:, :2] ** 2
    options = {"dataset": "d", "shape": "rectangle", "size": 400, "depth": 4, "batch_size": 32, "learning_rate": 0.01}
    experiment = NetworkExperiment(**{**options, **setting})
    widths = [9, 9, 9, targets.shape[1]]

    def statistics() -> torch.Tensor:
        trainer = Trainer(
            experiment, inputs=inputs, targets=targets, task_kind=task_kind, widths=widths, seeds=[1, 2, 3]
        )
        return torch.stack([trainer.train_epoch() for _ in range(4)])

    straight = statistics()
    # As on a GPU, where numbers are sorted by torch, and none is looked at.
    monkeypatch.setattr(streams, "_sort", lambda words: words.sort(dim=1).values)
    monkeypatch.setattr(
        "survey.networks.training.statistics._correct", lambda log_p, _, __, y: (log_p.argmax(2) == y[:, :, 0]).float()
    )
    monkeypatch.setattr(loop, "_is_recorded", lambda device: True)
    monkeypatch.setattr(loop, "record", recorded)
    assert torch.equal(statistics(), straight)
