"""Experiments on tasks, and those on fully connected networks: the hyperparameters of BUTTER, and those that we add."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

from survey.networks.topology import WIDTHS
from survey.workloads.experiment import Experiment

OPTIMIZERS = ("adam", "RMSprop", "SGD", "adamw")
"""Optimizers as they are written in the data set; in search spaces capital letters do not matter."""

SCHEDULES = ("constant", "cosine", "linear", "step")

INITIALIZATIONS = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal")

NORMALIZATIONS = ("none", "layer")

FLOAT32, TF32 = PRECISIONS = ("float32", "tf32")
"""Precisions of matrix products; TF32 is that of the tensor cores of NVIDIA's GPUs."""

_OPTIMIZERS = {name.lower(): name for name in OPTIMIZERS}
_KINDS = {
    **dict.fromkeys(("batch_size", "epochs", "warmup_epochs", "step_epochs"), int),
    **dict.fromkeys(
        ("learning_rate", "label_noise", "momentum", "weight_decay", "step_factor", "gradient_clip"), float
    ),
    **dict.fromkeys(("kernel_regularizer_l1", "kernel_regularizer_l2", "validation_split", "train_fraction"), float),
}
_numbers, _kinds = attrgetter(*_KINDS), tuple(_KINDS.values())
_set = object.__setattr__  # how a frozen class brings its own fields into their canonical form


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExperiment(Experiment):
    """The hyperparameters of whatever learns a task: those of data, optimizer and penalty, in canonical form.

    Canonical means: `pmlb:x` is `x`; a penalty of zero or without a type is none, and only the coefficient of its type
    is kept; adam and adamw have no momentum, weight decay is that of adamw, which is adam without it; a schedule has
    steps only if it is `step`, and is constant if these change nothing. The class brings its fields into this form
    itself.

    Attributes:
        dataset: Name of the task: `NAME` (PMLB), `sklearn:NAME`, or a name defined under `tasks` in a search space.
        validation_split: Fraction of the training rows that is held out to validate; see `survey.networks.rows`.
        train_fraction: Fraction of the remaining rows that the network trains on; likewise.
        weight_decay: Decoupled weight decay of adamw; see `survey.networks.training.optimizers`.
        schedule: How the learning rate changes while it trains; see `survey.networks.training.schedules`.
        warmup_epochs: Epochs in which the learning rate rises linearly, before the schedule begins.
        step_epochs: Epochs between two changes of the schedule `step`.
        step_factor: What each of these multiplies the learning rate by.
        gradient_clip: Norm above which the gradients of a run are scaled down; 0 for never.
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
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup_epochs: int = 0
    step_epochs: int = 0
    step_factor: float = 1.0
    gradient_clip: float = 0.0
    epochs: int = 3000
    task_content: str = ""

    def __post_init__(self) -> None:
        # A plan makes hundreds of thousands, so fields that are canonical already are not set again.
        if self.dataset.startswith("pmlb:"):
            _set(self, "dataset", self.dataset.removeprefix("pmlb:"))
        if tuple(map(type, _numbers(self))) != _kinds:
            for name, kind in _KINDS.items():
                _set(self, name, kind(getattr(self, name)))
        if self.optimizer != "adam" or self.momentum or self.weight_decay:
            self._make_optimizer_canonical()
        if self.schedule != "constant" or self.step_epochs or self.step_factor != 1.0:
            self._make_schedule_canonical()
        if self.kernel_regularizer_type or self.kernel_regularizer_l1 or self.kernel_regularizer_l2:
            self._make_penalty_canonical()
        Experiment.__post_init__(self)

    def _make_optimizer_canonical(self) -> None:
        name = _OPTIMIZERS.get(self.optimizer.lower(), self.optimizer)
        decays = name == "adamw" and self.weight_decay
        name = "adam" if name == "adamw" and not decays else name
        _set(self, "optimizer", name)
        _set(self, "weight_decay", self.weight_decay if decays else 0.0)
        _set(self, "momentum", 0.0 if name in ("adam", "adamw") else self.momentum)

    def _make_schedule_canonical(self) -> None:
        has_steps = self.schedule == "step" and self.step_epochs and self.step_factor != 1.0
        if self.schedule == "step" and not has_steps:
            _set(self, "schedule", "constant")
        _set(self, "step_epochs", self.step_epochs if has_steps else 0)
        _set(self, "step_factor", self.step_factor if has_steps else 1.0)

    def _make_penalty_canonical(self) -> None:
        kind = self.kernel_regularizer_type
        l1 = self.kernel_regularizer_l1 if kind == "l1" else 0.0
        l2 = self.kernel_regularizer_l2 if kind == "l2" else 0.0
        _set(self, "kernel_regularizer_type", kind if l1 or l2 else None)
        _set(self, "kernel_regularizer_l1", l1)
        _set(self, "kernel_regularizer_l2", l2)

    @property
    def prefix_id(self) -> int:
        """As of every experiment; a schedule that ends with the training begins differently in a longer one."""
        return self.experiment_id if self.schedule in ("cosine", "linear") else Experiment.prefix_id.__get__(self)

    @property
    def paired_by(self) -> tuple[str, ...]:
        """The task, by its name and, of a user's own, its content."""
        return self.dataset, self.task_content

    @property
    def settings(self) -> list[str]:
        """The fields that differ from their defaults, each as a word for people, such as `lr0.01`."""
        described = self.canonical
        return [text for name in _LABELS if name in described and (text := self.text_of(name))]

    def text_of(self, axis: str) -> str:
        """The value of an axis in a name for people, such as `lr0.01`."""
        value = getattr(self, axis)
        if axis.startswith("kernel_regularizer_") and (axis.endswith("type") or not value):
            return ""  # the coefficient tells both
        if axis == "dataset":
            return value.rpartition(":")[2]
        short = _LABELS.get(axis, "")
        return f"{short}{value:g}" if isinstance(value, float) else f"{short}{value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkExperiment(TaskExperiment):
    """One setting of every hyperparameter of a fully connected network, in canonical form.

    Canonical means as for every `TaskExperiment`, and: given widths decide on shape, size and depth, and a linear model
    has nothing that hidden layers have.

    Attributes:
        shape: Rule that turns (inputs, outputs, size, depth) into layer widths; see `survey.networks.topology`.
        size: Target number of trainable parameters; 0 for `widths`.
        depth: Number of layers with weights, the output layer included.
        activation: That of the hidden layers.
        hidden_widths: With the shape `widths`, the width of each hidden layer, which gives shape and depth, and the
            size once the task is known; else None.
        initialization: Distribution of the initial kernels; see `survey.networks.training.initialization`.
        dropout: Probability with which outputs of hidden layers are dropped; see `survey.networks.training.dropout`.
        normalization: `layer` normalizes hidden layers; see `survey.networks.training.normalization`.
        precision: That of the matrix products; see `survey.networks.training.precision`.
    """

    shape: str
    size: int
    depth: int
    activation: str = "relu"
    initialization: str = "glorot_uniform"
    dropout: float = 0.0
    normalization: str = "none"
    precision: str = FLOAT32
    hidden_widths: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name, kind in (("size", int), ("depth", int), ("dropout", float)):
            if type(getattr(self, name)) is not kind:
                _set(self, name, kind(getattr(self, name)))
        if self.hidden_widths is not None:
            self._make_widths_canonical()
        TaskExperiment.__post_init__(self)

    def _make_widths_canonical(self) -> None:
        widths = tuple(map(int, self.hidden_widths or ()))
        for name, value in (("hidden_widths", widths), ("shape", WIDTHS), ("size", 0), ("depth", len(widths) + 1)):
            _set(self, name, value)
        if not widths:  # nor what hidden layers would have
            for name, value in (("activation", "relu"), ("dropout", 0.0), ("normalization", "none")):
                _set(self, name, value)

    @property
    def label(self) -> str:
        """A name for people, such as `digits rectangle d3 2^10`; fields at their defaults are left out."""
        layers = map(self.text_of, ["dataset", "shape", "depth", "size", "widths"])
        return " ".join([*filter(None, layers), *self.settings])

    def text_of(self, axis: str) -> str:
        """The value of an axis in a name for people: `d3`, `2^10`, `64-32`, `lr0.01`."""
        if axis == "widths":
            return "" if self.hidden_widths is None else "-".join(map(str, self.hidden_widths)) or "linear"
        if axis in ("shape", "depth", "size") and self.hidden_widths is not None:
            return ""
        if axis == "depth":
            return f"d{self.depth}"
        if axis == "size":
            exponent = self.size.bit_length() - 1
            return f"2^{exponent}" if self.size == 1 << exponent else str(self.size)
        return TaskExperiment.text_of(self, axis)


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
    "weight_decay": "wd",
    "schedule": "",
    "warmup_epochs": "warmup",
    "step_epochs": "every",
    "step_factor": "x",
    "gradient_clip": "clip",
    "initialization": "",
    "dropout": "dropout",
    "normalization": "norm-",
    "precision": "",
    "epochs": "e",
    "draws": "",
}
