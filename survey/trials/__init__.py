"""Trials on Ray Tune: how they are scheduled and stopped, what a worker does, and what is counted of them.

On the driver, read `tune` first; on a worker, `trainable`, then `experiment_training`, which puts together the `bundle`
of runs, their `tracked_run` in MLflow and their `saved_states` on disk. `messages` has all that passes between the two.
`counts` and `progress` follow the trials, `stopper` and `signals` end them.
"""

__all__ = [
    "bundle",
    "checkpoint",
    "counts",
    "messages",
    "progress",
    "provenance",
    "signals",
    "stopper",
    "trainable",
    "tune",
]
