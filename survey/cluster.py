"""The Ray cluster of a survey: one of its own on this machine, or one that runs already."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Before Ray is imported: no usage statistics, no files of Tune's loggers, signals are the launcher's own.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
# Tune's snapshot of all trials, which nobody reads, takes a millisecond for each of them.
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "inf")
# What will be Ray's default, of which it warns as long as this is not set: what asks for no GPU does not hide them.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Tune's newer output engine prints tables whatever `verbose` says.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import psutil
import ray
import ray._private.worker
from ray.exceptions import RayError
from ray.job_config import JobConfig
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from survey.errors import InputError
from survey.machine import MEMORY_FOR_TRIALS, memory_bytes
from survey.output import is_output

_WORKER_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    # One core a trial: the mathematics library's own threads would fight over them.
    "OMP_NUM_THREADS": "1",
    # On some processors that library adds up in another order in a bundle of another size, unless this is set.
    "MKL_CBWR": "AUTO",
    # While a tracking server is away, trials keep their epochs and train on; MLflow itself would hold them for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}

_LISTENS_WITHIN_S = 5.0
_ANSWERS_WITHIN_S = 20.0
_TOLD_CHARACTERS = 160
_NODES_ANSWER_WITHIN_S = 120.0
_HOW_TO_JOIN = (
    "give the HOST:PORT that `ray start --head` printed, and launch on a machine that belongs to the cluster "
    "(`ray start --address=HOST:PORT` makes it one)"
)
_ASK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"


@dataclass(frozen=True)
class Cluster:
    """A connection to Ray.

    Attributes:
        head: Address at which its head listens, `HOST:PORT`.
        dashboard: Address of the Ray dashboard, or None where there is none.
        num_cpus: CPU cores of the cluster.
        num_gpus: GPUs of the cluster.
        node_memory: Bytes of memory that a trial may ask for: what the machine with the most gives out. 0 where no
            machine that trains is there yet, on a cluster that grows with what is asked of it.
        is_local: Whether it consists of this machine alone, so that workers reach its files.
    """

    head: str
    dashboard: str | None
    num_cpus: float
    num_gpus: float
    node_memory: int
    is_local: bool


_log = logging.getLogger(__name__)


def _print_shortly(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
    """Tell what Ray says of its nodes in a line: where one is lost, it prints pages of that node's log."""
    for text in data["lines"]:
        _log.warning("Ray: %s", textwrap.shorten(text, _TOLD_CHARACTERS, placeholder=" ..."))


ray._private.worker.print_to_stdstream = _print_shortly


def connect(
    *,
    survey: str,
    address: str | None,
    num_cpus: int | None,
    num_gpus: float | None,
    dashboard: bool,
    environment: Mapping[str, str],
) -> Cluster:
    """Start a Ray on this machine, or join the one at `address`.

    Args:
        survey: Name of the survey, which the job bears in Ray's dashboard.
        address: Address of a cluster that runs, or None for one of its own (never another that happens to run).
        num_cpus: Cores to use on this machine; None for all.
        num_gpus: GPUs to use on this machine; None for all.
        dashboard: Whether to start the dashboard.
        environment: Variables that workers need beside those of this module.

    Raises:
        InputError: The cluster cannot be reached, or cores are asked for on one that runs already.
    """
    if address and (num_cpus is not None or num_gpus is not None):
        raise InputError("--num-cpus and --num-gpus size a Ray of the survey's own; with --address leave them out")
    variables = {**_WORKER_ENVIRONMENT, **environment}
    if address:
        _check_joinable(address)
        own: dict[str, Any] = {"runtime_env": {"env_vars": variables}}
    else:
        own = {
            "num_cpus": num_cpus,
            "num_gpus": num_gpus,
            "include_dashboard": dashboard,
            "_memory": int(MEMORY_FOR_TRIALS * memory_bytes()),
        }
    try:
        # Workers of a Ray of our own inherit the variables; a runtime environment would start them a second time.
        with _environment({} if address else variables):
            context = ray.init(
                address=address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                namespace="survey",
                job_config=JobConfig(metadata={"job_name": f"survey {survey}"}),
                **own,
            )
    except Exception as error:  # Ray raises almost any, a bare `Exception` where a busy machine was too slow
        where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
        hint = f"; {_HOW_TO_JOIN}" if address else ""
        raise InputError(f"{where} cannot be used: {textwrap.shorten(str(error), 400)}{hint}") from None
    resources = ray.cluster_resources()
    url = context.dashboard_url if dashboard or address else None
    return Cluster(
        head=ray.get_runtime_context().gcs_address,
        dashboard=f"http://{url}" if url else None,
        num_cpus=resources.get("CPU", 0.0),
        num_gpus=resources.get("GPU", 0.0),
        node_memory=max((int(each["Resources"].get("memory", 0)) for each in _nodes_that_train()), default=0),
        is_local=len({(node["NodeManagerHostname"], node["NodeManagerAddress"]) for node in _nodes()}) == 1,
    )


