"""`mlflow server` in one process: `python -m survey.tracking.serve`, with its options.

MLflow reads the options in one process and serves in another, each of which imports it for 4 s of a core. Here the
process that has read them goes on to serve. All that they mean is left to MLflow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

import uvicorn  # before MLflow, whose application asks whether it is imported by a server

from survey.system.gc_pause import collector_paused


def _serve_here(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> NoReturn:
    """Run Uvicorn's command line, of which MLflow would make another process, in this one."""
    os.environ.update(extra_env)
    with collector_paused():
        import_module(command[-1].partition(":")[0])  # the application
    uvicorn.main(list(command[command.index("uvicorn") + 1 :]))
    sys.exit()


def main() -> None:
    """Serve until a signal ends it."""
    with collector_paused():
        from mlflow import cli, server

    # An MLflow without this function starts its other process, and takes longer.
    server._exec_cmd = _serve_here  # pyright: ignore[reportPrivateImportUsage]
    cli.cli(["server", *sys.argv[1:]])


if __name__ == "__main__":
    main()
