"""Checks that a running Ray cluster can be joined, before Ray's own client tries.

That client tries for up to a minute, prints a line for each try, and ends the process if it has no token.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil
from ray._private.utils import read_ray_address

from survey.errors import InputError

_LISTENS_WITHIN_S = 5.0
HOW_TO_JOIN = (
    "give the HOST:PORT that `ray start --head` printed, and launch on a machine that belongs to the cluster "
    "(`ray start --address=HOST:PORT` makes it one)"
)
_ASK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
_GCS = "--gcs-address="
"""Option of each `raylet` process that names its cluster."""


def joinable(address: str, *, answers_within_s: float = 20.0) -> str:
    """Return the `HOST:PORT` of a cluster that accepts our token and that this machine belongs to.

    Args:
        address: `HOST:PORT`, or `auto` for the one that this user, or root, has started on this machine.
        answers_within_s: Seconds in which it has to answer.

    Raises:
        InputError: The cluster cannot be joined; the message says why and what to do.
    """
    is_auto = address == "auto"
    if is_auto:
        address = os.environ.get("RAY_ADDRESS") or _own_cluster()
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if "/" in address or not host or not port:
        raise InputError(f"--address: expected HOST:PORT or 'auto', found {address!r}; {HOW_TO_JOIN}")
    try:
        socket.create_connection((host, port), timeout=_LISTENS_WITHIN_S).close()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"no Ray cluster can be reached at {address}: {reason}; {HOW_TO_JOIN}") from None
    if not is_auto:  # for `auto`, Ray finds the token itself
        _check_token(address, answers_within_s)
    if not any(_raylets()):
        raise InputError(f"this machine does not belong to the Ray cluster at {address}; {HOW_TO_JOIN}")
    return address


def _own_cluster() -> str:
    """The address of the cluster that `auto` means.

    Ray itself would take any that runs here, or that a file in the shared temporary folder names. Joining the cluster
    of another user lets that user run any code.
    """
    raylets = list(_raylets())
    trusted = {0, os.getuid()}
    own = {address for address, user in raylets if user in trusted}
    latest = read_ray_address()
    if len(own) == 1 or latest in own:
        return latest if latest in own else own.pop()
    found = ", ".join(sorted(own)) or "none"
    others = f" ({len(raylets)} of other users)" if raylets and not own else ""
    raise InputError(
        f"--address auto: expected one Ray cluster of this user on this machine, found {found}{others}; {HOW_TO_JOIN}"
    )


def _raylets() -> Iterator[tuple[str, int]]:
    """Yield, for each Ray node of this machine, the address of its cluster and its user id."""
    for process in psutil.process_iter(["name", "cmdline", "uids"]):
        if (process.info["name"] or "").startswith("raylet") and process.info["uids"]:
            given = [word.removeprefix(_GCS) for word in process.info["cmdline"] or () if word.startswith(_GCS)]
            yield given[0] if given else "", process.info["uids"].real


def _check_token(address: str, within_s: float) -> None:
    """Check that a Ray cluster listens at an address, and accepts our token.

    Another process asks: Ray's client prints its failures, takes long over them, and aborts without a token.
    """
    command = [sys.executable, "-P", "-c", _ASK, address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"the server at {address} does not answer like a Ray cluster; {HOW_TO_JOIN}") from None
    refused = "InvalidAuthToken" in asked.stderr
    if not refused and "RAY_AUTH_TOKEN" not in asked.stderr:
        return  # accepted; or Ray itself reports what is wrong
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
