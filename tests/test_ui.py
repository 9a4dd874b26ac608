"""Who is answered by the MLflow server of a launch: those at its one address, by its own name."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from survey.errors import TrackingError
from survey.tracking.store import TrackingStore
from survey.ui import MlflowServer, _claim_port

HOST = "127.0.0.2"
"""An address of this machine that is not the usual one, as that of a node in a cluster."""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[MlflowServer, str]]:
    """A server over a store, and an MLflow experiment in it."""
    folder = tmp_path_factory.mktemp("served")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    experiment = TrackingStore(uri, output_id="mine").open_experiment("x", note="", artifact_location=None)
    server = MlflowServer(uri, folder / "artifacts", folder / "log", host=HOST)
    try:
        server.wait()
        yield server, experiment
    finally:
        server.stop()


def search(server: MlflowServer, **headers: str) -> int:
    url = f"{server.address}/ajax-api/2.0/mlflow/runs/search"
    return requests.post(url, json={"experiment_ids": ["0"]}, headers=headers, timeout=30).status_code


def test_it_listens_at_one_address_only(served):
    server, _ = served
    port = urlsplit(server.address).port
    assert server.address == f"http://{HOST}:{port}"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_its_own_pages_and_those_through_a_tunnel_work(served):
    server, _ = served
    assert search(server) == 200
    assert search(server, Origin=server.address) == 200
    assert search(server, Host="localhost:8080", Origin="http://localhost:8080") == 200


def test_pages_of_others_do_not(served):
    server, _ = served
    assert search(server, Origin="http://elsewhere.example") == 403
    assert search(server, Host="elsewhere.example") == 403


def test_whose_store_it_serves_is_asked(served):
    server, experiment = served
    server.check_serves(experiment, {"survey.output": "mine"})
    for wrong in ((experiment, "another's"), ("4711", "mine")):
        with pytest.raises(TrackingError, match="another MLflow server answers"):
            server.check_serves(wrong[0], {"survey.output": wrong[1]})


def test_two_launches_that_start_at_once_do_not_choose_the_same_port():
    """Neither server listens yet."""
    first, claim = _claim_port("127.0.0.1", 5900)
    second, other = _claim_port("127.0.0.1", 5900)
    assert first < second
    claim.release()
    third, again = _claim_port("127.0.0.1", 5900)
    assert third == first
    other.release()
    again.release()
