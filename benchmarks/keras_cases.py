"""What `keras_reference` trains: small synthetic tasks, and a spread of settings on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import SHAPES
from survey.networks.training.network import ACTIVATIONS
from survey.workloads.experiment import Run


@dataclass(frozen=True)
class Task:
    """A small synthetic data set.

    Attributes:
        kind: `classification` or `regression`.
        inputs: int64 [rows, features], `input_denominator` times the features; the first rows of `common_inputs`.
        targets: int64 [rows, outputs], `target_denominator` times the targets.
    """

    kind: str
    inputs: np.ndarray
    targets: np.ndarray
    input_denominator: int = 1024
    target_denominator: int = 1

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Features [rows, features] and targets [rows, outputs], float64 with at most 11 bits."""
        return self.inputs / self.input_denominator, self.targets / self.target_denominator

    def to_dict(self) -> dict[str, object]:
        """All but the inputs, as plain lists and numbers."""
        described = {name: value for name, value in vars(self).items() if name != "inputs"}
        return {**described, "targets": self.targets.tolist()}


@dataclass(frozen=True)
class Case:
    """What is trained: an experiment on a task, and the seed of its one run."""

    name: str
    experiment: NetworkExperiment
    seed: int


def tasks() -> dict[str, Task]:
    """All tasks by name; a `saturated` one has inputs up to 256, so that outputs come to lie at 0 and 1."""
    return {
        "classes_2": _classification(2, rows=203, seed=1),
        "classes_3": _classification(3, rows=203, seed=2),
        "classes_7": _classification(7, rows=200, seed=3),
        "classes_10": _classification(10, rows=241, seed=4),
        "classes_26": _classification(26, rows=241, seed=5),
        "regression_1": _regression(1, rows=203, seed=6),
        "regression_4": _regression(4, rows=200, seed=7),
        # Targets of few values, as those of banana and 294_satellite_image.
        "regression_binary": _as_regression(_classification(2, rows=203, seed=8)),
        "regression_one_hot": _as_regression(_classification(6, rows=203, seed=9)),
        # Some minibatches have labels that are all 0 or 1, which the hinge reads as -1 and 1, and others do not.
        "regression_mixed": _regression(1, rows=203, seed=10, binary_share=0.8),
        "saturated_2": _classification(2, rows=203, seed=11, input_denominator=4),
        "saturated_3": _classification(3, rows=203, seed=12, input_denominator=4),
        "saturated_regression": _regression(1, rows=203, seed=13, input_denominator=4),
    }


def common_inputs() -> np.ndarray:
    """The inputs of the longest task, int64 [241, 6]; the others have their first rows."""
    return np.random.default_rng(0).integers(0, 1025, (241, 6))


