"""The Ray cluster of a survey: its own on this machine, or one that runs already."""

from __future__ import annotations

import logging
import os
import socket
import textwrap
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Before Ray is imported: no usage statistics, no files of Tune's loggers, signals are the launcher's own.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
# Tune's snapshot of all trials, which nobody reads, takes a millisecond for each of them.
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "inf")
# Ray's future default, about which it warns unless this is set: tasks that request no GPU do not hide them.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Tune's newer output engine prints tables whatever `verbose` says.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
import ray._private.worker
from ray.exceptions import RayError
from ray.job_config import JobConfig
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from survey.cluster.joining import HOW_TO_JOIN, joinable
from survey.cluster.own_ray import Workers, environment_of, leave_ray, start_ray, token_file
from survey.errors import InputError
from survey.output.folder import is_output
from survey.system.import_path import ROOT, is_installed
from survey.system.machine import MEMORY_FOR_TRIALS, memory_bytes
from survey.system.private_folder import PrivateFolder

_WORKER_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own variable of its actors: `survey.trials.changed_tune` leaves it to all workers.
    "PL_DISABLE_FORK": "1",
    # One core a trial: the mathematics library's own threads would fight over them.
    "OMP_NUM_THREADS": "1",
    # Without it, on some processors, that library's order of summation depends on the size of the bundle.
    "MKL_CBWR": "AUTO",
    # While a tracking server is away, trials keep their epochs and train on; MLflow itself would hold them for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}

_ONE_WORKER = Workers(1, "survey")
_TOLD_CHARACTERS = 160
_NODES_ANSWER_WITHIN_S = 120.0


@dataclass(frozen=True)
class Cluster:
    """A connection to Ray.

    Attributes:
        head: Address at which its head listens, `HOST:PORT`.
        dashboard: Returns the address of the Ray dashboard; None if there is none. That of a launch's own Ray is
            started by it, in some seconds, and ends with the thread that has called it.
        num_cpus: CPU cores of the cluster.
        num_gpus: GPUs of the cluster.
        node_memory: Memory that a trial may request, in bytes: what the largest machine offers. 0 if an autoscaling
            cluster has no machine that trains yet.
        is_local: Whether it consists of this machine alone, so that workers reach its files.
        scratch: A private folder of this machine, for the duration of the connection.
        token_file: File with the token of its dashboard; None if only Ray's own command can tell it.
        variables: Environment variables to pass to actors and tasks, which do not get them from the job.
    """

    head: str
    dashboard: Callable[[], str] | None
    num_cpus: float
    num_gpus: float
    node_memory: int
    is_local: bool
    scratch: Path = Path()
    token_file: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


_log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()


@contextmanager
def connected(
    *,
    survey: str,
    address: str | None,
    num_cpus: int | None,
    num_gpus: float | None,
    dashboard: bool,
    environment: Mapping[str, str],
    workers: Workers = _ONE_WORKER,
) -> Iterator[Cluster]:
    """Start a Ray on this machine, or join the one at `address`, or use the one that this process is connected to.

    On exit, a Ray started here is shut down, one joined here is left, and that of the caller keeps running.

    Args:
        survey: Name of the survey, for the job in Ray's dashboard.
        address: Address of a running cluster; None to start one (and never to join another that happens to run).
        num_cpus: Cores to use on this machine; None for all.
        num_gpus: GPUs to use on this machine; None for all.
        dashboard: Whether there is to be a dashboard.
        environment: Environment variables for workers, beside those of this module.
        workers: Those that a Ray which is started here has before there are trials.

    Raises:
        InputError: The cluster cannot be reached, or cores are requested on one that runs already.
    """
    if address and (num_cpus is not None or num_gpus is not None):
        raise InputError("--num-cpus and --num-gpus are for the survey's own Ray: leave them out with --address")
    if not _one_at_a_time.acquire(blocking=False):
        raise InputError("another survey runs in this process: run one after the other, or each in its own process")
    variables = {**_WORKER_ENVIRONMENT, **environment}
    with ExitStack() as stack:
        stack.callback(_one_at_a_time.release)
        scratch = stack.enter_context(PrivateFolder()).path
        if ray.is_initialized():
            yield _cluster(scratch, _running_dashboard(), variables=variables)
            return
        stack.enter_context(_node_losses_told_shortly())
        arguments = {
            "logging_level": logging.ERROR,
            "log_to_driver": False,
            "namespace": "survey",
            "job_config": _JobConfig(
                metadata={"job_name": f"survey {survey}"}, _py_driver_sys_path=[] if is_installed() else [str(ROOT)]
            ),
        }
        stack.callback(leave_ray)
        if address:
            _join(address, runtime_env={"env_vars": variables}, **arguments)
            yield _cluster(scratch, _running_dashboard())
            return
        arguments |= {"num_cpus": num_cpus, "num_gpus": num_gpus, "include_dashboard": dashboard}
        with _errors("a Ray cluster on this machine"):
            # Its workers inherit the variables; a runtime environment would start them a second time.
            arguments["_memory"] = int(MEMORY_FOR_TRIALS * memory_bytes())
            own = start_ray(scratch, variables, workers, **arguments)
        stack.callback(own.stop)
        yield replace(_cluster(scratch, own.start if dashboard else None), token_file=token_file(scratch))


