"""Train small networks with Keras 3 on TensorFlow and write their statistics, for `test_keras.py`.

    KERAS_BACKEND=tensorflow python -m benchmarks.keras_reference

needs `pip install -e '.[bench]' -c constraints.txt` and takes some twenty minutes on one core. The numbers come from
Keras's own layers, losses, metrics, regularizers and optimizers, by `fit`: training statistics are the running metrics
of the epoch, test statistics the validation after it. Each case is trained in float64 and, up to a learning rate of
1e-3, in float32: above that rounding grows too fast for two programs to agree. Initial parameters, split, epoch orders
and label noise are the draws of `survey.networks.training.streams`.

Where Keras 3 differs from Keras 2.10, which made BUTTER and whose definitions ours are:

- RMSprop without momentum: Keras 3 divides by sqrt(v + epsilon), Keras 2.10 by sqrt(v) + epsilon. It is in no case;
  `tests/networks/training/test_keras.py` steps the formula by hand instead. With momentum the two agree.
- cosine_similarity: a row shorter than 1e-7 is divided by 1e-7 in Keras 3 and here, one shorter than 1e-6 by 1e-6 in
  Keras 2.10. No case has such rows, other than rows of zeros, whose similarity is 0 in all.

Where Keras 3 in float64 still has constants of float32 precision, it is given better ones: the betas of Adam and the
momentum of SGD (`_optimizer`), the coefficients of penalties (`_regularizer`), and the root of 2 in gelu
(`_activation`). In float32 all is Keras's own: its Adam there takes 1 - 0.999^t from rounded numbers, which misses the
first steps' size by some 6e-6.

The file is JSON. `inputs`, of which a task has the first rows, and each task's `targets` are integers, to be divided by
the task's denominators: so they are exact in float32, and depend on no generator of random numbers. A case has its
settings, the seed of its run, and for each precision the statistics of each epoch in the order of `columns`, in the
shortest decimals that give back the number.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch

from benchmarks.keras_cases import Case, Task, cases, common_inputs, tasks
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import HISTORY_COLUMNS, STATISTICS
from survey.networks.topology import layer_widths, residual_layers
from survey.networks.training import streams

OUTPUT = Path(__file__).parent.parent / "tests" / "data" / "keras_reference.json"
EPOCHS = 5
MAX_FLOAT32_LEARNING_RATE = 1e-3


def train(case: Case, task: Task, precision: str) -> np.ndarray:
    """Train a case with Keras.

    Args:
        case: What to train.
        task: The case's task.
        precision: `float64` or `float32`.

    Returns:
        float64 [epochs, 20]: the statistics in the order of `HISTORY_COLUMNS`.
    """
    import keras

    keras.backend.clear_session()
    keras.config.set_floatx(precision)
    experiment, seed = case.experiment, case.seed
    inputs, targets = (torch.from_numpy(array) for array in task.arrays())
    train_rows, test_rows = streams.split(len(inputs), seed=seed)
    train_inputs, train_targets = inputs[train_rows], _noisy(targets[train_rows], task.kind, experiment, seed)
    test = inputs[test_rows].numpy(), targets[test_rows].numpy()
    model = _model(experiment, task.kind, inputs.shape[1], targets.shape[1], seed, precision)
    history = []
    for epoch in range(1, EPOCHS + 1):
        order = streams.epoch_orders(len(train_rows), seeds=[seed], epoch=epoch)[0]
        logs = model.fit(
            train_inputs[order].numpy(),
            train_targets[order].numpy(),
            batch_size=experiment.batch_size,
            shuffle=False,
            validation_data=test,
            validation_batch_size=experiment.batch_size,
            verbose=0,
        ).history
        history.append([logs[name][0] for name in HISTORY_COLUMNS])
    return np.array(history, dtype=np.float64)


def _noisy(targets: torch.Tensor, kind: str, experiment: NetworkExperiment, seed: int) -> torch.Tensor:
    """Training targets [rows, outputs] with the label noise that the run draws."""
    noise = experiment.label_noise
    if not noise:
        return targets
    if kind == "regression":
        return streams.noisy_values(targets, noise, seed=seed)
    if targets.shape[1] == 1:
        return streams.noisy_labels(targets[:, 0].long(), 2, noise, seed=seed)[:, None].double()
    classes = targets.shape[1]
    return torch.eye(classes, dtype=torch.float64)[streams.noisy_labels(targets.argmax(1), classes, noise, seed=seed)]


def _model(experiment: NetworkExperiment, kind: str, num_inputs: int, num_outputs: int, seed: int, precision: str):
    """A compiled Keras model with the run's initial parameters."""
    import keras

    widths, _ = layer_widths(experiment.shape, experiment.size, experiment.depth, num_inputs, num_outputs)
    adds_input = residual_layers(experiment.shape, widths)
    if experiment.shape.endswith("_residual") and not any(adds_input):
        raise ValueError(f"{experiment.label}: no layer adds its input; choose another size or depth, found {widths}")
    softmax = kind == "classification" and num_outputs > 1
    h = inputs = keras.Input((num_inputs,))
    for k, width in enumerate(widths):
        last = k == len(widths) - 1
        name = experiment.activation if not last else "softmax" if softmax else "sigmoid"
        activation, penalty = _activation(name, precision), _regularizer(experiment, precision)
        out = keras.layers.Dense(width, activation=activation, kernel_regularizer=penalty)(h)
        h = keras.layers.Add()([out, h]) if adds_input[k] else out
    model = keras.Model(inputs, h)
    layers = streams.initial_parameters(widths, num_inputs, seed=seed, dtype=getattr(torch, precision))
    model.set_weights([array.numpy() for layer in layers for array in layer])
    cross_entropy = "categorical_crossentropy" if softmax else "binary_crossentropy"
    model.compile(
        optimizer=_optimizer(experiment, precision),
        loss="mean_squared_error" if kind == "regression" else cross_entropy,
        metrics=_metrics(),
        jit_compile=False,
    )
    return model


