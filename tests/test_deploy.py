"""What is in deploy/, checked as far as that goes without such a cluster.

The batch script runs with stand-ins for Slurm's commands; in the slow test its `srun` starts two machines on this host:
each has a network address, a name, processes and a /tmp/ray of its own, so Ray's launcher takes them for machines.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import RUNS, rows, write_space

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
SCRIPT = DEPLOY / "slurm.sbatch"

SCONTROL = """#!/bin/bash
case "$1 $2" in
  "show hostnames") echo "$3" | tr , '\\n' ;;
  "show job") echo "JobId=$3 JobName=survey StartTime=2026-01-01T00:00:00 EndTime=$FAKE_END TimeLimit=04:00:00" ;;
  *) exit 1 ;;
esac
"""
RECORDING_SRUN = """#!/bin/bash
printf '%s\\n' "$@" > "$FAKE_RECORD"
[ -n "$RAY_AUTH_TOKEN" ] && [ "$RAY_AUTH_MODE" = token ] || exit 9
exit "${FAKE_STATUS:-0}"
"""


def test_the_batch_script_is_bash():
    subprocess.run(["bash", "-n", SCRIPT], check=True)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed on this machine")
def test_the_batch_script_passes_shellcheck():
    subprocess.run(["shellcheck", SCRIPT], check=True)


def tool(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)


class Slurm:
    """A batch job with stand-ins for Slurm's commands."""

    def __init__(self, folder: Path, srun: str, nodes: str = "127.0.0.1,127.0.0.1") -> None:
        self.folder = folder / "slurm"
        self.folder.mkdir()
        tool(self.folder, "scontrol", SCONTROL)
        tool(self.folder, "srun", srun)
        self.environment = {
            **os.environ,
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "HOME": str(folder),
            "USER": "me",
            "SURVEY_PYTHON": sys.executable,
            "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NODELIST": nodes,
            "SLURM_NNODES": str(nodes.count(",") + 1),
            "SLURM_CPUS_ON_NODE": "1",
            "FAKE_RECORD": str(self.folder / "record"),
            "FAKE_END": "Unknown",
        }

    def run(self, *arguments: object, prefix: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
        answer = subprocess.run(
            [*prefix, "bash", str(SCRIPT), *map(str, arguments)],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
            check=False,
        )
        return answer.returncode, answer.stdout

    @property
    def started(self) -> list[str]:
        """The arguments that srun was given."""
        return (self.folder / "record").read_text().splitlines()


@pytest.fixture
def slurm(tmp_path) -> Slurm:
    return Slurm(tmp_path, RECORDING_SRUN)


def test_the_batch_script_starts_rays_launcher_on_every_node(slurm):
    status, output = slurm.run("space.yaml", "--out", "a folder")
    assert status == 0, output
    join = slurm.started[slurm.started.index("--address") + 1]
    assert join.endswith(":24711")
    launcher = ["ray", "symmetric-run", "--address", join, "--min-nodes", "2", "--num-cpus=1", "--"]
    launch = [sys.executable, "-m", "survey.launch", "space.yaml", "--out", "a folder", "--address", join]
    assert slurm.started[-len(launcher + launch) :] == launcher + launch
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=1"} <= set(slurm.started)
    token = (Path(slurm.environment["HOME"]) / ".ray" / "auth_token").read_text().strip()
    assert token
    assert token not in output + "".join(slurm.started)


def time_limit(slurm: Slurm) -> int:
    return int(slurm.started[slurm.started.index("--time-limit") + 1].removesuffix("s"))


def test_the_batch_script_stops_in_good_order_before_its_time(slurm):
    ends = int(time.time()) + 3600
    assert slurm.run("x", SLURM_JOB_END_TIME=str(ends), SURVEY_MARGIN_S="60")[0] == 0
    assert 3600 - 60 - 60 <= time_limit(slurm) <= 3600 - 60
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(ends))
    assert slurm.run("x", FAKE_END=text)[0] == 0
    assert 3600 - 300 - 120 <= time_limit(slurm) <= 3600 - 300


def test_the_batch_script_refuses_a_job_that_is_too_short(slurm):
    status, output = slurm.run("x", SLURM_JOB_END_TIME=str(int(time.time()) + 200))
    assert (status, "ask for more --time" in output) == (2, True), output


