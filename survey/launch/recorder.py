"""Writes the record of a launch while it runs."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from survey.launch.result import SurveyResult
from survey.output.folder import Output
from survey.output.launch_record import EXPORTING, STARTING, TRAINING, LaunchRecord, Phase, process_start_s
from survey.output.progress import Figures
from survey.plan.plan import Plan
from survey.system.periodic import Periodic


class Recorder:
    """Keeps the record of a launch up to date until the launch ends, however it ends; a context manager.

    A record that cannot be written is skipped: the launch goes on, and later ones may succeed.

    Args:
        output: The output of the launch.
        name: Name of the survey.
        plan: What the launch will train.
        every_s: Seconds between two updates.
    """

    def __init__(self, output: Output, name: str, plan: Plan, *, every_s: float = 2.0) -> None:
        now = time.time()
        figures = Figures(runs_planned=plan.num_runs_planned, runs_before=plan.num_runs_done)
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
        self._writing = threading.Lock()
        self._renewal = Periodic("launch record", self._write, every_s=every_s)

    def __enter__(self) -> Recorder:
        self._write()
        self._renewal.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        self._renewal.stop()
        if kind is not None:
            interrupted = issubclass(kind, KeyboardInterrupt)
            phase: Phase
            phase, text = ("interrupted", "") if interrupted else ("error", str(error) or kind.__name__)
            self._record = replace(self._record, phase=phase, error=text)
        self._freeze()
        self._write()

    def train(self, figures: Callable[[], Figures]) -> None:
        """Record that trials train; `figures` is called repeatedly, from another thread."""
        self._figures = figures
        self._enter(TRAINING)

    def export(self) -> None:
        """Record that trials have ended; the figures no longer change."""
        self._freeze()
        self._enter(EXPORTING)

    def end(self, result: SurveyResult) -> None:
        """Record the result of the launch."""
        complete: Phase = "incomplete" if result.missing else "done"
        phase: Phase = "interrupted" if result.interrupted else "out of time" if result.out_of_time else complete
        self._record = replace(self._record, phase=phase)
        self._runs_done = result.num_runs_done

    def on_exit(self, phase: Phase, error: str = "") -> None:
        """Record how this process ends, just before it does; callable from any thread."""
        self._renewal.stop(wait=False)
        self._record = replace(self._record, phase=phase, error=error)
        self._write()

    def _freeze(self) -> None:
        if not self._figures().is_over:
            last = self._figures().over()
            self._figures = lambda: last

    def _enter(self, phase: Phase) -> None:
        self._record = replace(self._record, phase=phase)
        self._write()

    def _write(self) -> None:
        # The state is read within the lock, so that an older one never overwrites that of `on_exit`.
        with self._writing, suppress(OSError):
            figures = self._figures()
            counted = self._record.num_runs_before + figures.runs_done
            runs_done = counted if self._runs_done is None else self._runs_done
            record = replace(self._record, updated_s=time.time(), num_runs_done=runs_done, figures=figures)
            record.write(self._output)
