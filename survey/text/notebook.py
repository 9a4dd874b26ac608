"""What a notebook shows while a cell runs, and what libraries say there that nobody needs."""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rich.console import RenderableType

from survey.text.terminal import SafeConsole

_WIDTH = 100
_CODE = '<pre style="line-height: normal; margin: 0">{code}</pre>'


class LiveOutput:
    """A part of a cell's output that renews itself, as `rich.live.Live` does at a terminal.

    It replaces nothing but itself, so that what else the cell prints stays.

    Args:
        every_s: Seconds from one look to the next.
    """

    def __init__(self, every_s: float = 1.0) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._handle: Any = None
        self._hidden: threading.Event | None = None

    def show(self, render: Callable[[], RenderableType]) -> None:
        """Show what `render` returns, now and again, until `hide` or another `show`."""
        self.hide()
        self._put(render())
        self._hidden = threading.Event()
        threading.Thread(target=self._renew, args=(render, self._hidden), daemon=True).start()

    def hide(self) -> None:
        """Show nothing."""
        if self._hidden:
            self._hidden.set()
            self._put("")
        self._hidden = None

    def _renew(self, render: Callable[[], RenderableType], hidden: threading.Event) -> None:
        while not hidden.wait(self._every_s):
            self._put(render(), unless=hidden)

    def _put(self, shown: RenderableType, unless: threading.Event | None = None) -> None:
        from IPython.display import display

        bundle = _bundle(shown)
        with self._lock:
            if unless and unless.is_set():
                return
            if self._handle is None:
                self._handle = display(bundle, raw=True, display_id=True)
            else:
                self._handle.update(bundle, raw=True)


def _bundle(shown: RenderableType) -> dict[str, str]:
    """What a front end shows: HTML, and text where there is none."""
    console = SafeConsole(file=io.StringIO(), record=True, width=_WIDTH)
    console.print(shown, end="")
    html = console.export_html(inline_styles=True, code_format=_CODE, clear=False)
    return {"text/html": html, "text/plain": console.export_text()}


def live_output(console: object) -> LiveOutput | None:
    """Return a new part of the cell's output where a console prints to one, else None."""
    return LiveOutput() if isinstance(console, SafeConsole) and console.is_cell else None


def quieten_widgets() -> None:
    """Keep Ray and tqdm from asking for ipywidgets as they are imported: nothing here needs them."""
    logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.simplefilter("ignore")
        import tqdm.auto  # noqa: F401 - which warns the first time
