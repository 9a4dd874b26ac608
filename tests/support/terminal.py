"""A program in a terminal of its own: what the terminal shows, second by second, and keys that are pressed there."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.awaiting import HANGS_S, await_that

_ROWS, _COLUMNS = 60, 120
_TOKEN = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|(\r|\n)|([^\x1b\r\n]+)")
"""A control sequence, an end of a line, or text."""

CTRL_C = b"\x03"


class Screen:
    """The lines of a terminal, with those that have scrolled away; it knows the sequences that rich sends.

    Attributes:
        lines: The text of each line, without blanks at its end.
    """

    def __init__(self) -> None:
        self._rows, self._row, self._column = [""], 0, 0

    @property
    def lines(self) -> list[str]:
        """Up to the last one that has text."""
        text = "\n".join(row.rstrip() for row in self._rows).rstrip("\n")
        return text.split("\n")

    def show(self, sent: str) -> None:
        """Show what a program has sent."""
        for parameters, command, end, text in _TOKEN.findall(sent):
            if command:
                self._obey(parameters, command)
            elif end:
                self._row, self._column = (self._row, 0) if end == "\r" else (self._row + 1, self._column)
            else:
                self._write(text)

    def _write(self, text: str) -> None:
        self._rows += [""] * (self._row + 1 - len(self._rows))
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + text + row[self._column + len(text) :]
        self._column += len(text)

    def _obey(self, parameters: str, command: str) -> None:
        if command == "A":
            self._row = max(0, self._row - int(parameters or 1))
        elif command == "K" and self._row < len(self._rows):
            self._rows[self._row] = "" if parameters == "2" else self._rows[self._row][: self._column]


@dataclass(frozen=True)
class Moment:
    """What a terminal showed at a moment.

    Attributes:
        at_s: Seconds since the program was started.
        lines: The lines of the screen.
    """

    at_s: float
    lines: tuple[str, ...]


class Terminal:
    """Runs a program in a terminal; a context manager, which ends the program.

    Args:
        command: The program and its arguments.
        cwd: Its working folder.

    Attributes:
        moments: What the terminal has shown, each time that this had changed.
        process: The program.
    """

    def __init__(self, command: Sequence[str], cwd: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self.moments: list[Moment] = []
        self._began_s = time.monotonic()
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(_COLUMNS), "NO_COLOR": "1"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(HANGS_S)
        self._reader.join()
        os.close(self._master)

    def _read(self) -> None:
        screen, letters, rest = Screen(), codecs.getincrementaldecoder("utf-8")("replace"), ""
        with suppress(OSError):  # as soon as the program has ended
            while sent := os.read(self._master, 65_536):
                whole, rest = _cut(rest + letters.decode(sent))
                screen.show(whole)
                self.moments.append(Moment(self.elapsed_s, tuple(screen.lines)))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the program was started."""
        return time.monotonic() - self._began_s

    @property
    def lines(self) -> tuple[str, ...]:
        """What the terminal shows now."""
        return self.moments[-1].lines if self.moments else ()

    def shows(self, pattern: str) -> bool:
        """Whether the terminal shows a line with a pattern now."""
        return any(re.search(pattern, line) for line in self.lines)

    def press(self, keys: bytes) -> float:
        """Press keys; return the seconds at which that was."""
        now = self.elapsed_s
        os.write(self._master, keys)
        return now

    def wait(self) -> int:
        """Wait until the program has ended; return its exit status."""
        status = self.process.wait(HANGS_S)
        await_that(lambda: not self._reader.is_alive())
        return status


def _cut(sent: str) -> tuple[str, str]:
    """Split off the beginning of a control sequence that is not whole yet."""
    end = sent.rfind("\x1b")
    is_whole = end < 0 or re.match(r"\x1b\[\??[\d;]*[A-Za-z]", sent[end:])
    return (sent, "") if is_whole else (sent[:end], sent[end:])
