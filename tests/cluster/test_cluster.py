"""A survey on what runs already: a Ray cluster that asks for a token, and an MLflow server that keeps the artifacts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import ray

from survey.cluster import connection as survey_cluster
from survey.cluster import joining
from survey.errors import InputError
from survey.launch.api import prepare
from survey.launch.callers_ray import with_callers_ray
from survey.launch.options import Options
from survey.launch.planning import dry_run, for_cluster
from survey.output.forecasts import read_forecasts
from survey.plan.cost_model import CORE_MODEL
from survey.plan.pilot import Pilot
from survey.plan.plan import Plan
from tests.support.launching import launch, rows
from tests.support.servers import free_port, ray_cluster, running

TOKEN = "0123456789abcdef" * 4

SPACE = """
name: tiny
repetitions: 2
grids:
  - {dataset: "sklearn:iris", shape: rectangle, size: [64, 128], depth: 3, epochs: 3}
"""
EXPERIMENTS, REPETITIONS = 2, 2
RUNS = EXPERIMENTS * REPETITIONS


@pytest.fixture
def space(tmp_path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(SPACE)
    return file


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster that asks for a token."""
    with ray_cluster(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as address:
        yield address


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """An MLflow server, and the folder where it keeps the artifacts that are sent to it."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = ["mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", 1]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", folder / "kept"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with running(*command, log=folder / "log", until="Application startup complete", **quiet):
        yield f"http://127.0.0.1:{port}", folder / "kept"


def test_a_survey_on_a_cluster_that_asks_for_a_token(space, address, tmp_path):
    out = tmp_path / "out"
    status, output = launch(
        space, "--out", out, "--address", address, "--no-ui", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN
    )
    assert status == 0, output
    assert f"{RUNS} of {RUNS} runs done" in output
    assert len(rows(out)) == RUNS


@pytest.mark.slow
def test_a_survey_on_a_cluster_without_a_token(space, tmp_path):
    # All of Ray on the loopback interface, as anyone may use this cluster.
    open_to_all = {"RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with ray_cluster(**open_to_all) as address:
        status, output = launch(space, "--out", tmp_path / "out", "--address", address, "--no-ui", **open_to_all)
    assert status == 0, output
    assert len(rows(tmp_path / "out")) == RUNS


@pytest.mark.slow
def test_gpus_that_only_the_cluster_has_decide_the_plan(space, tmp_path):
    """Ray's own accounts stand in for a GPU."""
    open_to_all = {"RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    out = tmp_path / "out"
    with ray_cluster("--num-gpus=1", **open_to_all) as address:
        status, output = launch(space, "--out", out, "--address", address, "--no-ui", **open_to_all)
    assert status == 0, output
    assert f"planned for the GPUs of the cluster: {EXPERIMENTS} trials" in output
    assert len(rows(out)) == RUNS
    (forecast,) = read_forecasts(out)
    expected = dry_run(prepare(str(space), Options(out=tmp_path / "other", num_gpus=1.0)))
    assert forecast.num_gpus == 1
    assert forecast.training_s[0] == pytest.approx(3600 * expected.training_hours.estimate, abs=0.1)


@pytest.mark.parametrize("of_cluster", [0.0, 4.0])
def test_a_plan_for_another_kind_of_device_is_made_anew(space, tmp_path, of_cluster):
    def planned(num_gpus: float) -> Plan:
        request = prepare(str(space), Options(out=tmp_path / "out", num_gpus=num_gpus))
        return request.plan({})

    def fitted(plan: Plan) -> tuple[Plan, Pilot | None]:
        options = Options(out=tmp_path / "out", address="auto")
        request = prepare(str(space), options)
        request.num_gpus = 4.0 - of_cluster
        return for_cluster(request, plan, pilot, cluster, dict)

    pilot = Pilot(CORE_MODEL, factor=1.1, num_trials=3, seconds=2.0)
    cluster = survey_cluster.Cluster("head", None, num_cpus=8.0, num_gpus=of_cluster, node_memory=0, is_local=False)
    here, there = planned(4.0 - of_cluster), planned(of_cluster)
    assert here.bundles != there.bundles
    expected = there.on_gpus(lambda _bytes: 0.125) if of_cluster else there
    assert fitted(here) == (expected, None)


def refused(space: Path, address: str, *arguments: object, **environment: str) -> str:
    """Launch where that is refused; return the one message, where Ray's own client would print many."""
    status, output = launch(
        space, "--out", space.parent / "out", "--address", address, "--no-ui", *arguments, **environment
    )
    assert status == 2, output
    _plan, *messages = output.splitlines()
    assert len(messages) == 1, output
    assert messages[0].startswith("error: ")
    return messages[0]


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "asks for a token:"),
        ({"RAY_AUTH_MODE": "token"}, "asks for a token, and ~/.ray/auth_token has none:"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "s3cret" * 8}, "does not take the token of RAY_AUTH_TOKEN:"),
    ],
    ids=["not told to", "none", "wrong"],
)
def test_a_launch_without_the_clusters_token_is_told_what_to_set(
    space, address, tmp_path, monkeypatch, environment, problem
):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    message = refused(space, address, HOME=str(tmp_path), **environment)
    assert f"the Ray cluster at {address} {problem}" in message
    assert "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the token that the cluster was started with" in message
    assert "s3cret" not in message


