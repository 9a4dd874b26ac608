"""The training of modules: like plain PyTorch, like our own networks, the same fused or alone, resumed or whole."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from survey.modules.training.parameters import trainable
from survey.modules.training.runs import Runs
from survey.networks.experiment import NetworkExperiment
from survey.networks.training import streams
from survey.networks.training.loop import Trainer
from survey.networks.training.streams import Purpose
from tests.support.modules import data, difference, in_float64, lesson

SEEDS = [11, 12, 13]


def mlp(inputs: int = 6, outputs: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Linear(5, outputs))


MODULES = {
    "mlp": mlp,
    "layer": lambda: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3)),
    "batch": lambda: nn.Sequential(nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.4), nn.ReLU(), nn.Dropout(0.1), nn.Linear(9, 3)),
    "tokens": lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Linear(3, 4), nn.Flatten(), nn.Linear(8, 3)),
    "conv": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    ),
}


@pytest.mark.parametrize(
    ("kind", "outputs"), [("classification", 3), ("classification", 1), ("regression", 2), ("regression", 1)]
)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kernel_regularizer_type": "l1", "kernel_regularizer_l1": 0.01},
        {"kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.01, "gradient_clip": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "epochs": 5, "warmup_epochs": 1},
        {"optimizer": "SGD", "momentum": 0.9, "schedule": "step", "step_epochs": 2, "step_factor": 0.5},
    ],
)
def test_a_module_learns_as_a_network_of_the_same_layers_and_parameters(kind, outputs, more):
    """All statistics before training and of five epochs, in float64: noise, a validation set, few rows at the end."""
    given = data(rows=61, outputs=outputs, kind=kind)
    given = {**given, "inputs": given["inputs"].double(), "targets": given["targets"].double()}
    settings = {"learning_rate": 0.01, "batch_size": 16, "label_noise": 0.2, "validation_split": 0.1, **more}
    experiment = NetworkExperiment(dataset="data", shape="rectangle", size=50, depth=2, **settings)
    network = Trainer(experiment, **given, widths=[5, outputs], seeds=SEEDS, dtype=torch.float64)
    runs = Runs(lesson(lambda: mlp(6, outputs), given=given, **settings), SEEDS, is_fused=True)
    for run, seed in enumerate(SEEDS):
        layers = streams.initial_parameters([5, outputs], 6, seed=seed, dtype=torch.float64)
        for name, (kernel, bias) in zip((0, 2), layers, strict=True):
            runs.parameters.by_name[f"{name}.weight"][run] = kernel.T
            runs.parameters.by_name[f"{name}.bias"][run] = bias
    assert difference(runs.evaluate(), network.evaluate()) < 1e-9, "before training"
    for epoch in range(1, 6):
        assert difference(runs.train_epoch(epoch), network.train_epoch()) < 1e-9


def test_a_run_is_what_plain_pytorch_makes_of_its_draws():
    """With torch's own loss and SGD, and the rows and orders of the streams."""
    given, seed = data(rows=50), 7
    one = in_float64(lesson(mlp, given=given, optimizer="SGD", learning_rate=0.1))
    runs = Runs(one, [seed], is_fused=False)
    module = one.module(seed)
    rows, test = streams.split(50, seed=seed)
    labels = given["targets"].argmax(1)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    for epoch in (1, 2, 3):
        order = rows[streams.epoch_orders(len(rows), seeds=[seed], epoch=epoch)[0]].tolist()
        losses = []
        for batch in (order[first : first + 16] for first in range(0, len(order), 16)):
            loss = nn.functional.cross_entropy(module(one.inputs[batch]), labels[batch])
            losses.append(loss.item() * len(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        statistics = runs.train_epoch(epoch)
        assert float(statistics[10, 0]) == pytest.approx(sum(losses) / len(rows), abs=1e-12)
        with torch.no_grad():
            expected = nn.functional.cross_entropy(module(one.inputs[test]), labels[test])
        assert float(statistics[0, 0]) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("name", MODULES)
def test_fused_runs_are_those_that_are_trained_alone(name):
    one = lesson(MODULES[name])
    together = Runs(one, SEEDS, is_fused=True)
    alone = Runs(one, SEEDS, is_fused=False)
    by_itself = Runs(one, SEEDS[1:2], is_fused=False)
    for epoch in range(1, 6):
        fused, others, single = (runs.train_epoch(epoch) for runs in (together, alone, by_itself))
        assert difference(fused, others) < 1e-5
        assert difference(others[:, 1:2], single) < 1e-6
    for name, values in together.forward.buffers().items():
        assert difference(values.double(), alone.forward.buffers()[name].double()) < 1e-5


def test_outputs_of_fused_linear_layers_lie_in_memory_as_losses_take_them():
    outputs = Runs(lesson(mlp), SEEDS, is_fused=True).outputs(is_training=True)
    assert outputs.shape == (3, 12, 3)
    assert outputs.transpose(1, 2).is_contiguous()


@pytest.mark.parametrize("is_fused", [True, False])
@pytest.mark.parametrize("name", MODULES)
def test_resumed_runs_are_those_that_were_never_interrupted(name, is_fused):
    one = lesson(MODULES[name])
    whole = Runs(one, SEEDS, is_fused=is_fused)
    expected = [whole.train_epoch(epoch) for epoch in range(1, 5)]
    first = Runs(one, SEEDS, is_fused=is_fused)
    first.train_epoch(1)
    first.train_epoch(2)
    second = Runs(one, SEEDS, is_fused=is_fused)
    second.load_state_dict(first.state_dict())
    for epoch in (3, 4):
        assert torch.equal(second.train_epoch(epoch), expected[epoch - 1])


@pytest.mark.parametrize("name", ["batch", "dropout"])
def test_statistics_of_modules_as_they_are_change_nothing(name):
    looked, trained = (Runs(lesson(MODULES[name]), SEEDS, is_fused=True) for _ in range(2))
    before = looked.evaluate()
    assert torch.equal(looked.evaluate(), before)
    alone = [Runs(lesson(MODULES[name]), [seed], is_fused=False).evaluate() for seed in SEEDS]
    assert difference(before, torch.cat(alone, dim=1)) < 1e-5
    for epoch in (1, 2):
        last = looked.train_epoch(epoch)
        assert torch.equal(last, trained.train_epoch(epoch))
    assert torch.equal(looked.evaluate()[:10], last[:10]), "as the test set is evaluated after each epoch"


class Draws(nn.Module):
    """Noise that it draws by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(nn.functional.dropout(x, 0.3, self.training))


def test_what_a_module_draws_by_itself_depends_on_its_run_alone():
    one = lesson(Draws)
    together, single = Runs(one, SEEDS, is_fused=False), Runs(one, SEEDS[2:], is_fused=False)
    resumed = Runs(one, SEEDS, is_fused=False)
    torch.manual_seed(5)
    first = together.train_epoch(1)
    resumed.load_state_dict(together.state_dict())
    torch.rand(3)
    assert difference(first[:, 2:], single.train_epoch(1)) < 1e-6
    assert torch.equal(together.train_epoch(2), resumed.train_epoch(2))


def test_parameters_are_drawn_from_the_seed_of_the_run():
    one = lesson(mlp)
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    module = one.module(11)
    assert torch.equal(torch.rand(1), before), "the global generator is as it was"
    torch.manual_seed(streams.key_of(11, Purpose.MODULE_PARAMETERS))
    expected = mlp()
    for (_, one_parameter), (_, other) in zip(trainable(module), trainable(expected), strict=True):
        assert torch.equal(one_parameter, other)


def test_only_weights_are_penalised():
    module = nn.ModuleList([nn.Linear(3, 4), nn.LayerNorm(4), nn.LSTM(4, 2)])
    module.forward = lambda x: x  # pyright: ignore[reportAttributeAccessIssue]
    from survey.modules.training.parameters import Parameters

    kernels = Parameters([module]).kernels
    assert sum(values.numel() for values, _ in kernels) == 3 * 4 + 8 * 4 + 8 * 2


def test_frozen_parameters_stay():
    def frozen() -> nn.Module:
        module = mlp()
        module[0].weight.requires_grad_(False)
        return module

    for is_fused in (True, False):
        runs = Runs(lesson(frozen), SEEDS, is_fused=is_fused)
        assert set(runs.parameters.by_name) == {"0.bias", "2.weight", "2.bias"}
    fused, alone = (Runs(lesson(frozen), SEEDS, is_fused=is_fused) for is_fused in (True, False))
    assert difference(fused.train_epoch(1), alone.train_epoch(1)) < 1e-5


def test_inputs_may_have_any_shape():
    def images() -> nn.Module:
        return nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 9, 3))

    one = lesson(images, given=data(shape=(2, 4, 4)))
    fused, alone = (Runs(one, SEEDS, is_fused=is_fused) for is_fused in (True, False))
    assert difference(fused.train_epoch(1), alone.train_epoch(1)) < 1e-5


def test_rows_are_gathered_in_parts_of_an_epoch(monkeypatch):
    one = lesson(mlp)
    expected = Runs(one, SEEDS, is_fused=True).train_epoch(1)
    monkeypatch.setattr("survey.modules.training.passes._GATHERED_BYTES", 1)
    assert difference(Runs(one, SEEDS, is_fused=True).train_epoch(1), expected) < 1e-6
