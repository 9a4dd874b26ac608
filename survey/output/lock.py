"""Who works on an output: one launch at a time, also where several machines share the folder.

The file `.lock` is locked by the system, which releases it when the process ends, however it ends. On a file system
that machines share, such a lock may be unseen by other machines, or outlive a machine that died. So its holder also
writes who it is to `.lock-holder`, with a heartbeat every 5 s.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from survey.errors import INCOMPLETE, OutputError
from survey.system.exit import end_process
from survey.system.files import write_text
from survey.system.periodic import Periodic
from survey.text.json_files import read_json


@dataclass(frozen=True)
class Holder:
    """A process that works on an output.

    Attributes:
        process: Its number.
        host: Its machine.
        since: When it took the lock, for people.
        sign: How many heartbeats it has given.
    """

    process: int
    host: str
    since: str
    sign: int

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} (since {self.since})"

    @classmethod
    def own(cls) -> Holder:
        """This process."""
        return cls(os.getpid(), socket.gethostname(), f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}", 0)

    @classmethod
    def read(cls, file: Path) -> Holder | None:
        """Return who is named in a file, or None where nobody is."""
        try:
            return read_json(file, cls)
        except (OSError, ValueError):
            return None


class OutputLock:
    """Holds an output for this process while it is entered.

    Where another launch has taken it over, as this one gave no heartbeat (its machine slept, say), this process ends.

    Args:
        folder: The output.
        heartbeat_every_s: Time between two heartbeats, in seconds.
        silent_s: Time without a heartbeat after which a holder on another machine counts as dead, in seconds.

    Raises:
        OutputError: On entering: another process holds it; the message says which.
    """

    def __init__(self, folder: Path, *, heartbeat_every_s: float = 5.0, silent_s: float = 30.0) -> None:
        self._folder, self._file, self._silent_s = folder, folder / ".lock-holder", silent_s
        self._lock = FileLock(folder / ".lock")
        self._heartbeat = Periodic("output lock", self._beat, every_s=heartbeat_every_s)

    def __enter__(self) -> OutputLock:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise self._refused(Holder.read(self._file)) from None
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot be written to: {error.strerror or error}") from None
        try:
            self._await_silence()
            self._own = Holder.own()
            self._write()
        except BaseException:
            self._lock.release()
            raise
        self._heartbeat.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._heartbeat.stop()
        with suppress(OSError):
            self._file.unlink()
        self._lock.release()

    def _refused(self, holder: Holder | None) -> OutputError:
        text = f"{self._folder}: {holder or 'another process'} is working on this output"
        if holder is None or holder.host == socket.gethostname():
            return OutputError(f"{text}; wait for it, or use another --out")
        return OutputError(
            f"{text}; wait for it, or use another --out. If {holder.host} is dead, and its file server does not know, "
            f"remove {self._folder / '.lock'} and launch again"
        )

    def _await_silence(self) -> None:
        """Wait until a holder on another machine, whose lock this machine may not see, has missed its heartbeats."""
        before = Holder.read(self._file)
        if before is None or before.host == socket.gethostname():
            return
        ends = time.monotonic() + self._silent_s
        while time.monotonic() < ends:
            time.sleep(min(1.0, self._silent_s / 10))
            now = Holder.read(self._file)
            if now is None:
                return
            if now != before:
                raise self._refused(now)

    def _write(self) -> None:
        write_text(self._file, json.dumps(asdict(self._own)), lasting=False)

    def _beat(self) -> None:
        holder = Holder.read(self._file)
        if holder and replace(holder, sign=self._own.sign) != self._own:
            end_process(
                f"error: {self._folder}: {holder} has taken over this output, as this process gave no heartbeat",
                INCOMPLETE,
            )
        self._own = replace(self._own, sign=self._own.sign + 1)
        with suppress(OSError):  # the next one may succeed
            self._write()
