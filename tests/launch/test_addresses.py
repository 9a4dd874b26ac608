"""What people watch a launch with: started beside training, told when it answers; a launch goes on without it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from survey.cluster.connection import Cluster
from survey.errors import TrackingError
from survey.launch.addresses import Addresses
from survey.launch.tracking_server import TrackingAccess
from survey.output.folder import Output
from tests.support.awaiting import HANGS_S, await_that


class Server:
    """Stands for an MLflow server that answers when it may."""

    address = "http://127.0.0.1:5000"

    def __init__(self) -> None:
        self.may_answer, self.ended = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.may_answer.wait(HANGS_S)
        if self.ended.is_set():
            raise TrackingError("the MLflow server did not start")

    def end(self) -> None:
        self.ended.set()
        self.may_answer.set()

    stop = end


class Watched:
    """A launch with its addresses; a context manager."""

    def __init__(
        self, folder: Path, dashboard: Any = lambda: "http://127.0.0.1:8265", afterwards: Any = lambda: None
    ) -> None:
        self.server, self.made, self.told = Server(), [], []
        self.access = TrackingAccess(Output.at(folder), self._make)  # pyright: ignore[reportArgumentType]
        cluster = Cluster("head", dashboard, 1.0, 0.0, 0, is_local=True, token_file=Path("/tmp/a token"))
        self.addresses = Addresses(
            self.access, cluster, lambda text, **_: self.told.append(text), afterwards=afterwards
        )

    def _make(self) -> Server:
        self.made.append(self.server)
        return self.server

    def await_lines(self, count: int) -> list[str]:
        await_that(lambda: len(self.told) >= count)
        return self.told


MLFLOW = "MLflow UI      http://127.0.0.1:5000/survey"


def test_nothing_starts_before_a_trial_has_and_each_is_told_when_it_answers(tmp_path):
    watched = Watched(tmp_path / "out")
    with watched.addresses as addresses:
        assert watched.made == []
        addresses.start()
        await_that(lambda: watched.made)
        assert watched.told == []
        watched.server.may_answer.set()
        told = [MLFLOW, "Ray dashboard  http://127.0.0.1:8265", "Ray token      cat '/tmp/a token'"]
        assert watched.await_lines(3) == told
        addresses.start()
    assert (len(watched.made), len(watched.told), watched.server.ended.is_set()) == (1, 3, True)


@pytest.mark.parametrize("started", [False, True])
def test_a_launch_that_ends_first_tells_nothing(tmp_path, started):
    watched = Watched(tmp_path / "out")
    with watched.addresses as addresses:
        if started:
            addresses.start()
            await_that(lambda: watched.made)
    addresses._thread.join(HANGS_S)
    assert (watched.told, len(watched.made)) == ([], started)
    watched.access.start()
    assert len(watched.made) == started, "none is started any more"


def test_what_does_not_start_is_told_and_training_goes_on(tmp_path):
    def broken() -> str:
        raise RuntimeError("no dashboard here")

    watched = Watched(tmp_path / "out", broken)
    with watched.addresses as addresses:
        watched.server.end()
        addresses.start()
        first, second = watched.await_lines(2)
    assert first == "the MLflow server did not start"
    assert second == "the Ray dashboard did not start, and training goes on without it: no dashboard here"


def test_what_else_can_be_done_beside_training_waits_for_them(tmp_path):
    """Its error is that of those who need it; the dashboard goes on, which ends with the thread."""
    done = threading.Event()

    def broken() -> None:
        told.extend(watched.told)
        done.set()
        raise ImportError("no module")

    told: list[str] = []
    watched = Watched(tmp_path / "out", afterwards=broken)
    with watched.addresses as addresses:
        addresses.start()
        await_that(lambda: watched.made)
        assert not done.is_set()
        watched.server.may_answer.set()
        assert done.wait(HANGS_S)
        assert (len(told), addresses._thread.is_alive()) == (3, True)
    addresses._thread.join(HANGS_S)
    assert len(watched.told) == 3


def test_a_launch_that_ends_first_does_no_more(tmp_path):
    done: list[bool] = []
    watched = Watched(tmp_path / "out", afterwards=lambda: done.append(True))
    with watched.addresses as addresses:
        addresses.start()
        await_that(lambda: watched.made)
    addresses._thread.join(HANGS_S)
    assert done == []


def test_a_cluster_that_was_joined_has_all_of_them_up(tmp_path):
    watched = Watched(tmp_path / "out")
    watched.access.start()
    watched.addresses.tell_of_cluster()
    assert [line.split("  ")[0] for line in watched.told] == ["MLflow UI", "ssh tunnel", "Ray dashboard", "Ray token"]
