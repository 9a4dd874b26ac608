"""Commands within the process of the tests: what they say and return, without the seconds that their imports take."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess

import pytest

from survey.cli import run_app


def run_here(command: Callable[..., int], *arguments: object) -> CompletedProcess[str]:
    """Run the function of a command with arguments, as `python -m` does, in a narrow terminal as pipes have it."""
    return run_main(lambda: run_app(command, "command"), *arguments)


def run_main(main: Callable[[], object], *arguments: object) -> CompletedProcess[str]:
    """Run the main function of a program with arguments, likewise."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in (("COLUMNS", "80"), ("NO_COLOR", "1"), ("TERM", "dumb"), ("PYTHONSAFEPATH", "1")):
            patch.setenv(name, value)
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "argv", ["command", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    status = ended.value.code
    assert isinstance(status, int)
    return CompletedProcess(sys.argv, status, out.getvalue(), err.getvalue())
