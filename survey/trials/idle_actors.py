"""The actors that Tune keeps for its next trials: those on cores and those on GPUs by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from ray.tune.utils.object_cache import _ObjectCache


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
