"""Trials in several Tune runs, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from survey.cluster.connection import Cluster
from survey.trials import tune
from survey.trials.messages import TrialSettings
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
