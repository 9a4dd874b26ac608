"""The order of a plan as Ray Tune's search algorithm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.tune.search import Searcher

from survey.plan.bundles import PlannedBundle
from survey.trials.messages import trial_config


@dataclass
class _Kind:
    """The trials of a Tune run that train on GPUs, or on cores.

    Attributes:
        trials: The bundles of each.
        suggested: How many have been suggested.
        unfinished: Tune's ids of those that have not finished.
    """

    trials: list[Sequence[PlannedBundle]]
    suggested: int = 0
    unfinished: set[str] = field(default_factory=set)

    @property
    def left(self) -> int:
        """How many have not finished."""
        return len(self.trials) - self.suggested + len(self.unfinished)


@dataclass(frozen=True)
class Room:
    """How many trials may train or wait at a time where cores train beside GPUs.

    Attributes:
        shares: Trials that share the GPUs. As many cores are left to them.
        waiting: Trials that may wait.
        num_cpus: Returns the number of cores.
    """

    shares: int
    waiting: int
    num_cpus: Callable[[], float]

    @property
    def on_gpus(self) -> int:
        """How many on GPUs."""
        return self.shares + self.waiting

    def on_cores(self, left_on_gpus: int) -> int:
        """Return how many on cores while so many on GPUs are not done; one that waits could take one of their cores."""
        return max(1, int(self.num_cpus()) - min(self.shares, left_on_gpus))


class PlanOrder(Searcher):
    """Suggests planned trials in their order.

    `tune.grid_search` does the same, but copies the whole list of configurations for each of its trials: 0.1 s for each
    of 1,000 trials.

    Where cores train beside GPUs, each kind has an order of its own, and no trial waits for the other kind.

    Args:
        trials: The bundles of each trial: one, or several that are packed.
        room: How many of each kind may train or wait; None for as many as Tune asks for.
    """

    def __init__(self, trials: Sequence[Sequence[PlannedBundle]], room: Room | None = None) -> None:
        super().__init__()
        self._on_gpus = _Kind([trial for trial in trials if trial[0].num_gpus])
        self._on_cores = _Kind([trial for trial in trials if not trial[0].num_gpus])
        self._room = room

    def suggest(self, trial_id: str) -> Any:  # Tune's own annotation leaves out the word that ends a search
        """Return the next config, None if there is no place for one, or `Searcher.FINISHED` when there is no more."""
        waiting = [kind for kind in (self._on_gpus, self._on_cores) if kind.suggested < len(kind.trials)]
        if not waiting:
            return Searcher.FINISHED
        kind = next(filter(self._has_place, waiting), None)
        if kind is None:
            return None
        kind.suggested += 1
        kind.unfinished.add(trial_id)
        return trial_config(kind.trials[kind.suggested - 1])

    def _has_place(self, kind: _Kind) -> bool:
        if not self._room:
            return True
        is_on_gpus = kind is self._on_gpus
        most = self._room.on_gpus if is_on_gpus else self._room.on_cores(self._on_gpus.left)
        return len(kind.unfinished) < most

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learn from a trial that its place is free, and nothing else."""
        for kind in (self._on_gpus, self._on_cores):
            kind.unfinished.discard(trial_id)

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Search for nothing."""
        return True

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Save nothing: the results show what is done."""
