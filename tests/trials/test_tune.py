"""Trials in several Tune runs, one after the other."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ray.air._internal import usage
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE, _ActorClassCache
from rich.console import Console

from survey.cluster.connection import Cluster, connected
from survey.trials import tune
from survey.trials.changed_tune import changed_tune
from survey.trials.lost_workers import LostWorkers
from survey.trials.messages import TrialSettings
from survey.trials.progress import Progress
from survey.trials.stopper import StopRequest
from tests.support.planned import planned


@pytest.mark.parametrize("stops_after", [1, 2, 3])
def test_a_stop_is_seen_before_and_after_the_export_between_two_tune_runs(stops_after, monkeypatch):
    """An export of all that is trained takes longer than there is after SIGTERM, and no server may be left for it."""
    stop, called = StopRequest(), []

    def call(what):
        called.append(what)
        stop.interrupted = len(called) == stops_after

    def tune_run(_trainable, part, *_):
        call(f"trained {len(part)}")
        return []

    monkeypatch.setattr(tune, "TRIALS_PER_TUNE_RUN", 3)
    monkeypatch.setattr(tune, "_tune_run", tune_run)
    settings = TrialSettings(workload="networks", data={}, tracking=None, origin={}, checkpoints=Path(), states=Path())
    given = {"progress": None, "after_part": lambda: call("exported")}
    cluster = Cluster("head", None, num_cpus=1.0, num_gpus=0.0, node_memory=0, is_local=True)
    assert tune.fit(planned(sizes=[64]).trials * 8, settings, cluster=cluster, stop=stop, **given) == ()
    assert called == ["trained 3", "exported", "trained 3"][:stops_after]


@pytest.mark.parametrize(
    "variables", [pytest.param({}, id="of their own Ray"), pytest.param({"A": "1"}, id="of the caller's")]
)
def test_actors_have_no_variables_but_those_that_workers_lack(variables, monkeypatch):
    """With variables that idle workers do not have, a trial gets a process of its own, which starts only then."""
    for name in ENV_VARS_TO_PROPAGATE:
        monkeypatch.delenv(name, raising=False)
    cluster = Cluster("head", None, num_cpus=1.0, num_gpus=0.0, node_memory=0, is_local=True, variables=variables)
    with changed_tune(cluster):
        actor: Any = _ActorClassCache().get(type("Trial", (), {}))
    assert actor._default_options["runtime_env"].get("env_vars", {}) == variables


def test_tune_waits_longer_and_imports_no_mlflow_to_count_callbacks_and_is_as_before_afterwards(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.air.integrations.mlflow", None)  # an ImportError, where it is asked for
    cluster = Cluster("head", None, num_cpus=1.0, num_gpus=0.0, node_memory=0, is_local=True)
    asked = []
    monkeypatch.setattr(RayActorManager, "next", lambda _, timeout=None: asked.append(timeout))
    before = RayActorManager.next
    with changed_tune(cluster):
        for timeout in (0.1, 1.0, None):
            RayActorManager.next(None, timeout)
        assert asked == [0.5, 1.0, None]
        assert not usage.tag_callbacks([LostWorkers()])
    assert RayActorManager.next is before
    with pytest.raises(ImportError):
        usage.tag_callbacks([LostWorkers()])


def starting_slowly(folder: Path) -> type:
    """Trials that train nothing; each process but the first takes longer to start than several of them."""
    from survey.trials import trainable

    class SurveyTrial(trainable.SurveyTrial):
        """A trial that is done at once."""

        def setup(self, config, **shared):
            import time

            super().setup(config, **shared)
            with (folder / "processes").open("a") as file:
                file.write(f"{os.getpid()}\n")
            try:
                (folder / "first").touch(exist_ok=False)
            except FileExistsError:
                time.sleep(2.0)

        def step(self):
            import time

            time.sleep(0.05)
            return {"done": True, "done_training": True, "epoch": 1, "run_epochs": 1, "by_experiment": {}, "loop_s": 0}

    return SurveyTrial


@pytest.mark.launch
def test_a_process_that_starts_is_not_stopped_because_another_is_free(tmp_path, monkeypatch):
    """Else, where trials are short, one core would start processes all the time, and never train."""
    monkeypatch.setattr(tune, "SurveyTrial", starting_slowly(tmp_path))
    rates = [(number + 1) / 1e6 for number in range(60)]
    trials = planned(sizes=[64], learning_rate=rates).trials
    asked = {"num_cpus": 2, "num_gpus": None, "dashboard": False, "environment": {}}
    settings = TrialSettings(
        workload="networks", data={}, tracking=None, origin={"batch": "x"}, checkpoints=Path(), states=Path()
    )
    console = Console(quiet=True)
    with (
        connected(survey="x", address=None, **asked) as cluster,
        Progress(console, name="x", num_runs=60, total_cost=1.0) as progress,
    ):
        given = {"stop": StopRequest(), "progress": progress, "after_part": lambda: None}
        assert tune.fit(trials, settings, cluster=cluster, **given) == ()
    processes = (tmp_path / "processes").read_text().split()
    assert len(processes) == len(set(processes)) == 2
