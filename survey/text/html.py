"""How an object shows itself in a notebook: HTML in which text stays text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from survey.text.escaping import html

_MOST_NOTES = 10
"""Notes under a table, at most."""


def html_table(rows: Iterable[tuple[str, str]], notes: Sequence[str] = (), *, title: str = "") -> str:
    """Return a table of two columns, names and values, which inherits the look of the page that it is in.

    Args:
        rows: Names and values; a name that begins with spaces is indented.
        notes: Lines under the table; the first ten are shown, and how many more there are.
        title: Heading of the table.
    """
    caption = f"<caption><b>{html(title)}</b></caption>" if title else ""
    body = "".join(_row(name, value) for name, value in rows)
    shown = [*notes[:_MOST_NOTES], *([f"and {len(notes) - _MOST_NOTES:,} more"] if len(notes) > _MOST_NOTES else [])]
    below = "".join(f"<div><small>{html(note)}</small></div>" for note in shown)
    return f"<div><table>{caption}<tbody>{body}</tbody></table>{below}</div>"


def _row(name: str, value: str) -> str:
    indent = "&emsp;" * (name != name.lstrip())
    return (
        f'<tr><th style="text-align: left; font-weight: normal">{indent}{html(name.strip())}</th>'
        f'<td style="text-align: right">{html(value)}</td></tr>'
    )
