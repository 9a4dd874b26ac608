"""The status of a survey: `survey status [FOLDER] [--watch]`, from any shell, while it runs and after.

Without a folder, a line for each survey in `surveys/`. `python -m survey.status` is the same.

It only reads files of the output folder, takes no lock, and asks no Ray and no MLflow server: it disturbs no launch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from survey.cli import run_app
from survey.dataset.completed_runs import CompletedRuns
from survey.errors import InputError, SurveyError
from survey.output.disk_usage import DiskUse, DiskWatch, disk_line, disk_use
from survey.output.folder import SURVEYS, Output
from survey.output.launch_record import EXPORTING, STARTING, LaunchRecord, read_record
from survey.output.progress import block, duration
from survey.output.surveys import surveys_in
from survey.text.counting import counted
from survey.text.terminal import SafeConsole, short_path
from survey.tracking.database import completed_runs, holds_experiments
from survey.tracking.store_note import live_database

_LOOK_EVERY_S = 2.0
_PLAIN_EVERY_S = 10.0

_ENDS = {
    "done": "done",
    "incomplete": "ended; some runs are missing: launch again with the same arguments to train them",
    "interrupted": "interrupted: launch again with the same arguments to continue",
    "out of time": "stopped at its time limit: launch again with the same arguments to continue",
    "error": "ended by an error; fix its cause, then launch again with the same arguments to continue",
}

_FAILED = "ended; some runs failed: correct the causes below, then launch again with the same arguments"


@dataclass(frozen=True)
class Status:
    """The status of a survey.

    Attributes:
        out: The output folder.
        state: Phase of the last launch, or how it ended (see `LaunchRecord`); `lost` if it ended without recording
            that; `unknown` if there is no record of a launch.
        num_runs_done: Runs in the data set or finished in MLflow.
        num_runs: Runs that the survey asks for; None if there is no record of a launch.
        disk: Disk usage of the output.
        launch: Record of the last launch, if there is one.
    """

    out: str
    state: str
    num_runs_done: int
    num_runs: int | None
    disk: DiskUse
    launch: LaunchRecord | None

    @property
    def is_running(self) -> bool:
        """Whether a launch is running."""
        return self.launch is not None and self.state == self.launch.phase and not self.launch.has_ended


def survey_status(out: Path | str, disk: DiskUse | None = None, *, read_only: bool = False) -> Status:
    """Return the status of the survey in an output folder.

    Args:
        out: The folder.
        disk: Its disk usage, if counted recently; None to count it now.
        read_only: Whether to leave the MLflow store alone: opening its file can create others beside it, and a note in
            the folder can say that it lies elsewhere.

    Raises:
        OutputError: The folder holds no survey.
    """
    output = Output.at(out, must_exist=True)
    record = read_record(output)
    num_runs = record.num_runs if record else None
    use = disk or disk_use(output)
    done = _num_runs_done(output, record, read_only)
    return Status(str(output.folder), _state(record), done, num_runs, use, record)


def _state(record: LaunchRecord | None) -> str:
    return "unknown" if record is None else "lost" if record.is_silent else record.phase


@dataclass(frozen=True)
class Line:
    """A survey in the list of several; attributes as of `Status`, and when its last launch was heard of.

    Attributes:
        updated: Local time, `2026-01-31 12:00:00`; an empty string if there is no record of a launch.
    """

    out: str
    state: str
    num_runs_done: int
    num_runs: int | None
    updated: str


def survey_lines(folder: Path = SURVEYS, *, read_only: bool = False) -> list[Line]:
    """Return a line for each survey in a folder, the one that was launched last first.

    What one takes on the disk is left out: for many surveys, that takes too long to count.
    """
    lines = []
    for output in surveys_in(folder):
        record = read_record(output)
        try:
            state, done = _state(record), _num_runs_done(output, record, read_only)
        except SurveyError:
            state, done = "damaged", 0
        updated = _clock(record.updated_s) if record else ""
        lines.append(Line(str(output.folder), state, done, record.num_runs if record else None, updated))
    return lines


def render_lines(lines: Sequence[Line]) -> RenderableType:
    """Render the list of surveys for a terminal."""
    table = Table(box=None, pad_edge=False)
    for name in ("survey", "state", "runs done", "last heard of"):
        table.add_column(name, justify="right" if name == "runs done" else "left", overflow="fold")
    for line in lines:
        runs = f"{line.num_runs_done:,}" + (f" of {line.num_runs:,}" if line.num_runs is not None else "")
        table.add_row(short_path(Path(line.out)), line.state, runs, line.updated)
    return table


def _num_runs_done(output: Output, record: LaunchRecord | None, read_only: bool) -> int:
    """From the record of a launch; without one, or if the launch is lost, from the data set and the MLflow store."""
    if record and not record.is_silent:
        return record.num_runs_done
    finished = CompletedRuns()
    database = None if read_only else live_database(output)
    if database and database.exists() and holds_experiments(database):
        finished = completed_runs(database, since_s=record.began_s if record else 0.0)
    if record:  # the output may hold other surveys' runs too
        return max(record.num_runs_done, record.num_runs_before + finished.num_runs)
    finished.merge(CompletedRuns.of_dataset(output.dataset))
    return finished.num_runs


def render(status: Status) -> RenderableType:
    """Render the status for a terminal."""
    title = f"{status.launch.name} in {status.out}" if status.launch else status.out
    parts: list[RenderableType] = [Text(title, style="bold"), _state_line(status), _runs_line(status)]
    if status.launch and (status.launch.figures.epochs or status.launch.figures.failures):
        figures = status.launch.figures if status.is_running else status.launch.figures.over()
        trained = f"{figures.epochs:,} epochs in {duration(figures.seconds)}"
        parts += [Text(f"this launch: {trained}" if status.is_running else f"last launch: {trained}"), block(figures)]
    return Group(*parts, disk_line(status.disk))


def _state_line(status: Status) -> Text:
    record = status.launch
    if record is None:
        return Text(
            "no launch has left a record here that can be read: launch again with the same arguments to continue",
            style="yellow",
        )
    who = f"process {record.pid} on {record.host}, since {_clock(record.began_s)}"
    if status.is_running:
        doing = {STARTING: "starting", EXPORTING: "writing data set and report"}.get(status.state, status.state)
        return Text(f"{doing}: {who}", style="green")
    if status.state == "lost":
        return Text(
            f"ended unexpectedly ({who}), last heard of at {_clock(record.updated_s)}: launch again with the same "
            "arguments to continue",
            style="red",
        )
    error = f": {record.error}" if record.error else ""
    style = "green" if status.state == "done" else "yellow"
    end = _FAILED if status.state == "incomplete" and record.figures.failures else _ENDS[status.state]
    return Text(f"{end} ({_clock(record.updated_s)}){error}", style=style)


def _runs_line(status: Status) -> Text:
    if status.num_runs is None:
        return Text(f"{counted(status.num_runs_done, 'run')} done")
    share = status.num_runs_done / max(status.num_runs, 1)
    return Text(f"{status.num_runs_done:,} of {counted(status.num_runs, 'run')} done ({share:.1%})")


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


_Folder = Annotated[
    Path | None, typer.Argument(help="Output folder of a survey.", show_default=f"a line for each in {SURVEYS}/")
]
_Watch = Annotated[bool, typer.Option("--watch", help="Refresh every 2 seconds until the launch ends.")]
_ReadOnly = Annotated[
    bool,
    typer.Option("--read-only", help="Write nothing to the folder, open no MLflow store: for others' folders."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def status(folder: _Folder = None, watch: _Watch = False, read_only: _ReadOnly = False, as_json: _Json = False) -> int:
    """Show the status of a survey: what is done, running and failed, how fast it is, and what is left.

    Exit status: 0 whatever the status; 2 wrong usage, or no survey in the folder.
    """
    console = SafeConsole()
    if folder is None:
        return _list(console, watch=watch, read_only=read_only, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(asdict(survey_status(folder, read_only=read_only))))
    elif watch:
        _watch(folder, console, read_only=read_only)
    else:
        console.print(render(survey_status(folder, read_only=read_only)))
    return 0


def _list(console: SafeConsole, *, watch: bool, read_only: bool, as_json: bool) -> int:
    """Show the surveys of the working folder."""
    if watch:
        raise InputError("--watch needs the folder of a survey: survey status FOLDER --watch")
    lines = survey_lines(read_only=read_only)
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines]))
    elif lines:
        console.print(render_lines(lines))
    else:
        console.print(f"no survey in {SURVEYS.absolute()}; show one elsewhere with: survey status FOLDER")
    return 0


def _watch(out: Path, console: SafeConsole, *, read_only: bool) -> None:
    """Show the status until the launch ends or Ctrl-C is pressed."""
    now = survey_status(out, read_only=read_only)
    disk = DiskWatch(Output.at(out), now.disk)
    disk.start()
    with Live(render(now), console=console, auto_refresh=False) as live:
        printed_s = time.monotonic()
        try:
            while now.is_running:
                time.sleep(_LOOK_EVERY_S)
                now = survey_status(out, disk.use, read_only=read_only)
                live.update(render(now), refresh=console.is_terminal)
                if not console.is_terminal and time.monotonic() - printed_s >= _PLAIN_EVERY_S:
                    printed_s = time.monotonic()
                    console.print(render(now))
        except KeyboardInterrupt:
            return


def main(name: str = "python -m survey.status") -> None:
    """Run the command line under this program name."""
    run_app(status, name)


if __name__ == "__main__":
    main()
