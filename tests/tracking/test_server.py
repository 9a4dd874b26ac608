"""Who is answered by the MLflow server of a launch: those at its own address and on loopback, by its own name."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from survey.errors import TrackingError
from survey.system.port_forward import Relay
from survey.tracking.server import MlflowServer, _claim_port
from survey.tracking.store import TrackingStore
from survey.tracking.ui_view import PATH, entrance, page
from tests.support.awaiting import HANGS_S, await_that

HOST = "127.0.0.2"
"""An address of this machine that is not the usual one, as that of a node in a cluster."""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[MlflowServer, str]]:
    """A server over a store, and an MLflow experiment in it; started where files bear the names of what it imports."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("mlflow", "uvicorn", "fastapi", "survey"):
        (folder / f"{name}.py").write_text("raise SystemExit('this is not what you want to import')")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    experiment = TrackingStore(uri, output_id="mine").open_experiment("x", note="", artifact_location=None)
    with contextlib.chdir(folder):
        server = MlflowServer(uri, folder / "artifacts", folder / "log", host=HOST)
    try:
        server.wait(within_s=HANGS_S)
        yield server, experiment
    finally:
        server.stop()


def search(server: MlflowServer, **headers: str) -> int:
    url = f"{server.address}/ajax-api/2.0/mlflow/runs/search"
    return requests.post(url, json={"experiment_ids": ["0"]}, headers=headers, timeout=HANGS_S).status_code


@pytest.mark.service
def test_it_listens_at_one_address_and_on_loopback_only(served):
    server, _ = served
    port = urlsplit(server.address).port
    assert server.address == f"http://{HOST}:{port}"
    socket.create_connection(("127.0.0.1", port), timeout=HANGS_S).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.3", port), timeout=HANGS_S)


@pytest.mark.service
def test_it_is_one_process_and_the_one_that_ends_it_with_its_launch(served):
    server, _ = served
    (process,) = psutil.Process(server._guard.pid).children(recursive=True)
    assert "survey.tracking.serve" in process.cmdline()


@pytest.mark.service
def test_one_short_address_leads_to_the_page_of_the_survey(served):
    server, experiment = served
    answer = requests.get(f"{server.address}{PATH}", timeout=HANGS_S)
    assert answer.text == entrance(page("", experiment))
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.service
def test_who_forwards_a_port_of_loopback_reaches_it(served):
    """As `kubectl port-forward` and `ray attach --port-forward` do; many at once, as browsers ask."""
    server, _ = served
    url = f"http://localhost:{urlsplit(server.address).port}/ajax-api/2.0/mlflow/runs/search"
    body = {"experiment_ids": ["0"], "filter": f"tags.x = '{'y' * 4000}'"}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(requests.post, url, json=body, timeout=HANGS_S) for _ in range(16)]
    assert {each.result().status_code for each in asked} == {200}
    assert requests.post(url, json=body, headers={"Host": "elsewhere.example"}, timeout=HANGS_S).status_code == 403


def test_the_relay_passes_on_what_is_long_both_ways_and_ends():
    with socket.create_server((HOST, 0)) as echo:
        port = echo.getsockname()[1]
        relay = Relay(HOST, port)
        with socket.create_connection(("127.0.0.1", port), timeout=HANGS_S) as client:
            other, _ = echo.accept()
            with other, ThreadPoolExecutor(1) as pool:
                sent = pool.submit(client.sendall, b"x" * (1 << 22))
                assert sum(len(other.recv(1 << 16, socket.MSG_WAITALL)) for _ in range(1 << 6)) == 1 << 22
                sent.result()
                client.shutdown(socket.SHUT_WR)
                assert other.recv(1) == b""
                other.sendall(b"y" * 1000)
            assert client.recv(1000, socket.MSG_WAITALL) == b"y" * 1000
            assert client.recv(1) == b""
        relay.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=HANGS_S)


def test_the_relay_closes_a_connection_that_nobody_takes():
    with socket.socket() as taken:
        taken.bind((HOST, 0))  # and does not listen
        relay = Relay(HOST, taken.getsockname()[1])
        with socket.create_connection(("127.0.0.1", relay.target[1]), timeout=HANGS_S) as client:
            assert client.recv(1) == b""
        relay.stop()


SEARCH_AT_ONCE = """
import sys, threading
from survey.tracking import app
from mlflow.protos.service_pb2 import SearchRuns
from mlflow.server import handlers

handlers._get_tracking_store = lambda: type("Store", (), {"search_runs": lambda *args, **kwargs: NoRuns()})()
NoRuns = type("NoRuns", (list,), {"token": None})
sys.setswitchinterval(1e-6)
failed = []
threading.excepthook = lambda failure: failed.append(failure.exc_value)
def search():
    for _ in range(40):
        handlers.search_runs_impl(SearchRuns())
threads = [threading.Thread(target=search) for _ in range(16)]
for each in threads: each.start()
for each in threads: each.join()
sys.exit(repr(failed) if failed else 0)
"""


@pytest.mark.service
def test_many_searches_at_once_do_not_find_a_module_half_imported():
    """By threads that change as often as they can: the usual interval of 5 ms hits it once in thousands of searches."""
    subprocess.run([sys.executable, "-c", SEARCH_AT_ONCE], check=True, timeout=HANGS_S)


@pytest.mark.service
def test_its_own_pages_and_those_through_a_tunnel_work(served):
    server, _ = served
    assert search(server) == 200
    assert search(server, Origin=server.address) == 200
    assert search(server, Host="localhost:8080", Origin="http://localhost:8080") == 200


@pytest.mark.service
def test_pages_of_others_do_not(served):
    server, _ = served
    assert search(server, Origin="http://elsewhere.example") == 403
    assert search(server, Host="elsewhere.example") == 403


@pytest.mark.service
def test_whose_store_it_serves_is_asked(served):
    server, experiment = served
    server.check_serves(experiment, {"survey.output": "mine"})
    for wrong in ((experiment, "another's"), ("4711", "mine")):
        with pytest.raises(TrackingError, match="another MLflow server answers"):
            server.check_serves(wrong[0], {"survey.output": wrong[1]})


@pytest.mark.service
def test_a_server_that_ends_is_started_again_at_its_address(served):
    server, experiment = served
    guard = psutil.Process(server._guard.pid)
    for process in guard.children(recursive=True):
        process.kill()
    with pytest.raises(requests.RequestException):
        server._get("/health")
    await_that(lambda: serves(server, experiment), "it is not there again", every_s=0.2)


def serves(server: MlflowServer, experiment: str) -> bool:
    try:
        server.check_serves(experiment, {})
    except TrackingError:
        return False
    return True


def test_a_port_that_is_taken_on_loopback_is_not_chosen():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen, claim = _claim_port(HOST, port)
        claim.close()
    assert chosen > port


def test_two_launches_that_start_at_once_do_not_choose_the_same_port(tmp_path, monkeypatch):
    """Neither server listens yet. No file is used for it: others could put theirs in the way."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, claim = _claim_port("127.0.0.1", 5900)
    second, other = _claim_port("127.0.0.1", 5900)
    assert first < second
    claim.close()
    third, again = _claim_port("127.0.0.1", 5900)
    assert third == first
    other.close()
    again.close()
    assert not list(tmp_path.iterdir())
