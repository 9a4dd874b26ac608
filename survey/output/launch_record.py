"""What a launch leaves in its output for others to read while it runs and after: `launch.json`, renewed every 2 s."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import psutil
from pydantic import Field, FiniteFloat

from survey.output.folder import Output
from survey.output.progress import Figures
from survey.system.files import write_text
from survey.text.json_files import Count, Moment, read_json

_SILENT_S = 60.0
_SAME_START_S = 2.0
"""How far two accounts of when a process started may lie apart."""

Phase = Literal["starting", "training", "exporting", "done", "incomplete", "interrupted", "out of time", "error"]
STARTING: Phase = "starting"
TRAINING: Phase = "training"
EXPORTING: Phase = "exporting"


@dataclass(frozen=True)
class LaunchRecord:
    """The last launch on an output, as far as it has come.

    Attributes:
        name: Name of the survey.
        phase: `starting`, `training`, `exporting`, or how it has ended: `done`, `incomplete`, `interrupted`,
            `out of time` or `error`.
        error: The error that ended it, or an empty string.
        host: Where it runs.
        pid: Its process.
        process_start_s: When the process started, in seconds since the machine did.
        began_s: When the launch began, in seconds since 1970.
        updated_s: When this was written, in seconds since 1970.
        num_experiments: Experiments that the survey asks for.
        num_runs: Runs that it asks for.
        num_runs_before: Those that were done when the launch began.
        num_runs_done: Those that are done now.
        figures: What the launch itself has trained.
    """

    name: str
    phase: Phase
    error: str
    host: str
    pid: Annotated[int, Field(ge=1, lt=1 << 31)]
    process_start_s: FiniteFloat
    began_s: Moment
    updated_s: Moment
    num_experiments: Count
    num_runs: Count
    num_runs_before: Count
    num_runs_done: Count
    figures: Figures

    def write(self, output: Output) -> None:
        """Replace the record of an output.

        Raises:
            OSError: It cannot be written.
        """
        # Not lasting: it is written every two seconds, and no result depends on it.
        write_text(output.launch_record, json.dumps(asdict(self)), lasting=False)

    @property
    def has_ended(self) -> bool:
        """Whether the launch said that it ends."""
        return self.phase not in (STARTING, TRAINING, EXPORTING)

    @property
    def is_silent(self) -> bool:
        """Whether the launch has ended without a record of it: its process is gone, or another one has its number.

        On another machine, where that is not seen: it has not written for a minute.
        """
        if self.has_ended:
            return False
        # Clocks of machines differ, in both directions.
        lately = abs(time.time() - self.updated_s) < _SILENT_S
        if self.host != socket.gethostname():
            return not lately
        try:
            start_s = process_start_s(self.pid)
        except psutil.Error:
            return True
        return not lately and abs(start_s - self.process_start_s) > _SAME_START_S


def process_start_s(pid: int) -> float:
    """When a process of this machine started, in seconds since the machine did, which no change of the clock moves.

    Raises:
        psutil.Error: There is no such process.
    """
    return psutil.Process(pid).create_time() - psutil.boot_time()


def read_record(output: Output) -> LaunchRecord | None:
    """Return the record of the last launch on an output, or None where there is none that can be read."""
    try:
        return read_json(output.launch_record, LaunchRecord)
    except (OSError, ValueError):
        return None
