"""The processes that a launch's own Ray has before there is a trial."""

from __future__ import annotations

import os
import sys
from typing import Any

import psutil
import pytest
import ray
from ray.tune.execution.class_cache import _ActorClassCache

from survey.cluster.connection import Workers, connected
from survey.trials.changed_tune import changed_tune
from tests.support.awaiting import await_that

MODULE = "survey.trials.worker_imports"


class Trial:
    """Stands for a trial: an actor as Tune makes it."""

    def process(self) -> int:
        return os.getpid()

    def modules(self) -> set[str]:
        return {*sys.modules}


def workers() -> list[int]:
    """Processes that Ray has started for tasks and actors, by the titles that they have."""
    found = psutil.Process().children(recursive=True)
    names = {each.pid: each.name() for each in found if each.is_running()}
    return [pid for pid, name in names.items() if name.startswith(("ray::IDLE", "ray::Trial"))]


@pytest.mark.service
def test_workers_are_ready_and_trials_take_them():
    asked: Any = {"address": None, "num_cpus": 2, "num_gpus": 0, "dashboard": False, "environment": {}}
    with connected(survey="x", workers=Workers(1, MODULE), **asked) as cluster:
        await_that(workers)
        (worker,) = workers()
        with changed_tune(cluster):
            trial = _ActorClassCache().get(Trial).options(num_cpus=1).remote()
        assert ray.get(trial.process.remote()) == worker
        assert {"torch", "ray.tune", MODULE} <= {*ray.get(trial.modules.remote())}
        assert workers() == [worker]
        assert cluster.num_cpus == 2
