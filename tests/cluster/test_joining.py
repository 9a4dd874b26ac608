"""Joining a Ray cluster: what is an address, whose it is, and what is told where it cannot be used."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import psutil
import pytest

from survey.cluster import connection as survey_cluster
from survey.cluster import joining
from survey.errors import InputError


def join(address: str | None, num_cpus: int | None = None) -> None:
    with survey_cluster.connected(
        survey="s", address=address, num_cpus=num_cpus, num_gpus=None, dashboard=False, environment={}
    ):
        pass


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "localhost", "6379", ":6379", "a:b", "a:99999", "a:1/x"])
def test_what_is_no_address_of_a_cluster_is_refused(address):
    with pytest.raises(InputError, match=f"expected HOST:PORT or 'auto', found '{address}'"):
        join(address)


def raylet(address: str, user: int) -> SimpleNamespace:
    """A Ray node of a machine, as psutil describes it."""
    command = ["raylet", "--head", f"--gcs-address={address}"]
    return SimpleNamespace(info={"name": "raylet", "cmdline": command, "uids": SimpleNamespace(real=user)})


@pytest.mark.parametrize(
    ("users", "latest", "found"),
    [
        ([os.getuid()], None, "10.0.0.1:1"),
        ([os.getuid(), 4711], "10.0.0.2:2", "10.0.0.1:1"),
        ([4711, 0], None, "10.0.0.2:2"),
        ([os.getuid(), os.getuid()], "10.0.0.2:2", "10.0.0.2:2"),
        ([os.getuid(), os.getuid()], None, r"expected one Ray cluster of this user .*, found 10.0.0.1:1, 10.0.0.2:2;"),
        ([4711], "10.0.0.1:1", r"expected one Ray cluster .*, found none \(1 of other users\); give the HOST:PORT"),
        ([], "10.0.0.1:1", "found none; give the HOST:PORT"),
    ],
)
def test_auto_is_never_the_cluster_of_another_user(users, latest, found, monkeypatch):
    """Who joins it runs what its owner likes; what the common temporary folder says is another user's word."""
    raylets = [raylet(f"10.0.0.{number}:{number}", user) for number, user in enumerate(users, start=1)]
    monkeypatch.setattr(psutil, "process_iter", lambda _attributes: iter(raylets))
    monkeypatch.setattr(joining, "read_ray_address", lambda: latest)
    if " " in found:
        with pytest.raises(InputError, match=found):
            joining._own_cluster()
    else:
        assert joining._own_cluster() == found


def test_two_surveys_at_once_in_a_process_are_refused():
    with survey_cluster._one_at_a_time, pytest.raises(InputError, match="another survey runs in this process"):
        join(None)


def test_what_listens_and_is_no_ray_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=f"the server at {address} does not answer like a Ray cluster"):
            joining.joinable(address, answers_within_s=2.0)


def test_a_ray_that_does_not_start_is_told(monkeypatch):
    """On a machine that is too busy, it raises nothing better than this."""

    def init(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(survey_cluster.ray, "init", init)
    with pytest.raises(InputError, match=r"a Ray cluster on this machine cannot be used: The current node timed out"):
        join(None)


def test_cores_of_a_cluster_are_its_own():
    with pytest.raises(InputError, match="leave them out with --address"):
        join("auto", num_cpus=2)
