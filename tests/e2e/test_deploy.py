"""What is in deploy/, checked as far as that goes without such a cluster.

The batch script runs with stand-ins for the commands of Slurm. In one test its `srun` starts two machines on this host:
each has a network address, a name, processes and a /tmp/ray of its own, so the launcher of Ray takes them for machines.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.awaiting import HANGS_S, await_that
from tests.support.launching import rows
from tests.support.paths import ROOT
from tests.support.small_survey import RUNS, write_space

DEPLOY = ROOT / "deploy"
SCRIPT = DEPLOY / "slurm.sbatch"
CLUSTER_MD = (DEPLOY.parent / "docs" / "cluster.md").read_text()

SCONTROL = """#!/bin/bash
case "$1 $2" in
  "show hostnames") echo "$3" | tr , '\\n' ;;
  "show job") echo "JobId=$3 JobName=survey StartTime=2026-01-01T00:00:00 EndTime=$FAKE_END TimeLimit=04:00:00" ;;
  *) exit 1 ;;
esac
"""
HEAD_SRUN = """#!/bin/bash
printf '%s\\n' "$@" > "$FAKE_RECORD-srun"
[ -n "$RAY_AUTH_TOKEN" ] && [ "$RAY_AUTH_MODE" = token ] || exit 9
while [ "$1" != -- ]; do shift; done
shift
sleep "${FAKE_WAIT:-0}"
held() { while [ -e "$FAKE_RECORD-hold-$1" ]; do sleep 0.1; done; }
held before
env --default-signal=INT "$@" # as Slurm's daemon starts it, which no shell has put into the background
status=$?
touch "$FAKE_RECORD-after"
held after
exit $status
"""
"""The head alone: as in Ray's launcher, time passes before what comes after `--` is run, and after it."""

DATE = """#!/bin/bash
[ "$1" = +%s ] && [ -e "$FAKE_RECORD-srun" ] && exec /bin/date -d "+1 hour" +%s
exec /bin/date "$@"
"""
"""A clock by which it takes an hour until the nodes are there."""

PYTHON = """#!/bin/bash
trap 'touch "$FAKE_RECORD-interrupted"; exit 130' INT
printf '%s\\n' "$@" > "$FAKE_RECORD"
for _ in $(seq "${FAKE_TRAINS:-0}"); do sleep 0.1; done
exit "${FAKE_STATUS:-0}"
"""
"""A launch that trains for so many tenths of a second."""


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
        (self.folder / "ray").symlink_to(Path(sys.executable).with_name("ray"))
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

    def start(self, *arguments: object, prefix: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*prefix, "bash", str(SCRIPT), *map(str, arguments)],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: object, prefix: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
        with self.start(*arguments, prefix=prefix, **environment) as job:
            output, _ = job.communicate(timeout=HANGS_S)
        return job.returncode, output

    def signalled(self, moment: str, *, hold: str = "", **environment: str) -> tuple[int, str]:
        """Run a job that gets USR1 when the stand-ins have written a file, and may be held until it knows of that."""
        held, scratch = self.folder / f"record-hold-{hold}", self.folder / "scratch"
        held.touch()
        scratch.mkdir()
        with self.start("space.yaml", TMPDIR=str(scratch), **environment) as job:
            await_that(lambda: (self.folder / moment).exists() or job.poll() is not None)
            job.send_signal(signal.SIGUSR1)
            await_that(lambda: list(scratch.glob("*/stop")) or job.poll() is not None)
            held.unlink()
            output, _ = job.communicate(timeout=HANGS_S)
        return job.returncode, output

    def recorded(self, name: str) -> list[str]:
        """The arguments that a stand-in was given."""
        return (self.folder / name).read_text().splitlines()

    @property
    def began(self) -> bool:
        """Whether the launch did."""
        return (self.folder / "record").exists()

    @property
    def interrupted(self) -> bool:
        """Whether the launch was, in good order."""
        return (self.folder / "record-interrupted").exists()


@pytest.fixture
def slurm(tmp_path) -> Slurm:
    slurm = Slurm(tmp_path, HEAD_SRUN)
    tool(slurm.folder, "interpreter", PYTHON)  # by no name that has `python` in it
    slurm.environment["SURVEY_PYTHON"] = str(slurm.folder / "interpreter")
    return slurm


@pytest.mark.launch
def test_the_batch_script_starts_rays_launcher_on_every_node(slurm):
    status, output = slurm.run("space.yaml", "--out", "a folder")
    assert status == 0, output
    step, launch = slurm.recorded("record-srun"), slurm.recorded("record")
    join = launch[-1]
    assert join.endswith(":24711")
    assert launch == ["-m", "survey.launch", "space.yaml", "--out", "a folder", "--address", join]
    launcher = ["ray", "symmetric-run", "--address", join, "--min-nodes", "2", "--num-cpus=1", "--"]
    assert step[step.index("ray") :][: len(launcher)] == launcher
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=1"} <= set(step)
    file = Path(slurm.environment["HOME"]) / ".ray" / "auth_token"
    assert file.stat().st_mode & 0o077 == 0
    token = file.read_text().strip()
    assert token
    assert token not in output + "".join(step + launch)


def time_limit(slurm: Slurm) -> int:
    option, value = slurm.recorded("record")[-2:]
    assert option == "--time-limit"
    return int(value.removesuffix("s"))


