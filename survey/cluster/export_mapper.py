"""Export on a Ray cluster: a task for each partition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from survey.export.mappers import Result, is_little
from survey.export.partition import PartitionJob

_WAITING_FOR_EACH_CORE = 2
"""Tasks that Ray gets at a time, for each of its cores."""


def on_cluster(
    work: Callable[[PartitionJob], Result | None],
    jobs: Sequence[PartitionJob],
    *,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Result | None]:
    """Apply a function to jobs on the connected Ray cluster; results come in any order.

    Jobs that go to a machine without the output, or to one that is lost, are done in this process instead.

    Args:
        work: The function.
        jobs: Its arguments.
        variables: Environment variables of the tasks.

    Raises:
        Exception: What the function raises.
    """
    if is_little(jobs):
        yield from map(work, jobs)
        return
    environment: dict[str, Any] = {"runtime_env": {"env_vars": dict(variables)}} if variables else {}
    task = ray.remote(num_cpus=1, **environment)(work)
    most = max(1, int(_WAITING_FOR_EACH_CORE * ray.cluster_resources().get("CPU", 1)))
    left = list(reversed(jobs))
    running: dict[ray.ObjectRef, PartitionJob] = {}
    while left or running:
        while left and len(running) < most:
            job = left.pop()
            running[task.remote(job)] = job
        (ready,), _ = ray.wait(list(running))
        result = _result(ready)
        job = running.pop(ready)
        yield work(job) if result is None else result


def _result(task: ray.ObjectRef) -> Any:
    try:
        return ray.get(task)
    except RayTaskError as error:
        raise error.cause from None
    except RayError:
        return None
