"""The command `survey`: its commands, each of which is a module that `python -m` runs too."""

from __future__ import annotations

import sys
from importlib import import_module

from survey.errors import WRONG_INPUT, nearest
from survey.text.terminal import SafeConsole

_COMMANDS = {
    "launch": ("survey.launch.__main__", "Survey how networks train; launched again, train only what is missing."),
    "status": ("survey.status", "Show the status of a survey."),
    "export": ("survey.export.__main__", "Bring the data set of a survey up to date, and publish it."),
}


def main() -> None:
    """Run the command that is named first, with the arguments after it."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        SafeConsole().print(_help())
    elif name in _COMMANDS:
        del sys.argv[1]
        import_module(_COMMANDS[name][0]).main(f"survey {name}")
    else:
        expected = f"expected a command ({', '.join(_COMMANDS)}), found {name!r}{nearest(name, _COMMANDS)}"
        SafeConsole(stderr=True).print(f"error: {expected}", style="red")
        sys.exit(WRONG_INPUT)


def _help() -> str:
    commands = "\n".join(f"  {name}  {text}" for name, (_, text) in _COMMANDS.items())
    return f"Usage: survey COMMAND [OPTIONS] ...\n\nCommands, each with options of its own (--help):\n{commands}"


if __name__ == "__main__":
    main()
