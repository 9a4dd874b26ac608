"""The terminal, or the file or pipe in its place: a console that shows texts as they are, and may go away."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from survey.text.escaping import printable


class SafeConsole(Console):
    """A console on which a text does nothing but stand there: neither control characters nor markup have an effect."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Take a text, with its control characters as they will be shown, so that columns are as wide as they are."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything; whatever it is made of, the only control characters are those of rich itself."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def say(console: Console, message: str, style: str | None = None) -> None:
    """Print a message on a console, also on one of the caller's own, which takes markup."""
    console.print(Text(printable(message)), style=style)


class _Log(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _Stream(io.FileIO):
    """Standard output or standard error, which may go away while the program has still things to do."""

    reader_is_gone = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            # A terminal that is closed, which gives EIO, sends the signal itself.
            if error.errno == errno.EPIPE and not _Stream.reader_is_gone:
                _Stream.reader_is_gone = True
                if callable(signal.getsignal(signal.SIGHUP)):
                    os.kill(os.getpid(), signal.SIGHUP)
            return len(data)


def outlive_readers() -> None:
    """Let this process end in good order when nobody reads what it prints: that is a SIGHUP then, and no error.

    Messages of the program's own log are as harmless from here on as those on a console.
    """
    if logging.lastResort:
        logging.lastResort.setFormatter(_Log())
    for name in ("stdout", "stderr"):
        with suppress(AttributeError, OSError):  # there is none, or it is no file
            setattr(sys, name, _outliving(getattr(sys, name)))


def _outliving(stream: TextIO) -> TextIO:
    stream.flush()
    raw = io.BufferedWriter(_Stream(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=True)


def reader_is_gone() -> bool:
    """Whether the other end of the pipe has been closed that this process prints to, as by `| head`."""
    return _Stream.reader_is_gone