@pytest.mark.launch
def test_the_batch_script_stops_in_good_order_before_its_time(slurm):
    began = int(time.time())
    ends = began + 36_000
    assert slurm.run("x", SLURM_JOB_END_TIME=str(ends), SURVEY_MARGIN_S="60")[0] == 0
    assert began <= ends - 60 - time_limit(slurm) <= time.time()
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(ends))
    assert slurm.run("x", FAKE_END=text)[0] == 0
    assert began <= ends - 300 - time_limit(slurm) <= time.time()


@pytest.mark.launch
def test_the_margin_is_kept_however_long_the_nodes_take(slurm):
    ends = int(time.time()) + 3600
    assert slurm.run("x", SLURM_JOB_END_TIME=str(ends), SURVEY_MARGIN_S="60", FAKE_WAIT="8")[0] == 0
    assert time_limit(slurm) <= 3600 - 60 - 8


@pytest.mark.launch
def test_the_batch_script_refuses_a_job_that_is_too_short(slurm):
    status, output = slurm.run("x", SLURM_JOB_END_TIME=str(int(time.time()) + 200))
    assert (status, "ask for more --time" in output) == (2, True), output
    assert not slurm.began


@pytest.mark.launch
def test_no_launch_begins_when_only_the_margin_is_left(slurm):
    tool(slurm.folder, "date", DATE)
    ends = int(time.time()) + 60 + 3000
    status, output = slurm.run("x", SLURM_JOB_END_TIME=str(ends), SURVEY_MARGIN_S="60")
    assert (status, "ask for more --time" in output) == (1, True), output
    assert not slurm.began


@pytest.mark.launch
def test_usr1_interrupts_the_launch(slurm):
    status, output = slurm.signalled("record", FAKE_TRAINS="100000")
    assert status == 130, output
    assert slurm.interrupted


@pytest.mark.launch
def test_usr1_before_the_launch_keeps_it_from_beginning(slurm):
    status, output = slurm.signalled("record-srun", hold="before")
    assert (status, "interrupted before the launch began" in output) == (130, True), output
    assert not slurm.began


@pytest.mark.launch
def test_usr1_after_the_launch_changes_nothing(slurm):
    status, output = slurm.signalled("record-after", hold="after", FAKE_STATUS="1")
    assert status == 1, output
    assert not slurm.interrupted


@pytest.mark.launch
def test_the_batch_script_passes_on_how_the_launch_ended(slurm):
    assert slurm.run("x", FAKE_STATUS="1")[0] == 1


@pytest.mark.launch
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


@pytest.mark.service
def test_a_batch_job_on_two_machines(machines, tmp_path, request):
    slurm, out = Slurm(tmp_path, MACHINES_SRUN, ",".join(NODES)), tmp_path / "out"
    # Ray's sockets lie there, whose paths may have 107 characters.
    disks = tempfile.TemporaryDirectory(prefix="disks-")
    request.addfinalizer(disks.cleanup)
    own = {"FAKE_PREFIX": machines, "FAKE_DISKS": disks.name, "SURVEY_MARGIN_S": "60"}
    limit = {"SLURM_JOB_END_TIME": str(int(time.time()) + 36_000)}
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
    "autoscalerOptions": {"idleTimeoutSeconds", "env"},
    "headGroupSpec": {"rayStartParams", "template"},
    "workerGroupSpecs": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"},
}
"""Of the definition of RayCluster in the API ray.io/v1 of KubeRay: those that are used here."""


def test_the_cluster_for_kubernetes_has_the_fields_of_its_definition():
    cluster = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    assert set(spec) == FIELDS["spec"]
    assert set(spec["autoscalerOptions"]) == FIELDS["autoscalerOptions"]
    assert set(spec["headGroupSpec"]) == FIELDS["headGroupSpec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    assert all(set(group) == FIELDS["workerGroupSpecs"] for group in spec["workerGroupSpecs"])
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {"name", "image", "env", "resources", "volumeMounts"} == set(container)
        assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_all_of_the_cluster_for_kubernetes_has_the_token():
    """The autoscaler too, whose container the operator adds: without the token the cluster does not grow."""
    spec = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    containers = [container for group in groups for container in group["template"]["spec"]["containers"]]
    for container in [spec["autoscalerOptions"], *containers]:
        variables = {each["name"]: each for each in container["env"]}
        assert variables["RAY_AUTH_MODE"]["value"] == "token"
        assert set(variables["RAY_AUTH_TOKEN"]) == {"name", "valueFrom"}, "the token is in a secret, not here"
        secret = variables["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
        assert f"kubectl create secret generic {secret['name']} --from-literal={secret['key']}=" in CLUSTER_MD


def test_the_cluster_for_a_cloud_is_one_that_ray_takes():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load((DEPLOY / "ray-up.yaml").read_text()))
    validate_config(config)
    assert config["head_node_type"] in config["available_node_types"]
    # Ray fills in commands of its own where there are none; they know nothing of this installation.
    assert config["head_setup_commands"][-1] == ".venv/bin/pip install boto3"
    for key in ("setup_commands", "head_setup_commands", "worker_setup_commands"):
        assert not [command for command in config[key] if command.startswith(("pip", "which"))]