def test_the_batch_script_passes_on_how_the_launch_ended(slurm):
    assert slurm.run("x", FAKE_STATUS="1")[0] == 1


def test_the_batch_script_says_where_it_looks_for_python(slurm):
    status, output = slurm.run("x", SURVEY_PYTHON="/nowhere/python")
    assert (status, "no Python at /nowhere/python" in output) == (2, True), output


# What follows starts machines.

NODES = ("10.231.77.1", "10.231.77.2")
MACHINES_SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
for i in 0 1; do
  nsenter --net=/run/netns/$FAKE_PREFIX$i unshare --fork --pid --kill-child --mount-proc --uts --mount bash -c '
    hostname node$0
    mkdir -p /tmp/ray && mount -t tmpfs none /tmp/ray
    mkdir -p "$FAKE_DISKS/$0" && export TMPDIR="$FAKE_DISKS/$0"
    exec "$@"' $i "$@" &
  jobs[i]=$!
done
status=0
for job in "${jobs[@]}"; do wait "$job" || status=$?; done
exit $status
"""


def ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def machines() -> Iterator[str]:
    """Two network namespaces with a cable between them; yields how their names begin."""
    prefix = f"survey{os.getpid()}-"
    if os.getuid() or not shutil.which("ip") or not shutil.which("nsenter") or not ip("netns", "add", f"{prefix}0"):
        pytest.skip("needs root and network namespaces, to have several machines on this host")
    try:
        assert ip("netns", "add", f"{prefix}1")
        cable = ("link", "add", "eth0", "netns", f"{prefix}0", "type", "veth")
        assert ip(*cable, "peer", "name", "eth0", "netns", f"{prefix}1")
        for i, node in enumerate(NODES):
            assert ip("-n", f"{prefix}{i}", "addr", "add", f"{node}/24", "dev", "eth0")
            assert ip("-n", f"{prefix}{i}", "link", "set", "eth0", "up")
            assert ip("-n", f"{prefix}{i}", "link", "set", "lo", "up")
        yield prefix
    finally:
        for i in range(2):
            ip("netns", "delete", f"{prefix}{i}")


@pytest.mark.slow
def test_a_batch_job_on_two_machines(machines, tmp_path, request):
    slurm, out = Slurm(tmp_path, MACHINES_SRUN, ",".join(NODES)), tmp_path / "out"
    # Ray's sockets lie there, whose paths may have 107 characters.
    disks = tempfile.TemporaryDirectory(prefix="disks-")
    request.addfinalizer(disks.cleanup)
    own = {"FAKE_PREFIX": machines, "FAKE_DISKS": disks.name, "SURVEY_MARGIN_S": "60"}
    limit = {"SLURM_JOB_END_TIME": str(int(time.time()) + 600)}
    prefix = ("nsenter", f"--net=/run/netns/{machines}0")
    status, output = slurm.run(write_space(tmp_path), "--out", out, prefix=prefix, **own, **limit)
    assert status == 0, output
    assert f"{RUNS} of {RUNS} runs done" in output
    assert set(rows(out).hostname) == {"node0", "node1"}
    assert f"MLflow UI      http://{NODES[0]}:5000" in output
    assert f"ssh -N -L 5000:{NODES[0]}:5000 -L 8265:" in output
    assert list(Path(disks.name, "0").glob("survey-mlflow-*")) == []


FIELDS = {
    "spec": {"rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"},
    "headGroupSpec": {"rayStartParams", "template"},
    "workerGroupSpecs": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"},
}
"""Of the definition of RayCluster in the API ray.io/v1 of KubeRay: those that are used here."""


def test_the_cluster_for_kubernetes_has_the_fields_of_its_definition():
    cluster = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    assert set(spec) == FIELDS["spec"]
    assert set(spec["headGroupSpec"]) == FIELDS["headGroupSpec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    assert all(set(group) == FIELDS["workerGroupSpecs"] for group in spec["workerGroupSpecs"])
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {"name", "image", "env", "resources", "volumeMounts"} == set(container)
        assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
        token = {each["name"]: each for each in container["env"]}["RAY_AUTH_TOKEN"]
        assert "value" not in token, "the token is in a secret, not here"


def test_the_cluster_for_a_cloud_is_one_that_ray_takes():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((DEPLOY / "ray-up.yaml").read_text())
    validate_config(prepare_config(config))
    assert config["head_node_type"] in config["available_node_types"]