def _running_dashboard() -> Callable[[], str] | None:
    """The dashboard of the cluster that this process is connected to."""
    url = ray._private.worker.get_dashboard_url()
    return (lambda: f"http://{url}") if url else None


def _join(address: str, **arguments: Any) -> None:
    found = joinable(address)
    with _errors(f"the Ray cluster at {found}", hint=f"; {HOW_TO_JOIN}"), environment_of({"RAY_ADDRESS": found}):
        ray.init(address=address, **arguments)


@contextmanager
def _errors(where: str, hint: str = "") -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Ray raises almost any, a bare `Exception` where a busy machine was too slow
        raise InputError(f"{where} cannot be used: {textwrap.shorten(str(error), 400)}{hint}") from None


def _cluster(scratch: Path, dashboard: Callable[[], str] | None, *, variables: Mapping[str, str] = {}) -> Cluster:
    resources = ray.cluster_resources()
    return Cluster(
        head=ray.get_runtime_context().gcs_address,
        dashboard=dashboard,
        num_cpus=resources.get("CPU", 0.0),
        num_gpus=resources.get("GPU", 0.0),
        node_memory=max((int(each["Resources"].get("memory", 0)) for each in _nodes_that_train()), default=0),
        is_local=len({(node["NodeManagerHostname"], node["NodeManagerAddress"]) for node in _nodes()}) == 1,
        scratch=scratch,
        variables=variables,
    )


class _JobConfig(JobConfig):
    """A job whose workers do not import from the launch's working folder, as Ray's workers otherwise do."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True


@contextmanager
def _node_losses_told_shortly() -> Iterator[None]:
    """Shorten Ray's messages about its nodes to a line: when one is lost, Ray prints pages of that node's log."""

    def print_shortly(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        for text in data["lines"]:
            _log.warning("Ray: %s", textwrap.shorten(text, _TOLD_CHARACTERS, placeholder=" ..."))

    before, ray._private.worker.print_to_stdstream = ray._private.worker.print_to_stdstream, print_shortly
    try:
        yield
    finally:
        ray._private.worker.print_to_stdstream = before


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _nodes_that_train() -> list[dict[str, Any]]:
    return [node for node in _nodes() if node["Resources"].get("CPU")]


def address_of_this_machine(address: str) -> str:
    """Return the address by which the other machines of the cluster at `address` reach this one."""
    if address == "auto":
        return ray.util.get_node_ip_address()
    parts = urlsplit(f"//{address}")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname or "", parts.port or 0))  # sends nothing
            return probe.getsockname()[0]
    except (OSError, ValueError):
        return ray.util.get_node_ip_address()


def tunnel(*addresses: str | None) -> str:
    """Return the ssh command that forwards the servers at URLs to the same ports of the user's machine."""
    places = [urlsplit(address).netloc for address in addresses if address]
    forwards = [f"-L {place.rpartition(':')[2]}:{place}" for place in places]
    return " ".join(["ssh -N", *forwards, socket.gethostname()])


def without_proxy(address: str) -> dict[str, str]:
    """Return environment variables with which a process bypasses any proxy to the server at a URL."""
    host = urlsplit(address).hostname or ""
    rest = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    return {"no_proxy": f"{rest},{host}" if rest else host}


def check_nodes(folder: Path | None, output_id: str, variables: Collection[str]) -> None:
    """Check that every machine of the connected cluster that trains has what trials need.

    Args:
        folder: The output folder, if trials write to it.
        output_id: Its identity.
        variables: Names of environment variables that must be set; their values are not sent.

    Raises:
        InputError: A machine lacks something, or does not answer; the message names it.
    """
    look = ray.remote(num_cpus=0, max_retries=0)(_what_is_missing)
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
            folder, output_id, sorted(variables)
        ): f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        for node in _nodes_that_train()
    }
    if not asked:  # none yet, on an autoscaling cluster
        return
    _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_NODES_ANSWER_WITHIN_S)
    if silent:
        raise InputError(f"{asked[silent[0]]} of the Ray cluster does not answer; is it still running?")
    for task, node in asked.items():
        try:
            missing = ray.get(task)
        except RayError as error:
            raise InputError(
                f"{node} of the Ray cluster cannot run this package: {textwrap.shorten(str(error), 200)}; each "
                "machine needs the same installation"
            ) from None
        if missing:
            raise InputError(f"{node} of the Ray cluster lacks {missing}")


def _what_is_missing(folder: Path | None, output_id: str, variables: list[str]) -> str:
    """Return what this machine lacks, and what to do; an empty string if it lacks nothing."""
    unset = [name for name in variables if name not in os.environ]
    if unset:
        return f"the environment variables {', '.join(unset)}, which are set here: set them for `ray start` there"
    if folder and not is_output(folder, output_id):
        return (
            f"the output folder {folder}: --out has to be in a folder that all machines share, or --tracking-uri and "
            "--artifacts have to name locations that all reach"
        )
    return ""
