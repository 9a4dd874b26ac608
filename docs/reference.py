"""Write the pages of the reference that are made from the code: `python docs/reference.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from survey.cli import command_of
from survey.commands import COMMANDS
from survey.dataset import columns_page
from survey.networks.columns import COLUMNS
from survey.text.escaping import markdown

DOCS = Path(__file__).parent

_COLUMNS_ORIGIN = (
    "This page is written by `python docs/reference.py` from `survey/networks/columns.py` and "
    "`survey/dataset/schema.py`; do not edit it by hand."
)

_COMMANDS_HEAD = """\
# Commands and options

This page is written by `python docs/reference.py` from what `survey COMMAND --help` prints; do not edit it by hand.

`survey --version` prints the version, and `survey --install-completion` lets your shell complete commands, options and
search spaces with Tab. Most commands are modules too, as each says. Where the working folder contains something called
`survey`, `python -m` would take that for this package: use the command `survey`, or `python -P -m`.
"""

_KIND = re.compile(r"<(.+)>")
_KINDS = {"path": "PATH", "str": "TEXT", "int": "N", "int range": "N", "float": "X", "float range": "X"}
_KINDS |= {"list[str]": "NAME_OR_PATH", "list[Path]": "PATH"}
"""What stands for a value of a type."""

_OPTION = re.compile(r"(?:--|&#45;-)([a-z]+(?:-[a-z]+)*)")
_RANGE = re.compile(r"(?:(\d+)<=)?x(?:>=(\d+))?(?:<=(\d+))?")


def pages() -> dict[str, str]:
    """Return the pages by their file name."""
    return {"columns.md": columns_page.page(COLUMNS, _COLUMNS_ORIGIN), "commands.md": commands_page()}


def commands_page() -> str:
    """Return the page of all commands: what each does, its arguments and options."""
    index = ["| command | what it does |", "|---|---|"]
    index += [f"| [`survey {name}`](#survey-{name}) | {markdown(text)} |" for name, (_, text) in COMMANDS.items()]
    sections = (_section(name, home) for name, (home, _) in COMMANDS.items())
    return "\n".join([_COMMANDS_HEAD, *index, "", "\n\n".join(sections), ""])


def _section(name: str, home: str) -> str:
    path, _, function = home.partition(":")
    command, module = command_of(getattr(import_module(path), function)), path.removesuffix(".__main__")
    context = command.context_class(command, info_name=f"survey {name}")
    parts = [f"## `survey {name}`", f"```text\n{command.get_usage(context)}\n```", *_paragraphs(command.help)]
    if name == module.rpartition(".")[2]:
        parts.append(f"As a module: `python -m {module}`.")
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [_row(*record) for record in records if record]
    return "\n\n".join([*parts, "\n".join(["| argument or option | meaning | default |", "|---|---|---|", *rows])])


def _paragraphs(text: str) -> Iterator[str]:
    return (_told(paragraph) for paragraph in text.split("\n\n"))


def _row(name: str, text: str) -> str:
    """A row of a table, from a line of the help: `--port <int range>`, `The first port.  [default: 1; x>=1]`."""
    meaning, _, more = text.removesuffix("]").partition("  [")
    facts = more.split("; ")
    allowed = "".join(f" ({_range(*found.groups())})" for fact in facts if (found := _RANGE.fullmatch(fact)))
    default = next((fact.removeprefix("default: ") for fact in facts if not _RANGE.fullmatch(fact)), "")
    shown = _KIND.sub(lambda kind: _KINDS.get(kind[1], kind[1]), name).replace("|", r"\|")
    return f"| `{shown}` | {_told(meaning.removesuffix('.') + allowed + '.')} | {_told(default.strip('()'))} |"


def _told(text: str) -> str:
    """Text as Markdown, in which the names of options are code."""
    return _OPTION.sub(r"`--\1`", markdown(text))


def _range(least: str | None, least_alone: str | None, most: str | None) -> str:
    """Words for `1<=x<=9` or `x>=1`."""
    return f"{least} to {int(most):,}" if most else f"{least_alone} or more"


if __name__ == "__main__":
    for file, text in pages().items():
        (DOCS / file).write_text(text, encoding="utf-8")
