"""A survey on a real Ray cluster of three nodes: one MLflow store, on the node that launches, for all of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from survey.output.folder import Output
from survey.tracking.store_note import live_database
from tests.support.awaiting import await_that
from tests.support.launching import launch, launched, numbers, rows, site, start
from tests.support.paths import ROOT
from tests.support.servers import client_of, running
from tests.support.small_survey import EXPERIMENTS, RUNS, write_space

pytestmark = pytest.mark.service

TOKEN = "fedcba9876543210" * 4
JOIN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


TOGETHER = """
import sys
if "default_worker" in " ".join(sys.orig_argv):
    import os, time
    from pathlib import Path
    from survey.trials.bundle import Bundle
    start_epoch, folder = Bundle.start_epoch, Path("FOLDER/together")

    def held(bundle):
        if folder.exists():
            (folder / str(os.getpid())).touch()
        while folder.exists() and len(list(folder.iterdir())) < 3:
            time.sleep(0.05)
        start_epoch(bundle)

    Bundle.start_epoch = held
"""
"""Python runs it as `sitecustomize` in every process: trials begin together on three nodes, where a folder asks for it.
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="three"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    """A cluster of three nodes, each with a core; the first is the head. In a process that has known no other Ray."""
    environment = site(folder, TOGETHER.replace("FOLDER", str(folder)))
    path = os.pathsep.join([str(ROOT), environment["PYTHONPATH"]])
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": path}
    with running("tests.support.cluster_of_three", log=folder / "log", until="ready at ", **JOIN, **quiet):
        yield (folder / "log").read_text().partition("ready at ")[2].split()[0]


def finished_trials(out: Path) -> list:
    """The MLflow runs of finished trials, as the output folder has them."""
    client = client_of(Output.at(out).default_tracking_uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    wanted = "attributes.status = 'FINISHED' and tags.`survey.role` = 'experiment'"
    return client.search_runs(experiments, wanted)


def test_three_nodes_share_one_store(address, folder, tmp_path, undisturbed):
    out, together = tmp_path / "out", folder / "together"
    together.mkdir()
    status, output = launch(write_space(tmp_path), "--out", out, "--address", address, "--no-ui", **JOIN)
    shutil.rmtree(together)
    assert status == 0, output
    assert f"{EXPERIMENTS} experiments, {RUNS} of {RUNS} runs done" in output
    assert "MLflow" in output
    assert numbers(out) == numbers(undisturbed)
    trials = finished_trials(out)
    assert len(trials) == EXPERIMENTS
    times = [(run.info.start_time, run.info.end_time) for run in trials]
    assert max(sum(a <= begun < b for a, b in times) for begun, _ in times) == 3, "a trial on each node at a time"
    left = [file.name for file in out.iterdir() if file.name.startswith(("mlflow", ".mlflow"))]
    assert sorted(left) == ["mlflow-server.log", "mlflow.db"]


def test_the_launching_node_dies_with_its_disk(address, tmp_path, undisturbed):
    """Its store is gone before its first backup; the artifacts in the shared folder have all that was finished."""
    out, space = tmp_path / "out", write_space(tmp_path)
    arguments = (space, "--out", out, "--address", address, "--no-ui")
    process = start(*arguments, **JOIN)
    try:
        finished = await_histories(out, 2)
        folder = Path(json.loads((out / "mlflow-node.json").read_text())["file"]).parent
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert live_database(Output.at(out)).parent == folder
    shutil.rmtree(folder)

    output = launched(*arguments, **JOIN)
    assert "and is not found" in output
    assert numbers(out) == numbers(undisturbed)
    assert len(rows(out)) == RUNS
    trials = finished_trials(out)
    assert len(trials) == EXPERIMENTS
    recovered = {run.data.tags.get("recovered_from") for run in trials} - {None}
    assert recovered >= finished
    histories = {file.parents[1].name for file in (out / "artifacts").glob("*/artifacts/history.parquet")}
    assert histories == {run.info.run_id for run in trials}


def await_histories(out: Path, count: int) -> set[str]:
    """Wait until so many trials have their history; return their MLflow runs."""

    def histories() -> list[Path]:
        files = list((out / "artifacts").glob("*/artifacts/history.parquet"))
        return files if len(files) >= count else []

    files = await_that(histories, "no trial has finished")
    # Files over HTTP are not renamed into place: those before the newest are whole.
    newest = max(files, key=lambda file: file.stat().st_mtime_ns)
    return {file.parents[1].name for file in files if file != newest}


ASK = """
import sys
from pathlib import Path
from survey.cluster import connection
from survey.errors import InputError
from survey.output.folder import Output

output = Output.at(sys.argv[2])
output.prepare()
asked = {"num_cpus": None, "num_gpus": None, "dashboard": False, "environment": {}}
with connection.connected(survey="s", address=sys.argv[1], **asked):
    connection.check_nodes(output.folder, output.output_id, [])
    connection.check_nodes(None, "", ["PATH"])
    for folder, variables in ((Path("/nowhere"), []), (None, ["PATH", "PGPASSWORD"])):
        try:
            connection.check_nodes(folder, output.output_id, variables)
        except InputError as error:
            print(error)
"""


def test_a_machine_that_lacks_something_is_named(address, tmp_path):
    """All nodes are this host, so what they are asked for is what is nowhere."""
    command = [sys.executable, "-c", ASK, address, str(tmp_path / "out")]
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **JOIN}, check=False)
    assert answer.returncode == 0, answer.stderr
    folder, variables = answer.stdout.splitlines()
    assert re.search(r"\([\d.]+\) of the Ray cluster lacks the output folder /nowhere: --out has to be", folder)
    assert "lacks the environment variables PGPASSWORD, which are set here" in variables
