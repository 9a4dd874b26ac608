"""A Ray of a launch's own on this machine, which no other machine and no other user can reach.

It listens on the loopback interface alone, has a token of its own, and keeps its files in a private folder.
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
    """The file with the token of the Ray whose files lie in a folder."""
    return folder / _TOKEN_FILE


def start_ray(folder: Path, variables: Mapping[str, str], **arguments: Any) -> None:
    """Start it; to be ended with `leave_ray`, whether or not this succeeds.

    Args:
        folder: A private folder for its files.
        variables: Environment variables of its workers.
        arguments: Those of `ray.init`.

    Raises:
        Exception: It does not start. Ray raises almost any.
    """
    files = folder / "r"  # in a folder of its own, as Ray lets everyone write to its own temporary folder
    token = token_file(folder)
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), encoding="ascii")
    settings = {
        **variables,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": None,
        "RAY_AUTH_TOKEN_PATH": str(token),
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",
    }
    # What makes Ray take the address of loopback for that of the node is this; elsewhere it is its default, as there
    # firewalls ask. An address of loopback that `ray.init` is given it would replace.
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
    """Make Ray's client in this process read again from the environment whether there is a token, and which."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def environment_of(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables for a while, or for None remove them."""
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
