"""What the command lines share: signals, one message for each error, exit statuses."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

import typer

from survey.errors import INCOMPLETE, INTERRUPTED, READER_GONE, RUN_AGAIN, WRONG_INPUT, InputError, SurveyError
from survey.system.home import ensure_home
from survey.system.import_path import forget_working_folder
from survey.text.terminal import SafeConsole, outlive_readers, reader_is_gone


def run_app(function: Callable[..., int], name: str) -> None:
    """Run a function as the command line of this name, and exit with the status that it returns."""
    command_of(function)(prog_name=name)


def command_of(function: Callable[..., int]) -> Any:
    """Return the command line of a function, which exits with the status that it returns; wrong usage exits with 2.

    Until the function returns, Ctrl-C and SIGTERM interrupt it; so does SIGHUP, when a terminal or reader closes,
    unless it is ignored as under `nohup`. From then on SIGTERM and SIGHUP are ignored: the work is done.
    """

    @wraps(function)
    def command(*args: Any, **options: Any) -> None:
        with exit_on_error():
            outlive_readers()
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                signal.signal(signal.SIGINT, signal.default_int_handler)
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
    return typer.main.get_command(app)


def _hang_up(number: int, frame: FrameType | None) -> None:
    """Interrupt the command once: when a terminal closes, the shell and the system each send a signal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn an error into one message on standard error and an exit status."""
    console = SafeConsole(stderr=True)
    try:
        yield
    except KeyboardInterrupt:
        if reader_is_gone():
            sys.exit(READER_GONE)
        console.print(RUN_AGAIN, style="yellow")
        sys.exit(INTERRUPTED)
    except InputError as error:
        console.print(f"error: {error}", style="red")
        sys.exit(WRONG_INPUT)
    except SurveyError as error:
        console.print(f"error: {error}", style="red")
        sys.exit(INCOMPLETE)
    except OSError as error:  # about a file: permissions, a stale handle on a file server, a disk fault
        if error.filename is None:
            raise
        console.print(f"error: {error.filename}: {error.strerror}", style="red")
        sys.exit(INCOMPLETE)
