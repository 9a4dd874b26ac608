"""Keras `fit` on TensorFlow with arrays, one run: what made the BUTTER data set.

The first epochs, whose statistics are compared, are a `fit` each, fed in the order of the draws. Those that are timed
are one `fit`, which shuffles the rows itself: making a data pipeline for each epoch would cost it more than training.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from benchmarks.cells import Cell, data_of, draws_of, seeds_of
from benchmarks.peers import Epochs, clock
from survey.networks.metrics import HISTORY_COLUMNS

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


class _Clock(keras.callbacks.Callback):
    """Takes the time from one epoch's end, its test pass included, to the next."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self._now = clock(device)

    def on_train_begin(self, logs=None) -> None:
        self.ends = [self._now()]

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.ends.append(self._now())


class Peer:
    """`fit` with all statistics as metrics, and what Keras chooses where there is a choice."""

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str) -> None:
        (seed,) = seeds_of(cell, num_runs)
        self.inputs, self.targets = data_of(cell)
        self.draws = draws_of(cell, seed, num_epochs)
        self.batch_size, self.epoch, self._device = cell.batch_size, 0, device
        self.model = keras.Sequential(
            [
                keras.Input((cell.num_inputs,)),
                *(keras.layers.Dense(width, activation="relu") for width in cell.widths[:-1]),
                keras.layers.Dense(cell.widths[-1], activation="softmax"),
            ]
        )
        self.model.set_weights([each for layer in self.draws.layers for each in layer])
        self.compile(cell)

    def compile(self, cell: Cell, **how: Any) -> None:
        """Compile the model with the published loss, optimizer and metrics."""
        metrics = keras.metrics
        self.model.compile(
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
            **how,
        )

    @property
    def note(self) -> str:
        """How it is compiled."""
        return "XLA" if self.model.jit_compile else "tf.function"

    def check(self, num_epochs: int) -> Epochs:
        """Train epochs in the order of the draws."""
        results = [self._fit(rows, 1, shuffle=False) for rows in self.draws.orders[:num_epochs]]
        return Epochs([each.seconds[0] for each in results], np.concatenate([each.statistics for each in results]))

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs."""
        return self._fit(self.draws.train_rows, num_epochs, shuffle=True)

    def _fit(self, rows: np.ndarray, num_epochs: int, *, shuffle: bool) -> Epochs:
        test = self.draws.test_rows
        return self.fit(
            self.inputs[rows],
            self.targets[rows],
            batch_size=self.batch_size,
            epochs=num_epochs,
            shuffle=shuffle,
            validation_data=(self.inputs[test], self.targets[test]),
            validation_batch_size=self.batch_size,
        )

    def fit(self, *args: Any, **kwargs: Any) -> Epochs:
        """Call `fit`."""
        timer = _Clock(self._device)
        history = self.model.fit(*args, callbacks=[timer], verbose=0, **kwargs).history
        statistics = np.stack([history[name] for name in HISTORY_COLUMNS], axis=1)[:, :, None]
        return Epochs([float(each) for each in np.diff(timer.ends)], statistics)
