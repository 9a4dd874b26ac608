"""Small tasks, trainers of them, and experiments of every kind."""

from __future__ import annotations

import torch

from survey.networks.experiment import INITIALIZATIONS, NetworkExperiment
from survey.networks.search_space import ACTIVATIONS
from survey.networks.topology import layer_widths
from survey.networks.training.loop import Trainer


def make_task(kind: str, outputs: int, rows: int = 203, num_inputs: int = 6, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(rows, num_inputs, generator=generator)
    if kind == "regression":
        return inputs, torch.rand(rows, outputs, generator=generator)
    classes = torch.randint(0, max(2, outputs), (rows,), generator=generator)
    return inputs, torch.eye(outputs)[classes] if outputs > 1 else classes[:, None].float()


def widths_of(experiment, inputs, targets) -> tuple[int, ...]:
    if experiment.hidden_widths is not None:
        return (*experiment.hidden_widths, targets.shape[1])
    return layer_widths(experiment.shape, experiment.size, experiment.depth, inputs.shape[1], targets.shape[1])[0]


def make_trainer(experiment, inputs, targets, kind, seeds, **options):
    widths = widths_of(experiment, inputs, targets)
    return Trainer(experiment, inputs=inputs, targets=targets, task_kind=kind, widths=widths, seeds=seeds, **options)


def setting(**changes) -> NetworkExperiment:
    return NetworkExperiment(
        **{
            "dataset": "x",
            "shape": "rectangle",
            "size": 300,
            "depth": 3,
            "batch_size": 32,
            "learning_rate": 1e-3,
            **changes,
        }
    )


CASES = [
    ("classification", 3, setting()),
    ("classification", 1, setting(shape="trapezoid", depth=4)),
    ("classification", 10, setting(shape="exponential", depth=5, size=600)),
    ("regression", 1, setting(shape="wide_first_2x", depth=4)),
    ("regression", 4, setting(batch_size=27)),
    ("classification", 3, setting(batch_size=162)),
    ("classification", 3, setting(batch_size=1000)),
    ("classification", 3, setting(batch_size=7, depth=2)),
    ("regression", 1, setting(batch_size=23, label_noise=0.2)),
    ("classification", 3, setting(label_noise=0.1)),
    ("classification", 1, setting(label_noise=0.1)),
    ("classification", 3, setting(shape="rectangle_residual", depth=6)),
    ("classification", 3, setting(shape="wide_first_4x_residual", depth=6, size=800)),
    ("regression", 1, setting(shape="trapezoid_residual", depth=5)),
    ("classification", 3, setting(optimizer="SGD", learning_rate=0.1)),
    ("classification", 3, setting(optimizer="SGD", momentum=0.9, learning_rate=0.01)),
    ("classification", 3, setting(optimizer="RMSprop")),
    ("classification", 3, setting(optimizer="RMSprop", momentum=0.9)),
    ("classification", 3, setting(kernel_regularizer_type="l1", kernel_regularizer_l1=0.01)),
    ("regression", 1, setting(kernel_regularizer_type="l2", kernel_regularizer_l2=0.02)),
    ("classification", 3, setting(validation_split=0.1)),
    ("classification", 1, setting(validation_split=0.3, batch_size=27, train_fraction=0.5)),
    ("regression", 2, setting(validation_split=0.25, batch_size=23, label_noise=0.2)),
    (
        "classification",
        3,
        setting(validation_split=0.2, kernel_regularizer_type="l2", kernel_regularizer_l2=0.02),
    ),
    ("classification", 10, setting(train_fraction=0.07, label_noise=0.3)),
    ("classification", 3, setting(optimizer="adamw", weight_decay=0.1)),
    ("regression", 1, setting(optimizer="adamw", weight_decay=0.01, schedule="cosine", warmup_epochs=2, epochs=6)),
    ("classification", 3, setting(schedule="linear", epochs=5)),
    ("classification", 3, setting(schedule="step", step_epochs=2, step_factor=0.3, warmup_epochs=1, epochs=9)),
    ("classification", 3, setting(optimizer="SGD", momentum=0.9, learning_rate=0.1, schedule="cosine", epochs=7)),
    ("classification", 3, setting(optimizer="RMSprop", schedule="linear", epochs=5)),
    ("classification", 3, setting(optimizer="RMSprop", momentum=0.9, warmup_epochs=3, epochs=5)),
    ("classification", 3, setting(optimizer="SGD", learning_rate=0.3, gradient_clip=0.2)),
    ("classification", 3, setting(dropout=0.1, activation="tanh", depth=4)),
    ("regression", 1, setting(dropout=0.5, activation="gelu", shape="rectangle_residual", depth=5, batch_size=27)),
    ("classification", 1, setting(dropout=0.25, batch_size=27)),
    ("classification", 3, setting(normalization="layer")),
    ("classification", 3, setting(normalization="layer", activation="swish", shape="trapezoid", depth=4)),
    (
        "regression",
        2,
        setting(
            normalization="layer", dropout=0.2, shape="rectangle_residual", depth=5, activation="tanh", batch_size=27
        ),
    ),
    (
        "classification",
        3,
        setting(normalization="layer", optimizer="adamw", weight_decay=0.1, gradient_clip=0.3, dropout=0.1),
    ),
    ("classification", 1, setting(normalization="layer", kernel_regularizer_type="l1", kernel_regularizer_l1=0.01)),
    ("classification", 3, setting(hidden_widths=(9, 5, 7), dropout=0.1)),
    ("classification", 3, setting(hidden_widths=(), kernel_regularizer_type="l2", kernel_regularizer_l2=0.02)),
    ("regression", 1, setting(hidden_widths=(), batch_size=27)),
    *(("classification", 3, setting(initialization=name, depth=5)) for name in INITIALIZATIONS),
    (
        "classification",
        1,
        setting(gradient_clip=0.05, kernel_regularizer_type="l2", kernel_regularizer_l2=0.02, batch_size=27),
    ),
    *(("classification", 3, setting(activation=name, shape="rectangle_residual", depth=4)) for name in ACTIVATIONS),
]