def _check_joinable(address: str) -> None:
    """See that a Ray cluster is at an address, takes our token, and that this machine can belong to it.

    Ray itself tries for up to a minute, prints a line for each try, and ends the process where it has no token.

    Raises:
        InputError: It cannot be joined; the message says why and what to do.
    """
    if address == "auto":
        return
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if "/" in address or not host or not port:
        raise InputError(f"--address: expected HOST:PORT or 'auto', found {address!r}; {_HOW_TO_JOIN}")
    try:
        socket.create_connection((host, port), timeout=_LISTENS_WITHIN_S).close()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"no Ray cluster can be reached at {address}: {reason}; {_HOW_TO_JOIN}") from None
    _check_token(address)
    if not any((process.info["name"] or "").startswith("raylet") for process in psutil.process_iter(["name"])):
        raise InputError(f"this machine does not belong to the Ray cluster at {address}; {_HOW_TO_JOIN}")


def _check_token(address: str) -> None:
    """See that what listens at an address is a Ray cluster that takes our token.

    Another process asks: Ray's client prints its failures, takes long over them, and aborts without a token.
    """
    command = [sys.executable, "-c", _ASK, address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWERS_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"what listens at {address} does not answer as a Ray cluster does; {_HOW_TO_JOIN}") from None
    refused = "InvalidAuthToken" in asked.stderr
    if not refused and "RAY_AUTH_TOKEN" not in asked.stderr:
        return  # all is well, or else Ray itself says what is not
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        problem = "asks for a token"
    else:
        sources = [name for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH") if os.environ.get(name)]
        source = sources[0] if sources else "~/.ray/auth_token"
        problem = f"does not take the token of {source}" if refused else f"asks for a token, and {source} has none"
    raise InputError(
        f"the Ray cluster at {address} {problem}: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the token that the "
        "cluster was started with, or RAY_AUTH_TOKEN_PATH to a file with it; `ray get-auth-token` prints it there"
    )


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
    """The ssh command that brings the servers at URLs to the same ports of one's own machine."""
    places = [urlsplit(address).netloc for address in addresses if address]
    forwards = [f"-L {place.rpartition(':')[2]}:{place}" for place in places]
    return " ".join(["ssh -N", *forwards, socket.gethostname()])


def without_proxy(address: str) -> dict[str, str]:
    """The environment in which a process asks the server at a URL itself, where others are asked through a proxy."""
    host = urlsplit(address).hostname or ""
    rest = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    return {"no_proxy": f"{rest},{host}" if rest else host}


def check_nodes(folder: Path | None, output_id: str, variables: Collection[str]) -> None:
    """See that every machine of the connected cluster that trains has what trials need.

    Args:
        folder: The output folder, if trials write to it.
        output_id: Its identity.
        variables: Names of environment variables; their values stay where they are.

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
    if not asked:  # none yet, on a cluster that grows with what is asked of it
        return
    _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_NODES_ANSWER_WITHIN_S)
    if silent:
        raise InputError(f"{asked[silent[0]]} of the Ray cluster does not answer; is it still there?")
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
    """Say what this machine lacks, and what to do; an empty string if it lacks nothing."""
    unset = [name for name in variables if name not in os.environ]
    if unset:
        return f"the environment variables {', '.join(unset)}, which are set here: set them for `ray start` there"
    if folder and not is_output(folder, output_id):
        return (
            f"the output folder {folder}: --out has to be in a folder that all machines share, or --tracking-uri and "
            "--artifacts give places that all reach"
        )
    return ""


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def disconnect() -> None:
    """Leave the cluster; one of its own ends."""
    ray.shutdown()
