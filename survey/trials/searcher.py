"""The order of a plan as Ray Tune's search algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from survey.plan.bundles import PlannedBundle
from survey.trials.messages import trial_config


class PlanOrder(Searcher):
    """Suggests planned trials in their order.

    `tune.grid_search` does the same, but copies the whole list of configurations for each of its trials: 0.1 s for each
    of 1,000 trials.

    Args:
        trials: The bundles of each trial: one, or several that are packed.
    """

    def __init__(self, trials: Sequence[Sequence[PlannedBundle]]) -> None:
        super().__init__()
        self._trials, self._suggested = trials, 0

    def suggest(self, trial_id: str) -> Any:  # Tune's own annotation leaves out the word that ends a search
        """Return the next config, or `Searcher.FINISHED` when there is no more."""
        if self._suggested == len(self._trials):
            return Searcher.FINISHED
        self._suggested += 1
        return trial_config(self._trials[self._suggested - 1])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learn nothing from a trial."""

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Search for nothing."""
        return True

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Save nothing: the results show what is done."""
