"""What a launch leaves in its output for others to read while it runs and after: `launch.json`, renewed every 2 s."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

import psutil
from pydantic import Field, FiniteFloat

from survey.json_text import Count, Moment, read_json
from survey.output import Output
from survey.plan import Plan
from survey.progress_figures import Figures
from survey.result import SurveyResult

_RENEWED_EVERY_S = 2.0
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


class Recorder:
    """Keeps the record of a launch, from when it is entered to its end, however it ends.

    It never stands in the launch's way: where the record cannot be written, the next one may be.

    Args:
        output: The output of the launch.
        name: Name of the survey.
        plan: What it is to train.
    """

    def __init__(self, output: Output, name: str, plan: Plan) -> None:
        now = time.time()
        figures = Figures(runs_planned=plan.num_runs_planned)
        self._output = output
        self._record = LaunchRecord(
            name=name,
            phase=STARTING,
            error="",
            host=socket.gethostname(),
            pid=os.getpid(),
            process_start_s=process_start_s(os.getpid()),
            began_s=now,
            updated_s=now,
            num_experiments=plan.num_experiments,
            num_runs=plan.num_runs,
            num_runs_before=plan.num_runs_done,
            num_runs_done=plan.num_runs_done,
            figures=figures,
        )
        self._figures: Callable[[], Figures] = lambda: figures
        self._runs_done: int | None = None
        self._ended, self._writing = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._renew, name="launch record", daemon=True)

    def __enter__(self) -> Recorder:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        self._ended.set()
        self._thread.join()
        if kind is not None:
            interrupted = issubclass(kind, KeyboardInterrupt)
            phase: Phase
            phase, text = ("interrupted", "") if interrupted else ("error", str(error) or kind.__name__)
            self._record = replace(self._record, phase=phase, error=text)
        self._freeze()
        self._write()

    def train(self, figures: Callable[[], Figures]) -> None:
        """Say that trials train; `figures` is called now and then, in another thread."""
        self._figures = figures
        self._enter(TRAINING)

    def export(self) -> None:
        """Say that trials have ended; the figures stay as they are."""
        self._freeze()
        self._enter(EXPORTING)

    def end(self, result: SurveyResult) -> None:
        """Note what the launch has come to."""
        complete: Phase = "incomplete" if result.missing else "done"
        phase: Phase = "interrupted" if result.interrupted else "out of time" if result.out_of_time else complete
        self._record = replace(self._record, phase=phase)
        self._runs_done = result.num_runs_done

    def last_words(self, phase: Phase, error: str = "") -> None:
        """Note how a process ends that ends at once; from any thread."""
        self._ended.set()
        self._record = replace(self._record, phase=phase, error=error)
        self._write()

    def _freeze(self) -> None:
        if not self._figures().is_over:
            last = self._figures().over()
            self._figures = lambda: last

    def _enter(self, phase: Phase) -> None:
        self._record = replace(self._record, phase=phase)
        self._write()

    def _renew(self) -> None:
        while not self._ended.wait(_RENEWED_EVERY_S):
            self._write()

    def _write(self) -> None:
        # What is written is taken within the lock: an older state never replaces last words.
        with self._writing, suppress(OSError):
            figures = self._figures()
            counted = self._record.num_runs_before + figures.runs_done
            runs_done = counted if self._runs_done is None else self._runs_done
            record = replace(self._record, updated_s=time.time(), num_runs_done=runs_done, figures=figures)
            self._output.write_launch_record(json.dumps(asdict(record)))
