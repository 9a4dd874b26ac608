"""Printing to a terminal, file or pipe: a console that shows text literally, and that may be closed."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from survey.text.escaping import printable


class SafeConsole(Console):
    """A console that shows text literally: control characters and markup have no effect.

    In a notebook it prints lines of text: rich would make an output of each, and take the cell for a terminal.

    Attributes:
        is_cell: Whether it prints to a cell of a notebook.
    """

    def __init__(self, **options: Any) -> None:
        self.is_cell = "file" not in options and in_notebook()
        if self.is_cell:
            options = {"force_terminal": False, **options}
        options.setdefault("force_jupyter", False)
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape control characters before the widths of columns are measured."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything, with no control characters except those of rich itself."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which is the only one that has IPython's shell for it."""
    ipython = sys.modules.get("IPython")
    shell = type(ipython.get_ipython()) if ipython else object
    return any(each.__name__ == "ZMQInteractiveShell" for each in shell.__mro__)


def say(console: Console, message: str, style: str | None = None) -> None:
    """Print a message literally on any console, even one that interprets markup."""
    console.print(Text(printable(message)), style=style)


def short_path(path: Path) -> str:
    """The path from the working folder where it is in that, else as it is: both work in a command here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


class _Log(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _Stream(io.FileIO):
    """Standard output or standard error, whose reader may go away before the program ends."""

    reader_is_gone = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            # A closed terminal, which gives EIO, sends the signal itself.
            if error.errno == errno.EPIPE and not _Stream.reader_is_gone:
                _Stream.reader_is_gone = True
                if callable(signal.getsignal(signal.SIGHUP)):
                    os.kill(os.getpid(), signal.SIGHUP)
            return len(data)


def outlive_readers() -> None:
    """Turn the loss of the reader of this process's output into a SIGHUP rather than an error.

    Also escape control characters in log messages from here on.
    """
    if logging.lastResort:
        logging.lastResort.setFormatter(_Log())
    for name in ("stdout", "stderr"):
        with suppress(AttributeError, OSError):  # it does not exist, or is not a file
            setattr(sys, name, _outliving(getattr(sys, name)))


def _outliving(stream: TextIO) -> TextIO:
    stream.flush()
    raw = io.BufferedWriter(_Stream(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=True)


def reader_is_gone() -> bool:
    """Whether the pipe to which this process prints has been closed, as by `| head`."""
    return _Stream.reader_is_gone
