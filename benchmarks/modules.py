"""Time of an epoch of several runs of a module, relative to one run at a time: `python -m benchmarks.modules`.

One at a time is plain PyTorch as most would write it: a minibatch gathered by index, cross-entropy, `torch.optim.Adam`
as it is by default (in brackets: with `fused=True`), and after the epoch loss and accuracy of the test set. Ours trains
all runs as one, or one by one where that is faster, with all 20 statistics. All take turns, one epoch each, and
processor time is compared, not wall time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from survey.modules.experiment import ModuleExperiment
from survey.modules.training.fusing import decide
from survey.modules.training.lesson import Lesson
from survey.modules.training.parameters import count
from survey.modules.training.runs import Runs

_ROWS, _INPUTS, _OUTPUTS, _BATCH = 1600, 64, 10, 256
_WIDTH = 14
"""Of an MLP of 2^10 parameters: 65 x 14 + 15 x 10 = 1,060."""

_RUNS = (10, 30)


class _Recurrent(nn.Module):
    """An LSTM over the eight rows of a picture, which cannot be fused."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.last = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, _OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.recurrent(x.view(-1, 8, 8))[0][:, -1])


def _mlp(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(_INPUTS, _WIDTH), *layers, nn.ReLU(), nn.Linear(_WIDTH, _OUTPUTS))


def _convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, _OUTPUTS)),
    )


MODULES: dict[str, Callable[[], nn.Module]] = {
    "MLP": _mlp,
    "MLP, LayerNorm": lambda: _mlp(nn.LayerNorm(_WIDTH)),
    "MLP, BatchNorm": lambda: _mlp(nn.BatchNorm1d(_WIDTH)),
    "MLP, dropout": lambda: _mlp(nn.Dropout(0.1)),
    "convolutional": _convolutional,
    "LSTM": _Recurrent,
}


class _Plain:
    """One run, as most would write it."""

    def __init__(self, module: nn.Module, inputs: Tensor, labels: Tensor, *, fused: bool | None) -> None:
        self._module, self._inputs, self._labels = module, inputs, labels
        self._optimizer = torch.optim.Adam(module.parameters(), fused=fused)
        order = torch.randperm(len(inputs))
        self._test, self._train = order[: _ROWS // 5], order[_ROWS // 5 :]

    def train_epoch(self) -> tuple[float, float]:
        """Train an epoch; return loss and accuracy of the test set."""
        self._module.train()
        for rows in self._train[torch.randperm(len(self._train))].split(_BATCH):
            self._optimizer.zero_grad()
            nn.functional.cross_entropy(self._module(self._inputs[rows]), self._labels[rows]).backward()
            self._optimizer.step()
        self._module.eval()
        with torch.no_grad():
            outputs, labels = self._module(self._inputs[self._test]), self._labels[self._test]
            loss = nn.functional.cross_entropy(outputs, labels)
            return loss.item(), (outputs.argmax(1) == labels).double().mean().item()


def ratios(build: Callable[[], nn.Module], turns: int) -> dict[str, float | str]:
    """Measure a module: parameters, ms of a run alone, and how many times as fast so many runs are together."""
    torch.manual_seed(0)
    inputs, labels = torch.rand(_ROWS, _INPUTS), torch.randint(0, _OUTPUTS, (_ROWS,))
    targets = nn.functional.one_hot(labels, _OUTPUTS).float()
    experiment = ModuleExperiment(
        dataset="pictures", workload="modules:benchmark", learning_rate=1e-3, batch_size=_BATCH
    )
    lesson = Lesson.of(experiment, build, inputs=inputs, targets=targets, task_kind="classification")
    ways: dict[str, Callable[[], object]] = {
        name: _Plain(build(), inputs, labels, fused=fused).train_epoch for name, fused in (("", None), ("fused", True))
    }
    found: dict[str, float | str] = {"parameters": count(build())}
    for number in _RUNS:
        decision = decide(lesson, range(number))
        found[f"{number} how"] = str(decision)
        ways[f"{number} runs"] = partial(Runs(lesson, range(number), is_fused=decision.is_fused).train_epoch, 1)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, train_epoch in ways.items():
            began = time.thread_time()
            train_epoch()
            if turn:  # the first one takes longer
                seconds[name].append(time.thread_time() - began)
    found["ms"] = 1e3 * statistics.median(seconds[""])
    for number in _RUNS:
        together = seconds[f"{number} runs"]
        for name in ("", "fused"):
            pairs = zip(seconds[name], together, strict=True)
            found[f"{number} {name}".strip()] = statistics.median(number * one / all_ for one, all_ in pairs)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args(arguments).turns
    torch.set_num_threads(1)
    print("| module | parameters | one run, ms an epoch | 10 runs | 30 runs | fused |")
    print("|---|---|---|---|---|---|")
    for name, build in MODULES.items():
        found = ratios(build, turns)
        times = [f"{found[f'{number}']:.2g}x ({found[f'{number} fused']:.2g}x)" for number in _RUNS]
        how = found[f"{_RUNS[0]} how"]
        print(f"| {name} | {found['parameters']:,} | {found['ms']:.1f} | {' | '.join(times)} | {how} |", flush=True)


if __name__ == "__main__":
    main()
