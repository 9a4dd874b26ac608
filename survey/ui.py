"""The MLflow UI of a survey, brought back: `survey ui [FOLDER]`, or `python -m survey.ui`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from survey.cli import run_app
from survey.errors import InputError
from survey.output.folder import SURVEYS, Output
from survey.output.surveys import surveys_in
from survey.text.terminal import SafeConsole
from survey.text.uris import sqlite_uri
from survey.tracking.store_note import live_database
from survey.tracking.ui_view import PATH

_Folder = Annotated[
    Path | None, typer.Argument(help="Output folder of a survey.", show_default=f"the one launched last in {SURVEYS}/")
]
_Port = Annotated[int, typer.Option(min=1, max=65_000, help="The first port that is tried.")]


def ui(folder: _Folder = None, port: _Port = 5000) -> int:
    """Show a survey in the MLflow UI, until Ctrl-C is pressed: after its launches, or beside one.

    Only this machine can reach the UI.

    Exit status: 0 ended by Ctrl-C; 1 the UI did not start; 2 wrong usage, or nothing to show.
    """
    output = Output.at(folder, must_exist=True) if folder else _last_launched()
    database = live_database(output)
    if not database.is_file():
        raise InputError(
            f"{output.folder}: has no MLflow store of its own (mlflow.db); if its launches had a --tracking-uri, look "
            "at the MLflow server there"
        )
    from survey.tracking.server import MlflowServer

    console = SafeConsole()
    console.print(f"starting the MLflow UI of {output.folder}; this takes some seconds")
    server = MlflowServer(sqlite_uri(database), output.artifacts, output.folder / "mlflow-ui.log", first_port=port)
    try:
        server.wait()
        console.print(f"MLflow UI  {server.address}{PATH}   (Ctrl-C ends it)")
        threading.Event().wait()
    except KeyboardInterrupt:
        pass  # as asked for
    finally:
        server.stop()
    return 0


def _last_launched() -> Output:
    found = surveys_in()
    if not found:
        raise InputError(f"no survey in {SURVEYS.absolute()}: give the output folder of one")
    return found[0]


if __name__ == "__main__":
    run_app(ui, "python -m survey.ui")