def _scores(outputs: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, int64 [rows, 6], and for each row a noisy function of them, float64 [rows, outputs]."""
    inputs = common_inputs()[:rows]
    generator = np.random.default_rng(seed)
    hidden = np.tanh(3 * (inputs / 1024 - 0.5) @ generator.normal(size=(6, 8)))
    return inputs, hidden @ generator.normal(size=(8, outputs)) + 0.3 * generator.normal(size=(rows, outputs))


def _classification(classes: int, *, rows: int, seed: int, input_denominator: int = 1024) -> Task:
    inputs, scores = _scores(classes, rows, seed)
    labels = scores.argmax(1)
    targets = labels[:, None] if classes == 2 else np.eye(classes, dtype=np.int64)[labels]
    return Task("classification", inputs, targets, input_denominator)


def _regression(
    outputs: int, *, rows: int, seed: int, binary_share: float = 0.0, input_denominator: int = 1024
) -> Task:
    inputs, scores = _scores(outputs, rows, seed)
    low, high = scores.min(0), scores.max(0)
    targets = (1024 * (scores - low) / (high - low)).round().astype(np.int64)
    binary = np.random.default_rng(seed).random(targets.shape) < binary_share
    targets[binary] = 1024 * (targets[binary] > 512)
    return Task("regression", inputs, targets, input_denominator, target_denominator=1024)


def _as_regression(task: Task) -> Task:
    return Task("regression", task.inputs, task.targets, task.input_denominator)


def cases() -> list[Case]:
    """All cases, under the labels of their experiments; each is its experiment's first repetition."""
    named = {}
    for settings in (*_networks(), *_optimizers(), *_penalties_and_noise(), *_activations(), *_batches(), *_targets()):
        # Of version 1, as its seeds are those of the stored numbers; both versions train alike.
        fixed = {"shape": "rectangle", "size": 300, "depth": 3, "batch_size": 32, "training_version": 1}
        experiment = NetworkExperiment(**{**fixed, **settings})
        named[experiment.label] = experiment
    return [Case(name, experiment, Run(experiment, 0).seed) for name, experiment in named.items()]


_ONE_OF_EACH_KIND = ("classes_2", "classes_3", "regression_1")


def _networks() -> Iterator[dict]:
    for k, shape in enumerate(SHAPES):
        dataset, depth, size = ("classes_3", "regression_1", "classes_2", "classes_7")[k % 4], 4 + k % 7, 1000
        if shape in ("trapezoid_residual", "exponential_residual"):
            dataset, depth, size = "classes_10", 6, 750  # some neighbours are of one width, others are not
        # The residual ones learn fast: at 1e-3 the rounding of Keras's own Adam grows to 1e-5 in them in float32.
        rate = 1e-4 if shape.endswith("_residual") else 1e-3
        yield {"dataset": dataset, "shape": shape, "depth": depth, "size": size, "learning_rate": rate}
    yield {"dataset": "classes_3", "depth": 2, "size": 400}


def _optimizers() -> Iterator[dict]:
    # RMSprop without momentum is another one in Keras 3, see keras_reference.
    kinds = (("adam", 0.0), ("RMSprop", 0.9), ("SGD", 0.0), ("SGD", 0.9))
    for optimizer, momentum in kinds:
        for rate in (1e-2, 1e-3):
            for dataset in _ONE_OF_EACH_KIND:
                yield {"dataset": dataset, "optimizer": optimizer, "momentum": momentum, "learning_rate": rate}
    yield {"dataset": "classes_7", "learning_rate": 1e-5}


def _penalties_and_noise() -> Iterator[dict]:
    for dataset in _ONE_OF_EACH_KIND:
        yield {"dataset": dataset, **_penalty("l1", 0.01), "learning_rate": 1e-3}
        yield {"dataset": dataset, **_penalty("l2", 0.02), "learning_rate": 1e-3}
    yield {"dataset": "classes_7", **_penalty("l1", 7.8125e-5), "learning_rate": 1e-2, "depth": 5}
    yield {"dataset": "regression_4", **_penalty("l2", 0.32), "learning_rate": 1e-2, "depth": 5}
    for dataset in (*_ONE_OF_EACH_KIND, "classes_10", "regression_4"):
        yield {"dataset": dataset, "label_noise": 0.2, "learning_rate": 1e-3}
    everything = {"shape": "rectangle_residual", "depth": 5, "batch_size": 23, "label_noise": 0.1}
    yield {"dataset": "classes_10", "activation": "gelu", **everything, **_penalty("l2", 0.001)}
    yield {"dataset": "classes_2", "activation": "tanh", "optimizer": "RMSprop", "momentum": 0.9, **everything}
    yield {"dataset": "regression_4", "optimizer": "SGD", "momentum": 0.9, **everything, **_penalty("l1", 0.001)}


def _activations() -> Iterator[dict]:
    for activation in ACTIVATIONS:
        residual = {"shape": "rectangle_residual", "depth": 4}
        yield {"dataset": "classes_3", "activation": activation, **residual, "learning_rate": 1e-3}
    yield {"dataset": "regression_1", "activation": "gelu", "depth": 6, "learning_rate": 1e-2}


def _batches() -> Iterator[dict]:
    """Batch sizes that do and do not divide the 160 or 162 training rows, or exceed them."""
    for dataset, sizes in (
        ("classes_2", (7,)),
        ("classes_3", (27, 162)),
        ("classes_7", (40, 256)),
        ("regression_1", (54, 1000)),
    ):
        for size in sizes:
            yield {"dataset": dataset, "batch_size": size, "learning_rate": 1e-3}


def _targets() -> Iterator[dict]:
    for dataset in tasks():
        if dataset.startswith("saturated"):
            # Steps on large inputs amplify rounding; what saturation asks of the statistics shows without them.
            yield {"dataset": dataset, "size": 500, "learning_rate": 1e-5}
        else:
            yield {"dataset": dataset, "batch_size": 4 if dataset == "regression_mixed" else 32, "learning_rate": 1e-3}


def _penalty(kind: str, coefficient: float) -> dict[str, str | float]:
    return {"kernel_regularizer_type": kind, f"kernel_regularizer_{kind}": coefficient}
