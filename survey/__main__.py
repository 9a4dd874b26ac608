"""The command `survey`."""

from __future__ import annotations

import sys

from survey.errors import INTERRUPTED, RUN_AGAIN
from survey.system.import_path import forget_working_folder


def main() -> None:
    """Run the command that is named first, with the arguments after it."""
    forget_working_folder()
    try:
        from survey.commands import app  # which takes a while: from here on, Ctrl-C gets an answer

        app(prog_name="survey")
    except KeyboardInterrupt:
        sys.stderr.write(f"{RUN_AGAIN}\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
