"""Experiments and runs: what is trained, and its permanent identity.

An experiment is one setting of every axis of a workload; a run (repetition) is one seeded training of it. Two settings
that mean the same work have the same canonical form and so the same id, however they are written.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, ClassVar, Self

TRAINING_VERSION = 2
"""Raised when the numbers that an experiment yields change by more than rounding; it is part of every id."""

_VERSIONS = (1, 2)

DRAWS = ("paired", "independent")
"""How the random draws of different experiments relate to each other, see `Run.seed`."""

_set = object.__setattr__  # how a frozen class brings its own fields into their canonical form


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment(ABC):
    """One setting of every axis of a workload, in canonical form.

    A workload's own class adds its axes as fields, of plain values, and brings them into canonical form itself.

    Attributes:
        WORKLOAD: Name of the workload, part of the identity; networks, which were there first, have none.
        epochs: Number of epochs to train.
        draws: `paired`: repetitions with the same number share their random draws in all experiments with the same
            `paired_by`; `independent`: no two runs share any, as in the published data. Always so in version 1.
        training_version: Version of the definitions by which it is trained.

    The defaults never change: a field at its default is left out of the identity, so that a field added later leaves
    old ids as they are. So is a field that does not count where experiments are compared.

    Raises:
        ValueError: This program does not know the training version.
    """

    WORKLOAD: ClassVar[str] = ""

    epochs: int
    draws: str = "paired"
    training_version: int = TRAINING_VERSION

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Make the experiment of a record, which has its fields by name, and perhaps others.

        Args:
            record: A trial's configuration, or what MLflow or an artifact keep. One without a version is of version 1.

        Raises:
            TypeError, ValueError: It is not the record of an experiment.
        """
        recorded = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        return cls(**{"training_version": 1, **recorded})

    def __post_init__(self) -> None:
        if self.training_version != TRAINING_VERSION:
            if self.training_version not in _VERSIONS:
                raise ValueError(f"training_version {self.training_version!r} is unknown; expected one of {_VERSIONS}")
            _set(self, "draws", "independent")

    @property
    @abstractmethod
    def label(self) -> str:
        """A name for people; fields at their defaults are left out."""

    def text_of(self, axis: str) -> str:
        """The value of an axis in a name for people, as `label` has it; empty where another axis tells it."""
        return f"{axis}={getattr(self, axis)}"

    def named_by(self, axes: Iterable[str]) -> str:
        """A name for people that begins with the values of these axes; the rest of the label follows."""
        parts = [text for axis in axes if (text := self.text_of(axis))]
        rest = f" {self.label} "
        for part in parts:
            rest = rest.replace(f" {part} ", " ")
        return " ".join([*parts, rest.strip()]).strip()

    @property
    def paired_by(self) -> tuple[str, ...]:
        """What experiments have in common whose runs share their random draws, if these are paired."""
        return (self.WORKLOAD,)

    @property
    def canonical(self) -> dict[str, object]:
        """The fields that differ from their defaults, the training version, and the workload."""
        described: dict[str, object] = {"training_version": self.training_version}
        if self.WORKLOAD:
            described["workload"] = self.WORKLOAD
        for name, default in _defaults(type(self)):
            value = getattr(self, name)
            if value != default:
                described[name] = value
        if self.training_version == 1:
            described.pop("draws")  # version 1 knew no others
        return described

    def to_dict(self) -> dict[str, object]:
        """All fields by name, and the workload; `registry.experiment_of` makes the experiment again."""
        return {**asdict(self), **({"workload": self.WORKLOAD} if self.WORKLOAD else {})}

    @property
    def described(self) -> dict[str, object]:
        """What people and the data set see of it: its fields, and the workload, by name."""
        return self.to_dict()

    @property
    def experiment_id(self) -> int:
        """A 63-bit hash of the canonical form: the same for the same work, on any machine and in any version."""
        return _hash63(_to_json(self.canonical))

    @property
    def prefix_id(self) -> int:
        """What experiments share that differ in their number of epochs alone: 63 bits, as `experiment_id`.

        If draws are paired, the one of fewer epochs is the beginning of the one of more.
        """
        return _hash63(_to_json({**self.canonical, "epochs": 0}))


@cache
def _defaults(kind: type[Experiment]) -> tuple[tuple[str, object], ...]:
    counted = (field for field in fields(kind) if field.compare and field.name != "training_version")
    return tuple((field.name, field.default) for field in counted)


_to_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


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

        If draws are paired, it depends only on the number of the repetition and on what the experiments have in common,
        such as the task: then their differences in this repetition are not those of their draws.
        """
        if self.experiment.draws == "paired":
            return _hash63(_to_json([*self.experiment.paired_by, self.repetition]))
        return _hash63(f"{self.experiment.experiment_id}:{self.repetition}")


def _hash63(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
