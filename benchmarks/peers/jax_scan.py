"""JAX: one compiled program for an epoch, a scan over minibatches, under vmap over the runs."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cells import Cell, data_of, draws_of, seeds_of
from benchmarks.peers import Epochs, clock
from benchmarks.peers.definitions import epoch_statistics, softmax_sums

jax.config.update("jax_default_matmul_precision", "highest")


def _log_p(layers, x):
    for k, (kernel, bias) in enumerate(layers):
        x = x @ kernel + bias
        if k < len(layers) - 1:
            x = jax.nn.relu(x)
    return jax.nn.log_softmax(x)


def _loss(layers, x, y):
    log_p = _log_p(layers, x)
    return -(y * log_p).sum(1).mean(), softmax_sums(jnp, jax.lax.stop_gradient(log_p), y)


def _train_step(learning_rate, inputs, targets, carry, rows):
    layers, m, v, t, sums = carry
    gradients, batch = jax.grad(_loss, has_aux=True)(layers, inputs[rows], targets[rows])
    t = t + 1
    rate = learning_rate * jnp.sqrt(1.0 - 0.999**t) / (1.0 - 0.9**t)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
    layers = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), layers, m, v)
    return (layers, m, v, t, sums + batch), None


def _over_batches(step, carry, rows, batch_size):
    """Scan over the full minibatches, then take the last and smaller one."""
    full = len(rows) // batch_size
    carry, _ = jax.lax.scan(step, carry, rows[: full * batch_size].reshape(full, batch_size))
    return step(carry, rows[full * batch_size :])[0] if len(rows) % batch_size else carry


def _epoch(cell, inputs, targets, state, order, test_rows):
    step = partial(_train_step, cell.experiment.learning_rate, inputs, targets)
    layers, m, v, t, train = _over_batches(step, (*state, jnp.zeros(10)), order, cell.batch_size)

    def test_step(sums, rows):
        return sums + softmax_sums(jnp, _log_p(layers, inputs[rows]), targets[rows]), None

    test = _over_batches(test_step, jnp.zeros(10), test_rows, cell.batch_size)
    return (layers, m, v, t), test, train


class Peer:
    """All runs at once under vmap; a single run without it."""

    def __init__(self, cell: Cell, num_runs: int, num_epochs: int, device: str) -> None:
        self._clock = clock(device)
        inputs, targets = (jnp.asarray(each) for each in data_of(cell))
        draws = [draws_of(cell, seed, num_epochs) for seed in seeds_of(cell, num_runs)]
        stacked = jax.tree.map(lambda *each: jnp.stack(each), *(draw.layers for draw in draws))
        m, v = jax.tree.map(jnp.zeros_like, stacked), jax.tree.map(jnp.zeros_like, stacked)
        self._state = (stacked, m, v, jnp.zeros(num_runs))
        self._orders = np.stack([draw.orders for draw in draws], axis=1)
        self._test_rows = jnp.asarray(np.stack([draw.test_rows for draw in draws]))
        self._epoch = 0
        one = partial(_epoch, cell, inputs, targets)
        if num_runs == 1:

            def all_runs(state, order, test_rows):
                result = one(*jax.tree.map(lambda each: each[0], (state, order, test_rows)))
                return jax.tree.map(lambda each: each[None], result)

        else:
            all_runs = jax.vmap(one)
        self._compiled = jax.jit(all_runs, donate_argnums=0)

    def train(self, num_epochs: int) -> Epochs:
        """Train epochs; the first call compiles."""
        seconds, statistics = [], []
        for _ in range(num_epochs):
            order = jnp.asarray(self._orders[self._epoch])
            began = self._clock()
            self._state, test, train = self._compiled(self._state, order, self._test_rows)
            test, train = np.asarray(test, np.float64), np.asarray(train, np.float64)
            seconds.append(self._clock() - began)
            statistics.append(epoch_statistics(test, self._test_rows.shape[1], train, self._orders.shape[2]))
            self._epoch += 1
        return Epochs(seconds, np.stack(statistics))
