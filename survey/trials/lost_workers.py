"""Lost workers, which are no fault of their trials: a long survey loses machines again and again."""

from __future__ import annotations

import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayActorError


class LostWorkers(tune.Callback):
    """Does not count the loss of a worker as a failure of its trial, if the trial has made progress since the last one.

    A trial that loses its workers at the same epoch again and again, perhaps for lack of memory, is still given up.
    """

    def __init__(self) -> None:
        self._reached: dict[str, int] = {}

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **_: Any) -> None:
        """Take back Tune's count of a failure."""
        reached = (trial.last_result or {}).get("epoch", 0)
        before = self._reached.get(trial.trial_id, 0)
        if reached > before and isinstance(_last_error(trial), RayActorError):
            trial.run_metadata.num_failures -= 1
        self._reached[trial.trial_id] = max(reached, before)


def _last_error(trial: Any) -> object:
    """Return the latest error of a trial. `Trial.get_pickled_error` has none before the trial has ended."""
    with suppress(Exception):  # one that cannot be read counts as a failure
        return pickle.loads(Path(trial.pickled_error_file).read_bytes())
    return None
