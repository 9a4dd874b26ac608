"""Names with control characters, markup and code in them, and what a reader makes of pages that show them."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from survey.text.terminal import SafeConsole

MARKED = "<img src=x onerror=a()>[b](http://c.d)*e*_f_"
QUOTED = "a\"); import os; ('b\\"
CONTROLS = "a\x1b[31m\x1b]0;t\x07\x9b2J\x7f\u202eb\u2066"
RICH = "[red]a[/b] $\\frac$ |`c`"
NAMES = (MARKED, QUOTED, CONTROLS, RICH)
EVIL = "  ".join([*NAMES, "![i](http://j.k) # <b onclick='c()'>&lt; www.l.m {{ 7 * 7 }} ~~n~~", "\r\n\n- o\n# p"])

BOTH = (MARKED + QUOTED, RICH + CONTROLS)

EFFECTIVE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def on_a_terminal(*shown: object) -> str:
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system=None, width=10_000)
    for each in shown:
        console.print(each)
    return console.file.getvalue()  # type: ignore[attr-defined]


def shape_of(text: str) -> list[str]:
    """What a reader of Markdown makes of a page, but for its words."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    kinds = [token for each in tokens for token in (each, *(each.children or ()))]
    return [f"{token.type} {token.attrs}" for token in kinds if token.type not in ("text", "text_special")]


def words_of(text: str) -> str:
    """The words that a reader of Markdown shows."""
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    return text_of(html)


class _Elements(HTMLParser):
    """Elements of a page with the names of their attributes, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, *(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(html: str) -> _Elements:
    reader = _Elements()
    reader.feed(html)
    reader.close()
    return reader


def text_of(html: str) -> str:
    return "".join(parsed(html).texts)
