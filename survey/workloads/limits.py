"""How large an experiment and a search space may be."""

from __future__ import annotations

MOST_REPETITIONS = 65_535
"""Repetitions of an experiment, at most: the data set numbers them in 16 bits."""

MOST_EPOCHS = 10_000_000
"""Epochs of a run, at most: its curves take 800 MB of memory then, and float32 still counts them exactly."""

MOST_RUN_EPOCHS = 200_000_000
"""Epochs of all runs of an experiment, at most: their curves, which an export holds in memory, take 16 GB then."""

MOST_EXPERIMENTS = 10_000_000
"""Experiments of a launch, and trials of its plan, at most: the plan takes some 7 GB of memory then."""
