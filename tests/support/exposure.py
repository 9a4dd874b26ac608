"""What of a launch others could reach, looked at for as long as it runs."""

from __future__ import annotations

import stat
import subprocess
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import psutil


class Exposure(threading.Thread):
    """Looks at a launch twice a second.

    Attributes:
        listeners: Where it and its processes listen: names of processes, with addresses.
        folders: The temporary folder that it has made, by path: the modes of it, and of Ray's token there.
    """

    def __init__(self, process: subprocess.Popen) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(process.pid)
        self.listeners: set[tuple[str, str]] = set()
        self.folders: dict[str, list[int | None]] = {}
        self.start()

    def run(self) -> None:
        while self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
            with suppress(psutil.Error, OSError):
                self.look()
            threading.Event().wait(0.5)

    def look(self) -> None:
        """Look now."""
        for process in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.Error):
                for each in process.net_connections(kind="inet"):
                    if each.laddr and not each.raddr and each.status in (psutil.CONN_LISTEN, psutil.CONN_NONE):
                        self.listeners.add((process.name(), each.laddr.ip))
        for file in map(Path, (opened.path for opened in self._process.open_files())):
            if file.name == "survey.lock":
                token = file.with_name("auth_token")
                modes = [stat.S_IMODE(each.stat().st_mode) if each.exists() else None for each in (file.parent, token)]
                self.folders[str(file.parent)] = modes


def others_reach(listeners: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Those of them that other machines reach."""
    return [(name, address) for name, address in listeners if not _is_loopback(address)]


def _is_loopback(address: str) -> bool:
    found = ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback
