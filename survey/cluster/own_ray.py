"""A launch's own Ray on this machine, which no other machine and no other user can reach.

It listens on the loopback interface only, has its own token, and keeps its files in a private folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # pyright: ignore[reportAttributeAccessIssue] (compiled)

_TOKEN_FILE = "auth_token"


def token_file(folder: Path) -> Path:
    """Return the file with the token of the Ray whose files are in a folder."""
    return folder / _TOKEN_FILE


def start_ray(folder: Path, variables: Mapping[str, str], **arguments: Any) -> None:
    """Start Ray; call `leave_ray` afterwards, even if this fails.

    Args:
        folder: A private folder for its files.
        variables: Environment variables of its workers.
        arguments: Those of `ray.init`.

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
    }
    # This makes Ray use the loopback address for the node, as is its default on systems whose firewalls ask. A loopback
    # address given to `ray.init` would be replaced.
    is_cluster, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        with environment_of(settings):
            _read_authentication()
            ray.init(address="local", _temp_dir=str(files), **arguments)
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = is_cluster


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
