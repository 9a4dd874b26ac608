"""The runs of a survey as plain PyTorch trains them: a single run, by epochs, with all twenty statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.peers.definitions import regression_sums, softmax_sums
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import STATISTICS
from survey.networks.training import streams
from survey.networks.workload import WORKLOAD
from survey.plan.make_plan import Device, make_plan
from survey.spaces.yaml_file import load_space
from survey.tasks.loading import load
from survey.workloads.experiment import Run


class PlainRun(NamedTuple):
    """A run: its experiment, the number of its repetition, and the widths of its network."""

    experiment: NetworkExperiment
    repetition: int
    widths: tuple[int, ...]


def runs_of(space_name: str, every: int) -> list[PlainRun]:
    """Return every so-manieth run of a search space, longest first."""
    space = load_space(space_name)
    needs, model = WORKLOAD.data([space]).needs, WORKLOAD.cost_model(on_gpu=False)
    plan = make_plan([space], contents={}, needs=needs, device=Device(model))
    runs = [
        PlainRun(trial.experiment, number, tuple(trial.needs.widths))
        for trial in plan.bundles
        for number in trial.repetitions
    ]
    return runs[every // 2 :: every]


def train(run: PlainRun) -> Iterator[dict[str, float]]:
    """Train a run and yield its statistics by epoch."""
    experiment = run.experiment
    task = load(experiment.dataset)
    seed = Run(experiment, run.repetition).seed
    inputs, targets = torch.tensor(task.inputs), torch.tensor(task.targets)
    is_softmax = task.kind == "classification"
    train_rows, test_rows = streams.split(len(inputs), seed=seed)
    model = _model(run.widths, inputs.shape[1], seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=experiment.learning_rate, eps=1e-7, fused=True)
    for epoch in range(1, experiment.epochs + 1):
        order = train_rows[streams.epoch_orders(len(train_rows), seeds=[seed], epoch=epoch)[0]]
        train_sums = torch.zeros(10, dtype=torch.float64)
        for rows in order.split(experiment.batch_size):
            scores, y = model(inputs[rows]), targets[rows]
            if is_softmax:
                loss = nn.functional.cross_entropy(scores, y)
            else:
                loss = nn.functional.mse_loss(torch.sigmoid(scores), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                train_sums += _sums(is_softmax, scores, y)
        test_sums = torch.zeros_like(train_sums)
        with torch.no_grad():
            for rows in test_rows.split(experiment.batch_size):
                test_sums += _sums(is_softmax, model(inputs[rows]), targets[rows])
        yield _statistics(train_sums / len(order), test_sums / len(test_rows))


def _model(widths: Sequence[int], num_inputs: int, seed: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for kernel, bias in streams.initial_parameters(widths, num_inputs, seed=seed):
        linear = nn.Linear(*kernel.shape)
        with torch.no_grad():
            linear.weight.copy_(kernel.T)
            linear.bias.copy_(bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _sums(is_softmax: bool, scores: Tensor, y: Tensor) -> Tensor:
    if is_softmax:
        return softmax_sums(torch, torch.log_softmax(scores, 1), y)
    return regression_sums(torch, torch.sigmoid(scores), y)


def _statistics(train: Tensor, test: Tensor) -> dict[str, float]:
    found = {}
    for prefix, means in (("train", train), ("test", test)):
        values = dict(zip(STATISTICS, means.tolist(), strict=True))
        values["root_mean_squared_error"] **= 0.5
        found |= {f"{prefix}_{name}": value for name, value in values.items()}
    return found