def test_an_address_at_which_nobody_listens(space):
    address = f"127.0.0.1:{free_port()}"
    assert f"no Ray cluster can be reached at {address}: Connection refused" in refused(space, address)


def test_gpus_asked_for_where_there_are_none(space, address):
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    assert "this Ray cluster has no GPU" in refused(space, address, "--gpus-per-trial", 0.5, **token)
    assert "experiments are joined on GPUs alone" in refused(space, address, "--pack", 4, **token)


def join(address: str | None, num_cpus: int | None = None) -> None:
    with survey_cluster.connected(
        survey="s", address=address, num_cpus=num_cpus, num_gpus=None, dashboard=False, environment={}
    ):
        pass


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "localhost", "6379", ":6379", "a:b", "a:99999", "a:1/x"])
def test_what_is_no_address_of_a_cluster_is_refused(address):
    with pytest.raises(InputError, match=f"expected HOST:PORT or 'auto', found '{address}'"):
        join(address)


def raylet(address: str, user: int) -> SimpleNamespace:
    """A Ray node of a machine, as psutil describes it."""
    command = ["raylet", "--head", f"--gcs-address={address}"]
    return SimpleNamespace(info={"name": "raylet", "cmdline": command, "uids": SimpleNamespace(real=user)})


@pytest.mark.parametrize(
    ("users", "latest", "found"),
    [
        ([os.getuid()], None, "10.0.0.1:1"),
        ([os.getuid(), 4711], "10.0.0.2:2", "10.0.0.1:1"),
        ([4711, 0], None, "10.0.0.2:2"),
        ([os.getuid(), os.getuid()], "10.0.0.2:2", "10.0.0.2:2"),
        ([os.getuid(), os.getuid()], None, r"expected one Ray cluster of this user .*, found 10.0.0.1:1, 10.0.0.2:2;"),
        ([4711], "10.0.0.1:1", r"expected one Ray cluster .*, found none \(1 of other users\); give the HOST:PORT"),
        ([], "10.0.0.1:1", "found none; give the HOST:PORT"),
    ],
)
def test_auto_is_never_the_cluster_of_another_user(users, latest, found, monkeypatch):
    """Who joins it runs what its owner likes; what the common temporary folder says is another user's word."""
    raylets = [raylet(f"10.0.0.{number}:{number}", user) for number, user in enumerate(users, start=1)]
    monkeypatch.setattr(psutil, "process_iter", lambda _attributes: iter(raylets))
    monkeypatch.setattr(joining, "read_ray_address", lambda: latest)
    if " " in found:
        with pytest.raises(InputError, match=found):
            joining._own_cluster()
    else:
        assert joining._own_cluster() == found


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


def test_two_surveys_at_once_in_a_process_are_refused():
    with survey_cluster._one_at_a_time, pytest.raises(InputError, match="another survey runs in this process"):
        join(None)


def test_what_listens_and_is_no_ray_is_told(monkeypatch):
    monkeypatch.setattr(joining, "_ANSWERS_WITHIN_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"what listens at {address} does not answer as a Ray cluster does"):
            join(address)


def test_a_machine_that_does_not_belong_to_the_cluster(address, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setattr(psutil, "process_iter", lambda _attributes: iter(()))
    with pytest.raises(InputError, match=r"this machine does not belong to the Ray cluster .*`ray start --address="):
        join(address)


def test_a_ray_that_does_not_start_is_told(monkeypatch):
    """On a machine that is too busy, it raises nothing better than this."""

    def init(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(survey_cluster.ray, "init", init)
    with pytest.raises(InputError, match=r"a Ray cluster on this machine cannot be used: The current node timed out"):
        join(None)


def test_cores_of_a_cluster_are_its_own():
    with pytest.raises(InputError, match="with --address leave them out"):
        join("auto", num_cpus=2)


def test_an_mlflow_server_keeps_runs_and_artifacts(space, address, mlflow_server, tmp_path):
    from mlflow.tracking import MlflowClient

    uri, kept = mlflow_server
    out = tmp_path / "out"
    arguments = (space, "--out", out, "--address", address, "--tracking-uri", uri, "--no-ui")
    (tmp_path / "token").write_text(TOKEN)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    status, output = launch(*arguments, **token)
    assert status == 0, output
    assert len(rows(out)) == RUNS
    assert (out / "report" / "index.html").is_file()
    assert not (out / "mlflow.db").exists()
    assert not (out / "artifacts").exists()

    client = MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "tiny"]
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * (EXPERIMENTS + RUNS)
    trials = [run for run in runs if run.data.tags["survey.role"] == "experiment"]
    assert [[file.path for file in client.list_artifacts(run.info.run_id)] for run in trials] == [
        ["history.parquet"]
    ] * EXPERIMENTS
    assert len(list(kept.rglob("history.parquet"))) == EXPERIMENTS
    assert len(client.get_metric_history(trials[0].info.run_id, "test_loss")) == 3

    status, output = launch(*arguments, **token)
    assert (status, "nothing left to train" in output) == (0, True), output
    assert len(client.search_runs([experiment.experiment_id])) == len(runs)