def _activation(name: str, precision: str):
    """Keras's activation of this name, but for gelu in float64: TensorFlow's has a root of 2 of float32 precision."""
    import keras

    if name == "gelu" and precision == "float64":
        return lambda x: 0.5 * x * (1.0 + keras.ops.erf(x * math.sqrt(0.5)))
    return keras.activations.get(name)


def _regularizer(experiment: NetworkExperiment, precision: str):
    """Keras's L1 or L2 penalty; it rounds its coefficient to float32, so that is set again."""
    import keras

    kind = experiment.kernel_regularizer_type
    if not kind:
        return None
    regularizer = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}[kind]()
    coefficient = getattr(experiment, f"kernel_regularizer_{kind}")
    setattr(regularizer, kind, keras.ops.convert_to_tensor(coefficient, dtype=precision))
    return regularizer


def _optimizer(experiment: NetworkExperiment, precision: str):
    import keras

    # Keras casts these to the weights' type by way of float32, unless they have a type of their own.
    number = np.float64 if precision == "float64" else float
    rate, momentum = experiment.learning_rate, number(experiment.momentum)
    if experiment.optimizer == "adam":
        return keras.optimizers.Adam(rate, beta_1=number(0.9), beta_2=number(0.999), epsilon=1e-7)
    if experiment.optimizer == "SGD":
        return keras.optimizers.SGD(rate, momentum=momentum)
    if not momentum:
        raise ValueError("RMSprop without momentum is not Keras 2.10's in Keras 3, see the top of this file")
    return keras.optimizers.RMSprop(rate, rho=0.9, momentum=momentum, epsilon=1e-7)


def _metrics() -> list:
    """Keras's metrics under our names; `accuracy` is left to Keras to choose, as BUTTER did."""
    import keras

    classes = {
        "mean_squared_error": keras.metrics.MeanSquaredError,
        "mean_absolute_error": keras.metrics.MeanAbsoluteError,
        "root_mean_squared_error": keras.metrics.RootMeanSquaredError,
        "mean_squared_logarithmic_error": keras.metrics.MeanSquaredLogarithmicError,
        "hinge": keras.metrics.Hinge,
        "squared_hinge": keras.metrics.SquaredHinge,
        "cosine_similarity": keras.metrics.CosineSimilarity,
        "kullback_leibler_divergence": keras.metrics.KLDivergence,
    }
    assert ("loss", "accuracy", *classes) == STATISTICS
    return ["accuracy", *(metric(name=name) for name, metric in classes.items())]


def record(case: Case, task: Task) -> dict[str, object]:
    """Train a case in each precision that it is compared in; return its part of the file."""
    experiment = case.experiment
    settings = {name: getattr(experiment, name) for name in experiment.canonical if name != "training_version"}
    result: dict[str, object] = {"name": case.name, "seed": case.seed, "experiment": settings}
    result["float64"] = train(case, task, "float64").tolist()
    if experiment.learning_rate <= MAX_FLOAT32_LEARNING_RATE:
        single = train(case, task, "float32").astype(np.float32)
        result["float32"] = [[float(str(value)) for value in epoch] for epoch in single]
    return result


def write(path: Path, head: dict[str, object], records: list[dict[str, object]]) -> None:
    """Write the file, a case a line, beside its place and then rename it."""
    lines = ",\n".join(json.dumps(record, separators=(",", ":"), allow_nan=False) for record in records)
    text = f'{json.dumps(head, separators=(",", ":"))[:-1]},\n"cases":[\n{lines}\n]}}\n'
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def main() -> None:
    """Train all cases and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: %(default)s")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    options = parser.parse_args()

    import keras
    import tensorflow

    if keras.backend.backend() != "tensorflow":
        parser.error(f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow")
    chosen = [case for case in cases() if options.only in case.name]
    used = {name: task for name, task in tasks().items() if any(case.experiment.dataset == name for case in chosen)}
    records = []
    for case in chosen:
        print(f"{len(records) + 1}/{len(chosen)} {case.name}", flush=True)
        records.append(record(case, used[case.experiment.dataset]))
    head = {
        "made_by": "python -m benchmarks.keras_reference",
        "versions": {"keras": keras.__version__, "tensorflow": tensorflow.__version__},
        "columns": HISTORY_COLUMNS,
        "inputs": common_inputs().tolist(),
        "tasks": {name: task.to_dict() for name, task in used.items()},
    }
    write(options.output, head, records)


if __name__ == "__main__":
    main()
