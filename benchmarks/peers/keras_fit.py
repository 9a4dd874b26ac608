"""Keras `fit` on TensorFlow, one run: what made the BUTTER data set.

The rows come from a tf.data pipeline that gathers them in the order of each epoch, as `fit` itself does for arrays.
"""

from __future__ import annotations

import os
import time

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from benchmarks.cells import Cell, data_of, draws_of, seeds_of
from benchmarks.peers import Epochs
from survey.metrics import HISTORY_COLUMNS

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


class _Clock(keras.callbacks.Callback):
    """Takes the time from one epoch's end, its test pass included, to the next."""

    def on_train_begin(self, logs=None) -> None:
        self.ends = [time.perf_counter()]

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.ends.append(time.perf_counter())


class Peer:
    """`fit` with all statistics as metrics; `steps_per_execution` minibatches for each call of the compiled program."""

    steps_per_execution = 1

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str) -> None:
        (seed,) = seeds_of(cell, num_runs)
        inputs, targets = data_of(cell)
        draws = draws_of(cell, seed, num_epochs)
        self._steps = -(-draws.orders.shape[1] // cell.batch_size)
        widths = cell.widths
        layers = [keras.layers.Dense(width, activation="relu") for width in widths[:-1]]
        model = keras.Sequential(
            [keras.Input((cell.num_inputs,)), *layers, keras.layers.Dense(widths[-1], activation="softmax")]
        )
        model.set_weights([each for layer in draws.layers for each in layer])
        metrics = keras.metrics
        model.compile(
            optimizer=keras.optimizers.Adam(cell.experiment.learning_rate, epsilon=1e-7),
            loss="categorical_crossentropy",
            metrics=[
                metrics.CategoricalAccuracy("accuracy"),
                metrics.MeanSquaredError("mean_squared_error"),
                metrics.MeanAbsoluteError("mean_absolute_error"),
                metrics.RootMeanSquaredError("root_mean_squared_error"),
                metrics.MeanSquaredLogarithmicError("mean_squared_logarithmic_error"),
                metrics.Hinge("hinge"),
                metrics.SquaredHinge("squared_hinge"),
                metrics.CosineSimilarity("cosine_similarity"),
                metrics.KLDivergence("kullback_leibler_divergence"),
            ],
            steps_per_execution=min(self.steps_per_execution, self._steps),
        )
        self._model, self._batch_size = model, cell.batch_size
        x, y = tf.constant(inputs), tf.constant(targets)

        def batches(order: tf.Tensor) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices(order).batch(cell.batch_size)

        gather = lambda rows: (tf.gather(x, rows), tf.gather(y, rows))  # noqa: E731
        self._orders, self._batches, self._gather = draws.orders, batches, gather
        self._test = batches(tf.constant(draws.test_rows)).map(gather)
        self._epoch = 0

    @property
    def note(self) -> str:
        """How it is compiled."""
        return "XLA" if self._model.jit_compile else "tf.function"

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs."""
        clock = _Clock()
        orders = tf.data.Dataset.from_tensor_slices(self._orders[self._epoch : self._epoch + num_epochs])
        data = orders.flat_map(self._batches).map(self._gather).prefetch(tf.data.AUTOTUNE)
        history = self._model.fit(
            data,
            epochs=num_epochs,
            steps_per_epoch=self._steps,
            validation_data=self._test,
            callbacks=[clock],
            verbose=0,
        ).history
        self._epoch += num_epochs
        statistics = np.stack([history[name] for name in HISTORY_COLUMNS], axis=1)[:, :, None]
        return Epochs([float(each) for each in np.diff(clock.ends)], statistics)
