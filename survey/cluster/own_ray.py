"""A launch's own Ray on this machine, which no other machine and no other user can reach.

It listens on the loopback interface only, has its own token, and keeps its files in a private folder. It starts with
what trials need; its dashboard is started when it is asked for.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray
import ray._private.node
import ray._private.worker
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # pyright: ignore[reportAttributeAccessIssue] (compiled)

_TOKEN_FILE = "auth_token"
_DASHBOARD = "/ray/dashboard/dashboard.py"
_IS_UP_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.02


def token_file(folder: Path) -> Path:
    """Return the file with the token of the Ray whose files are in a folder."""
    return folder / _TOKEN_FILE


class _Node(ray._private.node.Node):
    """What `ray.init` starts, without what it would wait for and no trial needs.

    Attributes:
        most_workers: The most processes to start before there is work for them.
        start_dashboard: Starts Ray's dashboard, and the process that tells it of free resources.
    """

    most_workers: int
    start_dashboard: Callable[[], None]

    def __init__(self, ray_params: Any, **options: Any) -> None:
        # By default all Rays of a machine have the same, for which the agent of a second one tries in vain for seconds.
        ray_params.dashboard_agent_listen_port = 0
        super().__init__(ray_params, **options)

    def get_resource_and_label_spec(self) -> Any:
        """Describe the machine to `start_raylet`, whose number of cores decides how many workers start."""
        spec: Any = super().get_resource_and_label_spec()
        told = copy(spec)
        told.to_resource_dict = spec.to_resource_dict  # that of the machine: all cores take trials
        told.num_cpus = min(spec.num_cpus, self.most_workers)
        return told

    def start_raylet(self, *arguments: Any, **options: Any) -> None:
        """Start it, and return when it is up: Ray itself looks only once a second."""
        super().start_raylet(*arguments, **options)
        control_store: Any = self.get_gcs_client()
        ends = time.monotonic() + _IS_UP_WITHIN_S
        with suppress(Exception):  # Ray looks too, afterwards, and says what is wrong
            while not control_store.get_all_node_info(timeout=_IS_UP_WITHIN_S) and time.monotonic() < ends:
                if not self.remaining_processes_alive():
                    break
                time.sleep(_LOOK_EVERY_S)

    def start_monitor(self) -> None:
        """Start it with the dashboard: it adds machines to a cluster, and this Ray has one."""

    def start_log_monitor(self) -> None:
        """Start nothing that sends what workers print to a driver that does not show it."""

    def start_api_server(self, **arguments: Any) -> None:
        """Start no dashboard yet: Ray would start the rest only when that is up, after seconds."""
        self._webui_url = ""

        def start() -> None:
            super(_Node, self).start_monitor()
            super(_Node, self).start_api_server(**arguments)

        self.start_dashboard = start


@dataclass(frozen=True)
class Workers:
    """The processes that a Ray starts before there is work for them, so that they have then imported what it needs.

    Attributes:
        count: How many, if the machine has so many cores.
        module: What they import.
    """

    count: int
    module: str


class Dashboard:
    """The dashboard of a Ray that was started here.

    Args:
        settings: Environment variables of that Ray.
    """

    def __init__(self, settings: Mapping[str, str | None]) -> None:
        self._settings, self._starting, self._is_stopped = settings, threading.Lock(), False

    def start(self) -> str:
        """Start it, and return its address when it answers. It ends with the thread that calls this.

        Raises:
            Exception: It does not start, or has been stopped; Ray may raise any exception.
        """
        node: Any = ray._private.worker._global_node
        with self._starting:
            if self._is_stopped:
                raise RuntimeError("Ray is being left")
            with environment_of(self._settings):
                node.start_dashboard()
            return f"http://{node.webui_url}"

    def stop(self) -> None:
        """End it, also while it starts; to be called before Ray is left."""
        self._is_stopped = True
        for child in psutil.Process().children():
            with suppress(psutil.Error):
                if any(word.endswith(_DASHBOARD) for word in child.cmdline()):
                    child.kill()
        with self._starting:  # until whoever starts it has noticed
            pass


def start_ray(folder: Path, variables: Mapping[str, str], workers: Workers, **arguments: Any) -> Dashboard:
    """Start Ray; call `leave_ray` afterwards, even if this fails.

    Args:
        folder: A private folder for its files.
        variables: Environment variables of its workers.
        workers: Those that it starts ahead.
        arguments: Those of `ray.init`.

    Returns:
        Its dashboard, which is not yet started.

    Raises:
        Exception: Ray does not start; it may raise any exception.
    """
    files = folder / "r"  # a subfolder, as Ray lets everyone write to its temporary folder
    token = token_file(folder)
    token.touch(mode=0o600)
    token.write_text(f"{secrets.token_hex(32)}\n", encoding="ascii")  # a line, so that `cat` shows it alone
    settings = {
        **variables,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": None,
        "RAY_AUTH_TOKEN_PATH": str(token),
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",
        "RAY_preload_python_modules": workers.module,
        # By default Ray ends those that have waited for a second when their cores are set aside for trials.
        "RAY_idle_worker_killing_time_threshold_ms": "60000",
    }
    # This makes Ray use the loopback address for the node, as is its default on systems whose firewalls ask. A loopback
    # address given to `ray.init` would be replaced.
    is_cluster, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    node, ray._private.node.Node = ray._private.node.Node, type("Node", (_Node,), {"most_workers": workers.count})
    try:
        with environment_of(settings):
            _read_authentication()
            ray.init(address="local", _temp_dir=str(files), **arguments)
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = is_cluster
        ray._private.node.Node = node
    return Dashboard(settings)


def leave_ray() -> None:
    """End a Ray that was started here, or leave one that was joined, and forget its token."""
    ray.shutdown()
    _read_authentication()


def _read_authentication() -> None:
    """Make Ray's client in this process read its token from the environment again."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def environment_of(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables within the context; None removes one."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
