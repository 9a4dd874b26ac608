"""Trials on Ray Tune: how they are scheduled and stopped, what a worker does, and what is counted of them.

On the driver read `tune` first; on a worker `trainable`, then `experiment_training`. `messages` is all that passes
between the two.
"""

__all__ = ["checkpoint", "messages", "progress", "provenance", "signals", "stopper", "trainable", "tune"]
