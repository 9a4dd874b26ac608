"""Experiments on tasks, and those on fully connected networks: the hyperparameters of BUTTER, and those that we add."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

from survey.workloads.experiment import Experiment

_KINDS = {
    **dict.fromkeys(("batch_size", "epochs"), int),
    **dict.fromkeys(("learning_rate", "label_noise", "momentum"), float),
    **dict.fromkeys(("kernel_regularizer_l1", "kernel_regularizer_l2", "validation_split", "train_fraction"), float),
}
_numbers, _kinds = attrgetter(*_KINDS), tuple(_KINDS.values())
_set = object.__setattr__  # how a frozen class brings its own fields into their canonical form


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExperiment(Experiment):
    """The hyperparameters of whatever learns a task: those of data, optimizer and penalty, in canonical form.

    Canonical means: `pmlb:x` is `x`; a penalty of zero or without a type is none, and only the coefficient of its type
    is kept; Adam has no momentum. The class brings its fields into this form itself.

    Attributes:
        dataset: Name of the task: `NAME` (PMLB), `sklearn:NAME`, or a name defined under `tasks` in a search space.
        validation_split: Fraction of the training rows that is held out to validate; see `survey.networks.rows`.
        train_fraction: Fraction of the remaining rows that the network trains on; likewise.
        task_content: SHA-256 of the prepared data of a user's own task; empty for a public one, fixed by its name.

    `epochs`, `draws` and `training_version` are those of every experiment (`survey.workloads.experiment`).
    """

    dataset: str
    learning_rate: float = 1e-4
    batch_size: int = 256
    optimizer: str = "adam"
    momentum: float = 0.0
    kernel_regularizer_type: str | None = None
    kernel_regularizer_l1: float = 0.0
    kernel_regularizer_l2: float = 0.0
    label_noise: float = 0.0
    validation_split: float = 0.0
    train_fraction: float = 1.0
    epochs: int = 3000
    task_content: str = ""

    def __post_init__(self) -> None:
        # A plan makes hundreds of thousands, so fields that are canonical already are not set again.
        if self.dataset.startswith("pmlb:"):
            _set(self, "dataset", self.dataset.removeprefix("pmlb:"))
        if tuple(map(type, _numbers(self))) != _kinds:
            for name, kind in _KINDS.items():
                _set(self, name, kind(getattr(self, name)))
        if self.momentum and self.optimizer == "adam":
            _set(self, "momentum", 0.0)
        if self.kernel_regularizer_type or self.kernel_regularizer_l1 or self.kernel_regularizer_l2:
            self._make_penalty_canonical()
        Experiment.__post_init__(self)

    def _make_penalty_canonical(self) -> None:
        kind = self.kernel_regularizer_type
        l1 = self.kernel_regularizer_l1 if kind == "l1" else 0.0
        l2 = self.kernel_regularizer_l2 if kind == "l2" else 0.0
        _set(self, "kernel_regularizer_type", kind if l1 or l2 else None)
        _set(self, "kernel_regularizer_l1", l1)
        _set(self, "kernel_regularizer_l2", l2)

    @property
    def paired_by(self) -> tuple[str, ...]:
        """The task, by its name and, of a user's own, its content."""
        return self.dataset, self.task_content

    @property
    def settings(self) -> list[str]:
        """The fields that differ from their defaults, each as a word for people, such as `lr0.01`."""
        described = self.canonical
        found = ((short, getattr(self, field)) for field, short in _LABELS.items() if field in described)
        return [f"{short}{value:g}" if isinstance(value, float) else f"{short}{value}" for short, value in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkExperiment(TaskExperiment):
    """One setting of every hyperparameter of a fully connected network, in canonical form.

    Attributes:
        shape: Rule that turns (inputs, outputs, size, depth) into layer widths; see `survey.networks.topology`.
        size: Target number of trainable parameters.
        depth: Number of layers with weights, the output layer included.
        activation: That of the hidden layers.
    """

    shape: str
    size: int
    depth: int
    activation: str = "relu"

    def __post_init__(self) -> None:
        for name in ("size", "depth"):
            if type(getattr(self, name)) is not int:
                _set(self, name, int(getattr(self, name)))
        TaskExperiment.__post_init__(self)

    @property
    def label(self) -> str:
        """A name for people, such as `digits rectangle d3 2^10`; fields at their defaults are left out."""
        exponent = self.size.bit_length() - 1
        size = f"2^{exponent}" if self.size == 1 << exponent else str(self.size)
        parts = [self.dataset.rpartition(":")[2], self.shape, f"d{self.depth}", size]
        return " ".join([*parts, *self.settings])


HYPERPARAMETERS = tuple(
    field.name for field in fields(NetworkExperiment) if field.name not in ("task_content", "training_version")
)
"""Fields that a user sets."""

_LABELS = {
    "learning_rate": "lr",
    "batch_size": "b",
    "optimizer": "",
    "momentum": "mu",
    "kernel_regularizer_l1": "l1=",
    "kernel_regularizer_l2": "l2=",
    "label_noise": "noise",
    "activation": "",
    "validation_split": "val",
    "train_fraction": "train",
    "epochs": "e",
    "draws": "",
}
