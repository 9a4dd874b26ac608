"""Whether runs are trained as one: only where all numbers agree, and it takes less time; else with the reason."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from survey.modules.training import fusing
from survey.modules.training.fusing import Decision, decide, disagreement
from survey.modules.training.trainer import Fusing, ModuleTrainer
from tests.support.modules import data, difference, lesson

SEEDS = [11, 12, 13]


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.recurrent, self.last = kind(2, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.recurrent(x.view(-1, 3, 2))[0][:, -1])


class Linear(nn.Module):
    """A layer, with something that a subclass does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.done(x))

    def done(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class AssignsAnew(Linear):
    def done(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * x.mean(0)
        return x


class AssignsAnewAndUses(AssignsAnew):
    def done(self, x: Tensor) -> Tensor:
        return super().done(x) - self.mean


class Draws(Linear):
    def done(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.2, self.training)


class Branches(Linear):
    def done(self, x: Tensor) -> Tensor:
        return x if x.sum() > 9 else 2 * x


class TakesOut(Linear):
    def done(self, x: Tensor) -> Tensor:
        return x * x.mean().item()


class MeansOverRuns(Linear):
    """What no run alone would see: vmap hides the other runs, so this cannot be done by a module, but by its state."""

    calls = 0

    def done(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        return x * type(self).calls


def batch_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.2), nn.Linear(5, 3))


def layer_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (batch_norm, ""),
        (layer_norm, ""),
        (lambda: Recurrent(nn.LSTM), "torch.vmap cannot take lstm.input"),
        (lambda: Recurrent(nn.GRU), "torch.vmap cannot take gru.input"),
        (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3)), "torch.vmap cannot take "),
        (AssignsAnew, "buffers would differ from those of runs trained alone"),
        (AssignsAnewAndUses, "would differ from those of runs trained alone"),
        (Draws, "it draws random numbers by other means than nn.Dropout"),
        (Branches, "its control flow depends on the data"),
        (TakesOut, "it takes numbers out of tensors (.item())"),
        (MeansOverRuns, "outputs in training would differ from those of runs trained alone"),
    ],
)
def test_runs_are_one_only_where_all_numbers_agree(build, told):
    found = disagreement(lesson(build), SEEDS)
    assert found.endswith(told) if told.startswith("would") else found.startswith(told)
    assert bool(found) == bool(told)


def test_an_optimizer_that_blows_up_rounding_hides_no_agreement():
    """A bias before BatchNorm has a gradient of zero, but for rounding, of which adam makes steps as long as any."""
    assert disagreement(lesson(batch_norm, optimizer="adam", learning_rate=0.1), SEEDS) == ""


def test_what_is_no_faster_is_trained_one_by_one(monkeypatch):
    times = iter([1.0, 2.0, 2.0, 1.0])
    monkeypatch.setattr(fusing, "_seconds", lambda *_, **__: next(times))
    assert decide(lesson(batch_norm), SEEDS) == Decision(True)
    assert str(decide(lesson(batch_norm), SEEDS)) == "no: one by one is measured to be faster"
    assert str(decide(lesson(batch_norm), SEEDS[:1])) == "no: a single run"


def test_no_memory_is_no_disagreement(monkeypatch):
    def full(*_: object, **__: object) -> Tensor:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr("survey.modules.training.forward.Fused.__call__", full)
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        disagreement(lesson(batch_norm), SEEDS)


def test_a_trainer_decides_once_and_goes_on_as_it_began(monkeypatch):
    """The groups of an experiment share the decision; a state brings its own, whatever would be decided now."""
    decided = []

    def once(*_: object) -> Decision:
        decided.append(len(decided))
        return Decision(len(decided) == 1, "" if len(decided) == 1 else "later")

    monkeypatch.setattr("survey.modules.training.trainer.decide", once)
    fusing, one = Fusing(), lesson(layer_norm)
    trainers = [ModuleTrainer(one, fusing, seeds=seeds) for seeds in (SEEDS, SEEDS[:1])]
    first = [trainer.train_epoch() for trainer in trainers]
    assert (decided, fusing.columns) == ([0], {"fused": "yes"})
    assert first[0].shape == (20, 3)
    assert difference(first[0][:, :1], first[1]) < 1e-5

    again = Fusing()
    resumed = ModuleTrainer(one, again, seeds=SEEDS)
    resumed.load_state_dict(trainers[0].state_dict())
    assert (resumed.epoch, decided, again.columns) == (1, [0], {"fused": "yes"})
    assert torch.equal(resumed.train_epoch(), trainers[0].train_epoch())


def test_a_state_before_the_first_epoch_is_that_of_the_beginning():
    one = lesson(batch_norm, given=data(rows=40))
    trainer = ModuleTrainer(one, Fusing(), seeds=SEEDS)
    resumed = ModuleTrainer(one, Fusing(), seeds=SEEDS)
    resumed.load_state_dict(trainer.state_dict())
    assert torch.equal(resumed.train_epoch(), trainer.train_epoch())
