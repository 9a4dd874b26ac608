"""The columns of networks: those of the published BUTTER data set, and our additions."""

from __future__ import annotations

import pyarrow as pa

from survey.networks.metrics import INITIAL_COLUMNS, METRICS, VALIDATION_COLUMNS
from survey.networks.topology import WIDTHS
from survey.workloads.columns import Column, Columns, GivenList, common
from survey.workloads.registry import NETWORKS

_COMMON = common()

_EXPERIMENT: dict[str, Column] = {
    "experiment_id": _COMMON["experiment_id"],
    "activation": (pa.string(), "Activation of the hidden layers"),
    "batch": _COMMON["batch"],
    "batch_size": (pa.uint32(), "Rows in a minibatch"),
    "dataset": (pa.string(), "Task: NAME (PMLB), sklearn:NAME, or a name of the search space"),
    "depth": (pa.uint8(), "Number of layers with weights, the output layer included"),
    "draws": _COMMON["draws"],
    "early_stopping": (pa.string(), "Always null: no run stops early"),
    "epochs": _COMMON["epochs"],
    "input_activation": (pa.string(), "Activation of the first hidden layer"),
    "kernel_regularizer": (pa.string(), "Penalty on the kernels, as JSON; null where there is none"),
    "kernel_regularizer.l1": (pa.float32(), "Coefficient of sum |w|; null where there is none"),
    "kernel_regularizer.l2": (pa.float32(), "Coefficient of sum w^2; null where there is none"),
    "kernel_regularizer.type": (pa.string(), "l1, l2, or null for none"),
    "label_noise": (pa.float32(), "Noise on the training labels, as a fraction"),
    "learning_rate": (pa.float32(), "Learning rate of the optimizer"),
    "momentum": (pa.float32(), "Momentum of SGD or RMSprop; 0 for adam and adamw"),
    "optimizer": (pa.string(), "adam, RMSprop, SGD or adamw, in the form of Keras"),
    "output_activation": (pa.string(), "softmax or sigmoid"),
    "shape": (pa.string(), "Rule that gives the layer widths; widths where they were given"),
    "size": (pa.uint64(), "Target number of weights and biases; their exact number where widths were given"),
    "task": (pa.string(), "classification or regression"),
    "task_version": _COMMON["task_version"],
    "task_digest": (pa.string(), "SHA-256 of the prepared data"),
    "target_minimum": (
        pa.float64(),
        "Least value of a min-max scaled target, in its unit; null where it is not scaled",
    ),
    "target_range": (pa.float64(), "Greatest value of such a target less the least, by which losses are turned back"),
    "target_variance": (
        pa.float64(),
        "Variance of a regression target over all rows, as prepared, against which a squared error is judged",
    ),
    "test_split": (pa.float32(), "Fraction of the rows in the test set"),
    "test_split_method": (
        pa.string(),
        "How test rows are chosen: shuffled_train_test_split, drawn by each repetition, or given by the data",
    ),
    "train_fraction": (pa.float32(), "Fraction of the rows for training that the network is trained on"),
    "validation_split": (pa.float32(), "Fraction of the rows for training that is drawn as the validation set"),
    "weight_decay": (pa.float32(), "Decoupled weight decay of adamw; 0 for the others"),
    "schedule": (pa.string(), "How the learning rate changes: constant, cosine, linear or step"),
    "warmup_epochs": (pa.uint32(), "Epochs in which the learning rate rises, before the schedule begins"),
    "step_epochs": (pa.uint32(), "Epochs between changes of the schedule step; 0 for the others"),
    "step_factor": (pa.float32(), "What each of these multiplies the learning rate by; 1 for the others"),
    "gradient_clip": (pa.float32(), "Norm above which the gradients of a run are scaled down; 0 for never"),
    "initialization": (pa.string(), "Distribution of the initial kernels, as Keras names it"),
    "dropout": (pa.float32(), "Probability with which outputs of hidden layers are dropped in training"),
    "normalization": (pa.string(), "layer: hidden layers are normalized before their activation; none"),
    "num_free_parameters": (pa.uint64(), "Exact number of trainable parameters, those of normalizations included"),
    "widths": (pa.list_(pa.field("element", pa.uint32())), "Width of each layer, the output layer last"),
    "network_structure": (pa.string(), "The network as JSON: layers, activations, residual connections, loss"),
}

NEW_AXES: dict[str, str | float] = {
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup_epochs": 0,
    "step_epochs": 0,
    "step_factor": 1.0,
    "gradient_clip": 0.0,
    "initialization": "glorot_uniform",
    "dropout": 0.0,
    "normalization": "none",
}
"""Hyperparameters that came after the first version, with what it trained by."""

OF_ARCHITECTURE = (
    "activation",
    "depth",
    "dropout",
    "initialization",
    "input_activation",
    "network_structure",
    "normalization",
    "shape",
    "size",
    "widths",
)
"""Columns that say how a fully connected network is built; the others are those of whatever learns a task."""

COLUMNS = Columns(
    workload=NETWORKS,
    experiment=_EXPERIMENT,
    partition=(
        "dataset",
        "learning_rate",
        "batch_size",
        "kernel_regularizer.type",
        "label_noise",
        "epochs",
        "shape",
        "depth",
    ),
    metrics=METRICS,
    of_runs={
        "core": (
            pa.string(),
            "What has trained the run: torch, or the compiled core by its instruction set (avx512, avx2 or neon); "
            "several where another one has continued it; null before there was a choice",
        ),
    }
    | {
        name: (pa.float32(), f"{metric.meaning}, before training; null where record_initial was not asked for")
        for name, metric in zip(INITIAL_COLUMNS, METRICS.all, strict=True)
    },
    derived=frozenset(
        {
            "early_stopping",
            "input_activation",
            "kernel_regularizer",
            "network_structure",
            "num_free_parameters",
            "output_activation",
            "task",
            "task_digest",
            "widths",
        }
    ),
    given_lists={
        "widths": GivenList("shape", WIDTHS, derived=1, decides=("depth", "size")),  # the last layer is of the outputs
    },
    not_published=frozenset(
        {
            "core",
            "draws",
            "momentum",
            "task_digest",
            "target_minimum",
            "target_range",
            "target_variance",
            "train_fraction",
            "validation_split",
            *NEW_AXES,
            *VALIDATION_COLUMNS,
            *INITIAL_COLUMNS,
        }
    ),
    of_data=("target_minimum", "target_range", "target_variance"),
    one_for_data=("task_digest", "test_split", "test_split_method"),
    before={"draws": "independent", "train_fraction": 1.0, "validation_split": 0.0, **NEW_AXES},
    task_column="dataset",
)
