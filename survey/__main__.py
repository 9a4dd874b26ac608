"""The command `survey`."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from survey.errors import INTERRUPTED, RUN_AGAIN
from survey.system.import_path import forget_working_folder


def main() -> None:
    """Run the command that is named first, with the arguments after it."""
    forget_working_folder()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as with `&` in a script
        signal.signal(signal.SIGINT, _answer)
    from survey.commands import app  # which takes a while

    app(prog_name="survey")


def _answer(number: int, frame: FrameType | None) -> None:
    """End at Ctrl-C with the words that a command has for it, until it runs and handles signals itself."""
    sys.stderr.write(f"{RUN_AGAIN}\n")
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
