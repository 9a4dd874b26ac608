"""A survey on what runs already: a Ray cluster that asks for a token, and an MLflow server that keeps the artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from survey.cluster.connection import connected
from survey.errors import InputError
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.launch.planning import dry_run
from survey.output.forecasts import read_forecasts
from tests.support.launching import launch, launched, rows
from tests.support.servers import TOKEN, free_port, ray_cluster, running

pytestmark = pytest.mark.service

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


def test_a_cluster_without_a_token_has_gpus_that_decide_the_plan(space, tmp_path):
    """Ray's own accounts stand in for a GPU."""
    # All of Ray on the loopback interface, as anyone may use this cluster.
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


def refused(space: Path, address: str, *arguments: object, **environment: str) -> str:
    """Launch where that is refused; return the one message, where Ray's own client would print many."""
    status, output = launch(
        space, "--out", space.parent / "out", "--address", address, "--no-ui", *arguments, **environment
    )
    assert status == 2, output
    _plan, _core, stage, *messages = output.splitlines()
    assert (stage, len(messages)) == ("joining Ray", 1), output
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
    assert "experiments are packed on GPUs only" in refused(space, address, "--pack", 4, **token)


def test_a_machine_that_does_not_belong_to_the_cluster(address, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setattr(psutil, "process_iter", lambda _attributes: iter(()))
    asked = {"num_cpus": None, "num_gpus": None, "dashboard": False, "environment": {}}
    with (
        pytest.raises(InputError, match=r"this machine does not belong to the Ray cluster .*`ray start --address="),
        connected(survey="s", address=address, **asked),
    ):
        pass


def test_an_mlflow_server_keeps_runs_and_artifacts(space, address, mlflow_server, tmp_path):
    from mlflow.tracking import MlflowClient

    uri, kept = mlflow_server
    out = tmp_path / "out"
    arguments = (space, "--out", out, "--address", address, "--tracking-uri", uri, "--no-ui")
    (tmp_path / "token").write_text(TOKEN)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    output = launched(*arguments, **token)
    assert f"{RUNS} of {RUNS} runs done" in output
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
