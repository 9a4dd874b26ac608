"""Watches the head of the Ray cluster, and ends the process when it is lost.

Nothing less helps: the main thread then waits in Ray's client, which no exception reaches, and after a minute that
client itself ends the process, leaving only a line in its log.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn

from survey.errors import INCOMPLETE
from survey.system.exit import end_process
from survey.system.periodic import Periodic

_ASK_EVERY_S = 2.0
_ANSWERS_WITHIN_S = 5.0
_PATIENCE_S = 20.0
"""How long the head may be unreachable: less than the minute after which Ray's client ends the process."""


class ClusterWatch:
    """A context manager in which a thread connects to the head every 2 s.

    Args:
        address: The head's `HOST:PORT`, where Ray's global control service listens.
        on_exit: Called with an error message when the head has not answered for 20 s; then the process ends.
    """

    def __init__(self, address: str, on_exit: Callable[[str], None]) -> None:
        host, _, port = address.rpartition(":")
        self._address, self._target, self._on_exit = address, (host.strip("[]"), int(port)), on_exit
        self._heard_s = 0.0
        self._watch = Periodic("watch over the cluster", self._look, every_s=_ASK_EVERY_S)

    def __enter__(self) -> ClusterWatch:
        self._heard_s = time.monotonic()
        self._watch.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._watch.stop(wait=False)

    def _look(self) -> None:
        if self._listens():
            self._heard_s = time.monotonic()
        elif time.monotonic() - self._heard_s >= _PATIENCE_S and not self._watch.is_stopped:
            self._end()

    def _end(self) -> NoReturn:
        message = (
            f"the Ray cluster is lost: its head at {self._address} has not answered for {_PATIENCE_S:.0f} s; what is "
            "trained is kept: launch again with the same arguments when a cluster is up"
        )
        end_process(f"error: {message}", INCOMPLETE, on_exit=lambda: self._on_exit(message))

    def _listens(self) -> bool:
        try:
            socket.create_connection(self._target, timeout=_ANSWERS_WITHIN_S).close()
        except OSError:
            return False
        return True
