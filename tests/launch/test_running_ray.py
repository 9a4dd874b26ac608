"""A launch on a Ray that runs already: what may be asked for, and the plan for the devices that it has."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import ray

from survey.cluster.connection import Cluster
from survey.errors import InputError
from survey.launch.api import prepare
from survey.launch.callers_ray import with_callers_ray
from survey.launch.options import Options
from survey.launch.planning import for_cluster
from survey.networks.cost import CORE_MODEL
from survey.plan.pilot import Pilot
from survey.plan.plan import Plan
from tests.support.small_survey import write_space


@pytest.mark.parametrize("of_cluster", [0.0, 4.0])
def test_a_plan_for_another_kind_of_device_is_made_anew(tmp_path, of_cluster):
    space = write_space(tmp_path)

    def planned(num_gpus: float) -> Plan:
        request = prepare(str(space), Options(out=tmp_path / "out", num_gpus=num_gpus))
        return request.plan({})

    def fitted(plan: Plan) -> tuple[Plan, Pilot | None]:
        options = Options(out=tmp_path / "out", address="auto")
        request = prepare(str(space), options)
        request.num_gpus = 4.0 - of_cluster
        return for_cluster(request, plan, pilot, cluster, dict)

    pilot = Pilot(CORE_MODEL, factor=1.1, num_trials=3, seconds=2.0)
    cluster = Cluster("head", None, num_cpus=8.0, num_gpus=of_cluster, node_memory=0, is_local=False)
    here, there = planned(4.0 - of_cluster), planned(of_cluster)
    assert here.bundles != there.bundles
    expected = there.on_gpus(lambda _bytes: 0.125) if of_cluster else there
    assert fitted(here) == (expected, None)


def test_what_a_launch_may_ask_for_where_the_caller_has_a_ray(monkeypatch):
    """One that it has joined counts as given by its address."""
    state = SimpleNamespace(head=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="10.0.0.1:1"))
    monkeypatch.setattr(ray, "nodes", lambda: [{}])
    monkeypatch.setattr(ray._private.worker, "_global_node", state)
    for given in (None, "auto", "10.0.0.1:1"):
        assert with_callers_ray(Options(address=given)).address == "10.0.0.1:1"
    state.head = True
    assert with_callers_ray(Options(limit=3)) == Options(limit=3)
    for given, message in (
        ({"num_cpus": 2}, r"num_cpus: a Ray runs in this process already, .*; leave it out, or call ray.shutdown\(\)"),
        ({"num_gpus": 0}, "num_gpus: a Ray runs in this process already"),
        (
            {"address": "10.0.0.2:2"},
            "address: expected 10.0.0.1:1, which this process is connected to, found 10.0.0.2:2",
        ),
    ):
        with pytest.raises(InputError, match=message):
            with_callers_ray(Options(**given))
