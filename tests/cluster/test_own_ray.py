"""What the Ray of a launch starts, and what the launch waits for."""

from __future__ import annotations

from inspect import getsource
from types import FunctionType

import pytest
from ray._private.node import Node
from ray._private.parameter import RayParams
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray._private.services import start_raylet
from ray.tune.execution.class_cache import DEFAULT_ENV_VARS

from survey.cluster import connection, own_ray


def test_all_that_is_done_otherwise_than_by_ray_is_there_in_ray():
    """If a new Ray names a method differently, ours is never called."""
    overridden = [name for name, value in vars(own_ray._Node).items() if isinstance(value, FunctionType)]
    assert {"__init__", "get_resource_and_label_spec", "start_raylet", "start_api_server"} < {*overridden}
    assert [name for name in overridden if name not in vars(Node)] == []


def test_its_agent_listens_at_any_free_port(monkeypatch):
    monkeypatch.setattr(Node, "__init__", lambda _, ray_params, **options: None)
    params = RayParams()
    own_ray._Node(params, head=True)
    assert params.dashboard_agent_listen_port == 0


@pytest.mark.parametrize(("most", "started"), [(3, 3), (50, 8)])
def test_as_many_workers_start_as_there_are_trials_and_all_cores_take_trials(most, started):
    node, spec = object.__new__(own_ray._Node), ResourceAndLabelSpec(8, 0, 1e9, 1e9, {}, {})
    spec._is_resolved = True
    vars(node).update(_resource_and_label_spec=spec, most_workers=most)
    told = node.get_resource_and_label_spec()
    assert (told.num_cpus, told.to_resource_dict()["CPU"], told.labels) == (started, 8, {})


def test_ray_takes_the_number_of_workers_from_there():
    """`test_workers_are_ready` counts them."""
    assert '--num_prestart_python_workers={}".format(int(resource_and_label_spec.num_cpus)' in getsource(start_raylet)


class _ControlStore:
    """Knows the node when it has been asked so often."""

    def __init__(self, at: int) -> None:
        self.asked, self._at = 0, at

    def get_all_node_info(self, timeout: float) -> dict[str, object]:
        self.asked += 1
        if self.asked > 100:
            raise TimeoutError("Ray asks for another half minute, and says so")
        return {"node": object()} if self.asked == self._at else {}


@pytest.mark.parametrize(
    ("at", "is_alive", "asked"),
    [
        pytest.param(3, True, 3, id="asked until it is up"),
        pytest.param(200, False, 1, id="a process has ended"),
        pytest.param(200, True, 101, id="the control store does not answer"),
    ],
)
def test_it_is_up_when_its_control_store_knows_the_node(at, is_alive, asked, monkeypatch):
    monkeypatch.setattr(Node, "start_raylet", lambda *_: None)
    monkeypatch.setattr(own_ray.time, "sleep", lambda _: None)
    store, node = _ControlStore(at), object.__new__(own_ray._Node)
    vars(node).update(get_gcs_client=lambda: store, remaining_processes_alive=lambda: is_alive)
    node.start_raylet("directory", "fallback", 1)
    assert store.asked == asked


def test_every_worker_has_the_variables_that_tune_gives_its_actors():
    """So that a trial needs no process of its own for them, see `survey.trials.tune`."""
    assert DEFAULT_ENV_VARS.items() <= connection._WORKER_ENVIRONMENT.items()
