"""Text from elsewhere, such as the name of a task or an error, made harmless where it is shown.

Whoever made a data set or an output has chosen the names in it. A name is only ever shown: it moves no cursor, colours
no terminal, and becomes no link, markup or code.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # all but the tab and the newline
    r"|[\u202a-\u202e\u2066-\u2069]"  # what overrides the direction of writing
    r"|[\ud800-\udfff]"  # halves of characters, as of file names that are no text; they cannot be written at all
)

_MARKS = re.compile(
    r"[\\`*\[\]<>&|~#${}]"  # emphasis, code, links, HTML, cells of tables, headings, formulas, templates
    r"|(?<![^\W_])_|_(?![^\W_])"  # within a word an underscore is itself
    r"|^[-+]|^\d(?=\d{0,8}[.)](?:\s|$))"  # lists and rules
    r"|:(?=//)|(?i:(?<=\bwww))\.|@"  # addresses, which many readers turn into links
)

_PLAIN_CODE = re.compile(r"[\w./+()=^-][\w .,:;/+()=^-]*")


def printable(text: str) -> str:
    r"""The text without control characters: each of them is written as Python would, such as `\x1b`."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def markdown(text: str) -> str:
    """The text as a part of a line of Markdown that shows it as it is, also in a table."""
    line = printable(" ".join(text.split()))
    # A reference to a character never is a mark, in any dialect; a backslash is, in some places.
    return _MARKS.sub(lambda found: f"&#{ord(found[0])};", line)


def markdown_code(text: str) -> str:
    """The text as `markdown` gives it, but as code where it has no character that could end that."""
    return f"`{text}`" if _PLAIN_CODE.fullmatch(text) else markdown(text)


def python_literal(value: object) -> str:
    """The value as Python code; a text in double quotes where it has none."""
    code = repr(value)
    return f'"{code[1:-1]}"' if code.startswith("'") and '"' not in code else code
