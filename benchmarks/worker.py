"""A process that trains one peer's runs, a few epochs whenever it is told to."""

from __future__ import annotations

import importlib
import os
import resource
import traceback
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.cells import Cell


def serve(
    connection: Connection, peer: str, cell: Cell, num_runs: int, num_epochs: int, core: int, device: str
) -> None:
    """Make a peer, `MODULE` or `MODULE:CORE`, and train it as told, until the other side closes.

    Sends `("ready", None)`; then for each number of epochs received `("trained", (what Peer.train returns, memory at
    the peak in bytes beyond what the process had before, how it is compiled))`; or `("failed", traceback)`.
    """
    try:
        pin(core, device)
        name, _, core_name = peer.partition(":")
        module: Any = importlib.import_module(f"benchmarks.peers.{name}")
        before = _peak_bytes()
        trained = module.Peer(cell, num_runs, num_epochs, device, **({"core": core_name} if core_name else {}))
        connection.send(("ready", None))
        train = getattr(trained, "check", trained.train)
        while True:
            result = train(connection.recv())
            train = trained.train
            connection.send(("trained", (result, _peak_bytes() - before, getattr(trained, "note", ""))))
    except EOFError:
        return
    except Exception:
        connection.send(("failed", traceback.format_exc()))


def pin(core: int, device: str) -> None:
    """Keep this process to one core, where the system can, and torch to one thread."""
    if hasattr(os, "sched_setaffinity") and device == "cpu":
        os.sched_setaffinity(0, {core})
    import torch

    torch.set_num_threads(1)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
