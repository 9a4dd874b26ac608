"""The page of the explorer from the files of the front end: served, or as one file with the data in it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

SCRIPTS = (
    "d3.min.js",
    "plot.umd.min.js",
    "source.js",
    "state.js",
    "model.js",
    "figures.js",
    "views.js",
    "app.js",
)
"""Scripts in the order in which they are loaded: two libraries, then ours."""

STYLES = ("explorer.css",)
FRONT = frozenset({*SCRIPTS, *STYLES})
KINDS = {".js": "text/javascript", ".css": "text/css"}

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def served_page() -> str:
    """Return the page that asks a server for its data."""
    return _template().render(policy="", scripts=SCRIPTS, styles=STYLES, inline=None)


def single_page(embedded: Any) -> str:
    """Return the page with all that it needs in it.

    Args:
        embedded: What it shows, as values of JSON.
    """
    # Within a script, a browser looks for nothing but the end of the element, which has a `<`.
    data = json.dumps(embedded, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    inline = {name: Markup(_text(name)) for name in (*SCRIPTS, *STYLES)}
    return _template().render(policy=_POLICY, scripts=SCRIPTS, styles=STYLES, inline=inline, data=Markup(data))


def _text(name: str) -> str:
    return files("analysis.explore").joinpath("front", name).read_text(encoding="utf-8")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.explore", "front"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("explorer.html.j2")
