"""Escaping of untrusted text, such as the name of a task or an error, for display.

Strangers choose the names in a data set or an output. A displayed name must not move the cursor or colour the terminal,
nor become a link, markup or code.
"""

from __future__ import annotations

import re
from html import escape

_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # all but the tab and the newline
    r"|[\u202a-\u202e\u2066-\u2069]"  # overrides of the direction of writing
    r"|[\ud800-\udfff]"  # surrogates, as of undecodable file names: they cannot be encoded
)

_MARKS = re.compile(
    r"[\\`*\[\]<>&|~#${}]"  # emphasis, code, links, HTML, cells of tables, headings, formulas, templates
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word, an underscore is literal
    r"|^[-+]|^\d(?=\d{0,8}[.)](?:\s|$))"  # lists and rules
    r"|:(?=//)|(?i:(?<=\bwww))\.|@"  # addresses, which many readers turn into links
)

_PLAIN_CODE = re.compile(r"[\w./+()=^-][\w .,:;/+()=^-]*")


def printable(text: str) -> str:
    r"""Return the text with control characters written as in Python, such as `\x1b`."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def markdown(text: str) -> str:
    """Return the text, on one line, escaped for Markdown, including for tables."""
    line = printable(" ".join(text.split()))
    # Character references are safe in all dialects; a backslash is not, in some places.
    return _MARKS.sub(lambda found: f"&#{ord(found[0])};", line)


def markdown_code(text: str) -> str:
    """Return the text as Markdown code if it is plain, else as `markdown` does."""
    return f"`{text}`" if _PLAIN_CODE.fullmatch(text) else markdown(text)


def html(text: str) -> str:
    """Return the text as HTML that shows it, and nothing else."""
    return escape(printable(text))


def python_literal(value: object) -> str:
    """Return the value as Python code, a string in double quotes if it has none."""
    code = repr(value)
    return f'"{code[1:-1]}"' if code.startswith("'") and '"' not in code else code
