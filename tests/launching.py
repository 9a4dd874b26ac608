"""Launches in processes of their own, awaited, stopped and compared."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
from awaiting import HANGS_S, await_that
from conftest import launch, rows, start

from survey.launch_record import TRAINING, LaunchRecord, read_record
from survey.output import Output


def numbers(out: Path) -> dict[str, str]:
    """A digest of each run's numbers, by run: what must not depend on how the survey was made."""
    frame = rows(out)
    assert frame.run_id.is_unique
    curves = [c for c in frame.columns if isinstance(frame[c].iloc[0], np.ndarray) and c != "widths"]
    assert len(curves) == 20
    return {
        row.run_id: hashlib.sha256(b"".join(row[c].tobytes() for c in curves)).hexdigest()
        for _, row in frame.iterrows()
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def statuses(out: Path) -> dict[str, int]:
    with sqlite3.connect(out / "mlflow.db") as connection:
        return dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall())


def start_read(*arguments: object, **environment: str) -> tuple[subprocess.Popen, list[str], threading.Thread]:
    """Start a launch, and a thread that collects its lines."""
    process = start(*arguments, **environment)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    return process, lines, reader


def stop(process: subprocess.Popen, number: signal.Signals, *, whole_group: bool = False) -> None:
    """Send a launch a signal, and perhaps all that it has started; see that it ends, and they with it."""
    with outliving(process):
        if process.poll() is None:
            (os.killpg if whole_group else os.kill)(process.pid, number)
        process.wait(HANGS_S)


def await_finished_run(out: Path, *, at_least: int) -> None:
    def has_finished() -> bool:
        with suppress(sqlite3.Error):
            return statuses(out).get("FINISHED", 0) >= at_least
        return False

    await_that(has_finished, "no trial has finished")


def await_training(out: Path) -> None:
    """Return when trials have been handed to Ray."""
    await_record(out, lambda record: record.phase == TRAINING)


def await_epochs(out: Path) -> None:
    """Return when an epoch has been trained."""
    await_record(out, lambda record: record.figures.epochs > 0)


def await_record(out: Path, is_far_enough: Callable[[LaunchRecord], bool]) -> None:
    await_that(
        lambda: (record := read_record(Output(out))) and is_far_enough(record), "the survey does not come so far"
    )


def await_more_points(out: Path, *, than: int) -> int:
    """Wait until MLflow has more metric points than so many; return how many."""

    def more() -> int:
        with sqlite3.connect(out / "mlflow.db") as connection:
            points = connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
        return points if points > than else 0

    return await_that(more, f"MLflow has got no more than {than} points", every_s=0.2)


@contextmanager
def outliving(process: subprocess.Popen) -> Iterator[None]:
    """See that no process that a launch has started before goes on for ever: the launch ends meanwhile."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    yield
    await_that(lambda: not any(map(outlives, children)), "processes of the survey outlive it", every_s=0.2)


def outlives(process: psutil.Process) -> bool:
    """Whether a process goes on that should not."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # Ray's own agents look for their parent only now and then, and end within a minute or two.
        return not process.name().startswith(("ray::DashboardAg", "ray::RuntimeEnv"))
    except psutil.NoSuchProcess:
        return False


def finish_and_compare(space: Path, out: Path, undisturbed: Path) -> None:
    """Launch once more to the end, and compare with a survey that nobody disturbed."""
    status, text = launch(space, "--out", out, "--no-ui")
    assert status == 0, text
    assert numbers(out) == numbers(undisturbed)
    assert "RUNNING" not in statuses(out)


def address_in(line: str) -> str | None:
    return next((word for word in line.split() if word.startswith("http://127.0.0.1")), None)
