"""Ends a process with a message, although its main thread waits for what may never come.

All that a launch writes is whole at any moment, so nothing but time is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from survey.text.terminal import SafeConsole


def end_process(message: str, status: int, *, on_exit: Callable[[], object] = lambda: None) -> NoReturn:
    """End this process, from any thread.

    Args:
        message: What to say on standard error.
        status: Exit status.
        on_exit: Called before that.
    """
    try:
        on_exit()
        console = SafeConsole(stderr=True)
        console.show_cursor()  # a display of progress may have hidden it
        console.print(message, style="red")
    finally:
        os._exit(status)
