"""The columns of networks: those of the published BUTTER data set, and our additions."""

from __future__ import annotations

import pyarrow as pa

from survey.networks.metrics import METRICS, VALIDATION_COLUMNS
from survey.workloads.columns import Column, Columns, common
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
    "momentum": (pa.float32(), "Momentum of SGD or RMSprop; 0 for adam"),
    "optimizer": (pa.string(), "adam, RMSprop or SGD, in the form of Keras"),
    "output_activation": (pa.string(), "softmax or sigmoid"),
    "shape": (pa.string(), "Rule that gives the layer widths"),
    "size": (pa.uint64(), "Target number of trainable parameters"),
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
    "num_free_parameters": (pa.uint64(), "Exact number of trainable parameters"),
    "widths": (pa.list_(pa.field("element", pa.uint32())), "Width of each layer, the output layer last"),
    "network_structure": (pa.string(), "The network as JSON: layers, activations, residual connections, loss"),
}

OF_ARCHITECTURE = (
    "activation",
    "depth",
    "input_activation",
    "network_structure",
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
        }
    ),
    not_published=frozenset(
        {
            "draws",
            "momentum",
            "task_digest",
            "target_minimum",
            "target_range",
            "target_variance",
            "train_fraction",
            "validation_split",
            *VALIDATION_COLUMNS,
        }
    ),
    of_data=("target_minimum", "target_range", "target_variance"),
    one_for_data=("task_digest", "test_split", "test_split_method"),
    before={"draws": "independent", "train_fraction": 1.0, "validation_split": 0.0},
    task_column="dataset",
)
