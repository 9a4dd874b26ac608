"""Ends a process with a message even if its main thread is blocked.

Everything that a launch writes is complete at any moment, so only time is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from survey.text.terminal import SafeConsole


def end_process(message: str, status: int, *, on_exit: Callable[[], object] = lambda: None) -> NoReturn:
    """End this process, from any thread.

    Args:
        message: Printed on standard error.
        status: Exit status.
        on_exit: Called first.
    """
    try:
        on_exit()
        console = SafeConsole(stderr=True)
        console.show_cursor()  # a display of progress may have hidden it
        console.print(message, style="red")
    finally:
        os._exit(status)
