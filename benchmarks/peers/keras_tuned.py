"""Keras `fit` as fast as it could be made: a lean tf.data pipeline, and several minibatches a call.

Of the numbers of minibatches a call, and of XLA and no XLA, the fastest here was what it is given.
"""

from __future__ import annotations

import tensorflow as tf

from benchmarks.cells import Cell
from benchmarks.peers import Epochs, keras_fit

_STEPS_PER_EXECUTION = 16


class Peer(keras_fit.Peer):
    """`fit` on a pipeline that gathers the rows in the order of the draws."""

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str) -> None:
        super().__init__(cell, num_runs, num_epochs, device)
        self._steps = -(-self.draws.orders.shape[1] // cell.batch_size)
        self.compile(cell, steps_per_execution=min(_STEPS_PER_EXECUTION, self._steps), jit_compile=False)
        self._x, self._y = tf.constant(self.inputs), tf.constant(self.targets)
        self._test = self._batches(tf.constant(self.draws.test_rows)).map(self._gather).cache()

    def _batches(self, rows: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(rows).batch(self.batch_size)

    def _gather(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(self._x, rows), tf.gather(self._y, rows)

    def check(self, num_epochs: int) -> Epochs:
        """Train epochs, as `train` does."""
        return self.train(num_epochs)

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs in the order of the draws."""
        orders = tf.data.Dataset.from_tensor_slices(self.draws.orders[self.epoch : self.epoch + num_epochs])
        self.epoch += num_epochs
        data = orders.flat_map(self._batches).map(self._gather).prefetch(tf.data.AUTOTUNE)
        return self.fit(data, epochs=num_epochs, steps_per_epoch=self._steps, validation_data=self._test)
