"""Runs a command for as long as its parent lives: `python -m survey.system.supervise COMMAND ...`.

The parent holds the other end of this process's standard input. When it closes, because the parent ended (even by
kill -9), this process ends the command and all its children. It imports nothing heavy.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_GRACE_S = 5.0


def main() -> int:
    """Run the command; return its exit status."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)

    def watch() -> None:
        sys.stdin.buffer.read()
        _end_group(process)

    threading.Thread(target=watch, daemon=True).start()
    return process.wait()


def _end_group(process: subprocess.Popen) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    sys.exit(main())
