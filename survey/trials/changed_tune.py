"""Ray Tune, changed for the time of a Tune run: how a launch needs it, where it leaves no choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any

from ray.air._internal import usage
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.train._internal import storage
from ray.tune.execution import tune_controller
from ray.tune.execution.class_cache import DEFAULT_ENV_VARS
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import trial
from ray.tune.registry import get_trainable_cls
from ray.tune.utils.object_cache import _ObjectCache

from survey.cluster.connection import Cluster

_WAITS_S = 0.5
"""How long Tune waits for the next event before it looks around, which takes 3 ms; by itself it waits 0.1 s."""


@contextmanager
def changed_tune(cluster: Cluster) -> Iterator[None]:
    """Change Tune, and change it back.

    For every trial:

    - Its actors get the variables of all workers: one with others would get a process of its own, started only then.
    - Its files lie in a private folder, not in that of Ray's session, where everyone may write: it unpickles some.
    - An actor whose trial has ended is given to a trial that waits, not to one whose own actor is starting: that would
      be stopped. Where trials take less time than the start of a process, only one would ever train.
    - An actor is kept for the next trial on a core whatever waits for a GPU, see `IdleActors`.

    For speed:

    - Tune waits longer for events. Each wakes it at once, so that looking more often finds nothing.
    - The state that it writes at the end is without the trials: the results show what is done.
    - It fetches the class of trials from Ray once, not five times for each trial.
    - It does not ask an actor for what a trial without a result has in its place: all that is read of it is the
      configuration.
    - It does not count which callbacks are its own: for that it would import MLflow, a second before the first trial.
    """
    changes: dict[tuple[Any, str], Any] = {
        (storage, "_get_ray_train_session_dir"): lambda: str(cluster.scratch / "tune"),
        (TuneController, "_maybe_reuse_cached_actor"): _reuses(TuneController._maybe_reuse_cached_actor),
        (tune_controller, "_ObjectCache"): IdleActors,
        (RayActorManager, "next"): _waits_longer(RayActorManager.next),
        (TuneController, "_get_trial_checkpoints"): lambda _: {},
        (trial, "get_trainable_cls"): cache(get_trainable_cls),
        (trial, "validate_trainable"): lambda _: None,
        (trial.Trial, "set_ray_actor"): _set_ray_actor,
        (usage, "tag_callbacks"): lambda _: False,
    }
    variables, before = dict(DEFAULT_ENV_VARS), {place: getattr(*place) for place in changes}
    DEFAULT_ENV_VARS.clear()
    DEFAULT_ENV_VARS.update(cluster.variables)
    for place, changed in changes.items():
        setattr(*place, changed)
    try:
        yield
    finally:
        for place, unchanged in before.items():
            setattr(*place, unchanged)
        DEFAULT_ENV_VARS.clear()
        DEFAULT_ENV_VARS.update(variables)


def _set_ray_actor(trial: Any, actor: Any) -> None:
    trial.temporary_state.ray_actor = actor
    trial._default_result_or_future = {"config": trial.config}


def _waits_longer(next_event: Callable[..., bool]) -> Callable[..., bool]:
    def waiting(manager: RayActorManager, timeout: float | None = None) -> bool:
        return next_event(manager, timeout and max(timeout, _WAITS_S))

    return waiting


def _reuses(reuse: Callable[[TuneController, Any], bool]) -> Callable[[TuneController, Any], bool]:
    def reusing(controller: TuneController, trial: Any) -> bool:
        own = controller._trial_to_actor.get(trial)
        is_starting = own in controller._actor_manager._live_actors_to_ray_actors_resources
        return not is_starting and reuse(controller, trial)

    return reusing


class IdleActors:
    """Tune's own cache, once for each kind.

    That of all keeps no actor for the next trial on a core, which is suggested only then, while trials wait for a GPU;
    its process would end after each trial. On GPUs trials always wait; an actor that none waits for frees its share.
    """

    def __init__(self, may_keep_one: bool = True) -> None:
        self._on_cores, self._on_gpus = _ObjectCache(may_keep_one), _ObjectCache(may_keep_one=False)

    def _of(self, key: Any) -> _ObjectCache:
        return self._on_gpus if key.required_resources.get("GPU") else self._on_cores

    @property
    def num_cached_objects(self) -> int:
        """How many actors there are."""
        return self._on_cores.num_cached_objects + self._on_gpus.num_cached_objects

    @property
    def total_max_objects(self) -> int:
        """How many are expected to be asked for."""
        return self._on_cores.total_max_objects + self._on_gpus.total_max_objects

    def increase_max(self, key: Any, by: int = 1) -> None:
        """Expect that more of a kind are asked for."""
        self._of(key).increase_max(key, by)

    def decrease_max(self, key: Any, by: int = 1) -> None:
        """Expect fewer."""
        self._of(key).decrease_max(key, by)

    def has_cached_object(self, key: Any) -> bool:
        """Whether there is an actor with such resources."""
        return self._of(key).has_cached_object(key)

    def cache_object(self, key: Any, obj: Any) -> bool:
        """Keep an actor, if one is expected to be asked for; return whether it is kept."""
        return self._of(key).cache_object(key, obj)

    def pop_cached_object(self, key: Any) -> Any:
        """Return an actor that is not kept any more; None if there is none."""
        return self._of(key).pop_cached_object(key)

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
        """Yield the actors that are not to be kept."""
        return chain(self._on_cores.flush_cached_objects(force_all), self._on_gpus.flush_cached_objects(force_all))
