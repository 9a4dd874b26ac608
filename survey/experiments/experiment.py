"""Experiments and runs: what is trained, and its permanent identity.

An experiment is one setting of every hyperparameter; a run (repetition) is one seeded training of it.
Two settings that mean the same work have the same canonical form and so the same id, however they are written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

TRAINING_VERSION = 2
"""Raised when the numbers that an experiment yields change by more than rounding; it is part of every id."""

_VERSIONS = (1, 2)

DRAWS = ("paired", "independent")
"""How the random draws of different experiments relate to each other, see `Run.seed`."""

TEST_SPLIT = 0.2
"""Fraction of a task's rows held out as the test set of a run."""


def num_test_rows(num_rows: int) -> int:
    """Return the rows of the test set: ceil(TEST_SPLIT * num_rows), as scikit-learn's `train_test_split` takes."""
    return -(-num_rows // round(1 / TEST_SPLIT))


_INTEGERS = ("size", "depth", "batch_size", "epochs")
_FLOATS = ("learning_rate", "label_noise", "momentum", "kernel_regularizer_l1", "kernel_regularizer_l2")
_set = object.__setattr__  # how a frozen class brings its own fields into their canonical form


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One setting of every hyperparameter, in canonical form.

    Canonical means: `pmlb:x` is `x`; a penalty of zero or without a type is none, and only the coefficient of its type
    is kept; Adam has no momentum. The class brings its fields into this form itself.

    Attributes:
        dataset: Name of the task: `NAME` (PMLB), `sklearn:NAME`, or a name defined under `tasks` in a search space.
        shape: Rule that turns (inputs, outputs, size, depth) into layer widths; see `survey.experiments.topology`.
        size: Target number of trainable parameters.
        depth: Number of layers with weights, the output layer included.
        task_content: SHA-256 of the prepared data of a user's own task; empty for a public one, fixed by its name.
        draws: `paired`: repetitions with the same number share their random draws in all experiments of a task;
            `independent`: no two runs share any, as in the published data. Always the latter in version 1.
        training_version: Version of the definitions by which it is trained.

    The defaults never change: a field at its default is left out of the identity, so that a field added later leaves
    old ids as they are.

    Raises:
        ValueError: This program does not know the training version.
    """

    dataset: str
    shape: str
    size: int
    depth: int
    learning_rate: float = 1e-4
    batch_size: int = 256
    optimizer: str = "adam"
    momentum: float = 0.0
    kernel_regularizer_type: str | None = None
    kernel_regularizer_l1: float = 0.0
    kernel_regularizer_l2: float = 0.0
    label_noise: float = 0.0
    activation: str = "relu"
    epochs: int = 3000
    task_content: str = ""
    draws: str = "paired"
    training_version: int = TRAINING_VERSION

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Experiment:
        """Make the experiment of a record, which has its fields by name, and perhaps others.

        Args:
            record: A trial's configuration, or what MLflow or an artifact keep. One without a version is of version 1.

        Raises:
            TypeError, ValueError: It is not the record of an experiment.
        """
        fields_here = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        return cls(**{"training_version": 1, **fields_here})

    def __post_init__(self) -> None:
        # A plan makes hundreds of thousands, so fields that are canonical already are not set again.
        if self.dataset.startswith("pmlb:"):
            _set(self, "dataset", self.dataset.removeprefix("pmlb:"))
        for names, kind in ((_INTEGERS, int), (_FLOATS, float)):
            for name in names:
                value = getattr(self, name)
                if type(value) is not kind:
                    _set(self, name, kind(value))
        if self.momentum and self.optimizer == "adam":
            _set(self, "momentum", 0.0)
        if self.kernel_regularizer_type or self.kernel_regularizer_l1 or self.kernel_regularizer_l2:
            self._make_penalty_canonical()
        if self.training_version != TRAINING_VERSION:
            if self.training_version not in _VERSIONS:
                raise ValueError(f"training_version {self.training_version!r} is unknown; expected one of {_VERSIONS}")
            _set(self, "draws", "independent")

    def _make_penalty_canonical(self) -> None:
        kind = self.kernel_regularizer_type
        l1 = self.kernel_regularizer_l1 if kind == "l1" else 0.0
        l2 = self.kernel_regularizer_l2 if kind == "l2" else 0.0
        _set(self, "kernel_regularizer_type", kind if l1 or l2 else None)
        _set(self, "kernel_regularizer_l1", l1)
        _set(self, "kernel_regularizer_l2", l2)

    @property
    def canonical(self) -> dict[str, object]:
        """The fields that differ from their defaults, and the training version."""
        described: dict[str, object] = {"training_version": self.training_version}
        for name, default in _FIELDS:
            value = getattr(self, name)
            if value != default:
                described[name] = value
        if self.training_version == 1:
            described.pop("draws")  # version 1 knew no others
        return described

    def to_dict(self) -> dict[str, object]:
        """All fields by name; `Experiment(**fields)` makes the experiment again."""
        return asdict(self)

    @property
    def experiment_id(self) -> int:
        """A 63-bit hash of the canonical form: the same for the same work, on any machine and in any version."""
        return _hash63(_to_json(self.canonical))

    @property
    def label(self) -> str:
        """A name for people, such as `digits rectangle d3 2^10`; fields at their defaults are left out."""
        exponent = self.size.bit_length() - 1
        size = f"2^{exponent}" if self.size == 1 << exponent else str(self.size)
        parts = [self.dataset.rpartition(":")[2], self.shape, f"d{self.depth}", size]
        described = self.canonical
        for field, short in _LABELS.items():
            value = getattr(self, field)
            if field in described:
                parts.append(f"{short}{value:g}" if isinstance(value, float) else f"{short}{value}")
        return " ".join(parts)


_FIELDS = tuple((field.name, field.default) for field in fields(Experiment) if field.name != "training_version")
_to_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_LABELS = {
    "learning_rate": "lr",
    "batch_size": "b",
    "optimizer": "",
    "momentum": "mu",
    "kernel_regularizer_l1": "l1=",
    "kernel_regularizer_l2": "l2=",
    "label_noise": "noise",
    "activation": "",
    "epochs": "e",
    "draws": "",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One repetition of an experiment, numbered from 0."""

    experiment: Experiment
    repetition: int

    @property
    def run_id(self) -> str:
        """The run's name in the data set, made of experiment and repetition: the same work has the same name."""
        return f"{self.experiment.experiment_id:016x}-{self.repetition:04d}"

    @property
    def seed(self) -> int:
        """The 63-bit seed of everything random in the run.

        If draws are paired, it depends on the task and the number of the repetition alone: then all experiments of the
        task have the same split and orders of rows in this repetition, and differences between them are not those of
        their draws.
        """
        experiment = self.experiment
        if experiment.draws == "paired":
            return _hash63(_to_json([experiment.dataset, experiment.task_content, self.repetition]))
        return _hash63(f"{experiment.experiment_id}:{self.repetition}")


def _hash63(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
