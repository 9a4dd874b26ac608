"""When the training of an experiment started, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from survey.system.clock import Clock


class TrainingTime:
    """Times the epochs of an experiment, over all trials that have had a part in it."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._start_time_ms = self._clock.now_ms()
        self._train_s = self._epoch_began = 0.0

    def start_epoch(self) -> None:
        """Note that an epoch starts."""
        self._epoch_began = time.perf_counter()

    def end_epoch(self, not_before: float) -> float:
        """Count the epoch that ends, and return its seconds.

        Time before `not_before`, by `time.perf_counter`, counts for another one.
        """
        seconds = time.perf_counter() - max(self._epoch_began, not_before)
        self._train_s += seconds
        return seconds

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"train_s": self._train_s, "start_time_ms": self._start_time_ms}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._train_s, self._start_time_ms = state["train_s"], state["start_time_ms"]
        self._clock = Clock(not_before_ms=self._start_time_ms)

    def columns(self, num_runs: int) -> dict[str, Any]:
        """Columns of the data set: start, end (now), both in milliseconds since 1970, and the seconds of each run."""
        return {
            "start_time": self._start_time_ms,
            "update_time": self._clock.now_ms(),
            "train_seconds": self._train_s / num_runs,
        }
