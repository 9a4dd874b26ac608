"""The Ray cluster of a survey: one of its own on this machine, or one that runs already."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Before Ray is imported: no usage statistics, no files of Tune's loggers, signals are the launcher's own.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Tune's newer output engine prints tables whatever `verbose` says.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray

from survey.errors import InputError

_WORKER_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    # One core a trial: the mathematics library's own threads would fight over them.
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Cluster:
    """A connection to Ray.

    Attributes:
        dashboard: Address of the Ray dashboard, or None where there is none.
        num_cpus: CPU cores of the cluster.
        num_gpus: GPUs of the cluster.
        is_local: Whether it consists of this machine alone, so that workers reach its files.
    """

    dashboard: str | None
    num_cpus: float
    num_gpus: float
    is_local: bool


def connect(
    *,
    address: str | None,
    num_cpus: int | None,
    num_gpus: float | None,
    dashboard: bool,
    environment: Mapping[str, str],
) -> Cluster:
    """Start a Ray on this machine, or join the one at `address`.

    Args:
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
        own: dict[str, Any] = {"runtime_env": {"env_vars": variables}}
    else:
        own = {"num_cpus": num_cpus, "num_gpus": num_gpus, "include_dashboard": dashboard}
    try:
        # Workers of a Ray of our own inherit the variables; a runtime environment would start them a second time.
        with _environment({} if address else variables):
            context = ray.init(
                address=address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                namespace="survey",
                **own,
            )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
        hint = "; if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN" if address else ""
        raise InputError(f"{where} cannot be used: {str(error).splitlines()[0]}{hint}") from None
    resources = ray.cluster_resources()
    url = context.dashboard_url if dashboard or address else None
    return Cluster(
        dashboard=f"http://{url}" if url else None,
        num_cpus=resources.get("CPU", 0.0),
        num_gpus=resources.get("GPU", 0.0),
        is_local=len({node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}) == 1,
    )


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
