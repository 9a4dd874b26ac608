"""Keras `fit` with as many minibatches for each call as make its calls no longer count."""

from __future__ import annotations

from benchmarks.peers import keras_fit


class Peer(keras_fit.Peer):
    """`fit` with a whole epoch for each call of the compiled program."""

    steps_per_execution = 1 << 30
