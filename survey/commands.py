"""What the command lines share: parsing of options, one message for each error, exit statuses."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

import typer

from survey.errors import InputError, SurveyError
from survey.home import ensure_home
from survey.import_path import forget_working_folder
from survey.options import MOST_JOINED
from survey.result import INCOMPLETE, INTERRUPTED, READER_GONE, WRONG_INPUT
from survey.terminal import SafeConsole, outlive_readers, reader_is_gone

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Turn `90`, `90s`, `15m`, `1h30m` or `2d` into seconds.

    Raises:
        typer.BadParameter: It is no such text, or not positive.
    """
    match = re.fullmatch(r"((?:\d+(?:\.\d+)?[smhd])+)|(\d+(?:\.\d+)?)", text.strip().lower())
    if match:
        parts = re.findall(r"([\d.]+)([smhd])", match[1] or f"{match[2]}s")
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
        if seconds > 0:
            return seconds
    raise typer.BadParameter(f"{text!r} is no duration: expected for example 90s, 15m, 1h30m or 2d")


def parse_gpus_per_trial(text: str) -> float | str:
    """Turn `auto` or a fraction into what `survey.run` takes."""
    if text == "auto":
        return text
    try:
        fraction = float(text)
    except ValueError:
        fraction = 0.0
    if 0.0 < fraction <= 1.0:
        return fraction
    raise typer.BadParameter(f"{text!r} is no share of a GPU: expected auto, or a number above 0 and up to 1")


def parse_pack(text: str) -> int | str:
    """Turn `auto` or a number of experiments into what `survey.run` takes."""
    if text == "auto":
        return text
    if text.isdecimal() and 1 <= int(text) <= MOST_JOINED:
        return int(text)
    raise typer.BadParameter(
        f"{text!r} is no number of experiments: expected auto, or a number from 1 to {MOST_JOINED}"
    )


def run_app(function: Callable[..., int], name: str) -> None:
    """Run a function as a command line and exit with the status that it returns; wrong usage exits with 2.

    SIGTERM is what Ctrl-C is, until the function has returned: what was asked for is done then, and the status says so.
    So is SIGHUP, of a terminal or a reader that has gone, unless it is ignored as under `nohup`.
    """

    @wraps(function)
    def command(*args: Any, **options: Any) -> None:
        with exit_on_error():
            outlive_readers()
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                signal.signal(signal.SIGHUP, _hang_up)
            forget_working_folder()
            ensure_home()
            status = function(*args, **options)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            raise typer.Exit(READER_GONE if reader_is_gone() else status)

    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command()(command)
    app(prog_name=name)


def _hang_up(number: int, frame: FrameType | None) -> None:
    """Interrupt the command, once: the shell and the system send a signal each for one terminal that is closed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn errors into one message on standard error, and an exit status."""
    console = SafeConsole(stderr=True)
    try:
        yield
    except KeyboardInterrupt:
        if reader_is_gone():
            sys.exit(READER_GONE)
        console.print("interrupted: give the same command again to go on", style="yellow")
        sys.exit(INTERRUPTED)
    except InputError as error:
        console.print(f"error: {error}", style="red")
        sys.exit(WRONG_INPUT)
    except SurveyError as error:
        console.print(f"error: {error}", style="red")
        sys.exit(INCOMPLETE)
    except OSError as error:  # of a file: permissions, a stale handle of a file server, a fault of the disk
        if error.filename is None:
            raise
        console.print(f"error: {error.filename}: {error.strerror}", style="red")
        sys.exit(INCOMPLETE)
