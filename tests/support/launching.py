"""Launches in processes of their own, awaited, stopped and compared."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest

from survey.output.folder import Output
from survey.output.launch_record import TRAINING, LaunchRecord, read_record
from tests.support.awaiting import HANGS_S, await_that


def seeds(*quick: int) -> list:
    """20 seeds of a fault: these with the whole launches, the others with `make test-faults`."""
    return [pytest.param(seed, marks=pytest.mark.launch if seed in quick else pytest.mark.fault) for seed in range(20)]


def site(folder: Path, code: str) -> dict[str, str]:
    """An environment in which each Python process runs this code as it starts, as `sitecustomize` in that folder."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


SAVED_OFTEN = """
import sys
if "survey.launch" in sys.orig_argv:
    from dataclasses import replace
    from survey.launch.launcher import Launch
    from survey.trials.checkpoint import CheckpointPace
    settings, pace = Launch._trial_settings, CheckpointPace(every_s=0.5, share=1.0)
    Launch._trial_settings = lambda *arguments: replace(settings(*arguments), checkpoint_pace=pace)
"""
"""Python runs it as `sitecustomize` in every process: here trials write checkpoints twice a second."""


def start(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.Popen:
    """Start `python -m survey.launch` in a session of its own, so that a signal to it is a signal to it alone."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "survey.launch", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def launch(*arguments: object, cwd: Path | None = None, **environment: str) -> tuple[int, str]:
    """Run a launch to its end; return its exit status and what it said."""
    process = start(*arguments, cwd=cwd, **environment)
    output, _ = process.communicate(timeout=HANGS_S)
    return process.returncode, output


def launched(*arguments: object, cwd: Path | None = None, **environment: str) -> str:
    """Run a launch that comes to a good end; return what it said."""
    status, said = launch(*arguments, cwd=cwd, **environment)
    assert status == 0, said
    return said


def rows(out: Path) -> pd.DataFrame:
    """The runs in the data set of a survey, in the order of their ids."""
    table = out / "dataset" / "all_repetitions"
    schema = pq.read_schema(table / "_common_metadata")
    frame = pq.read_table(table, schema=schema).to_pandas()
    return frame.sort_values("run_id").reset_index(drop=True)


def numbers(out: Path) -> dict[str, str]:
    """A digest of each run's numbers, by run: what must not depend on how the survey was made."""
    frame = rows(out)
    assert frame.run_id.is_unique
    curves = [c for c in frame.columns if isinstance(frame[c].iloc[0], np.ndarray)]
    curves = [c for c in curves if c not in ("widths", "epoch_seconds")]
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


def finish_and_compare(space: Path, out: Path, undisturbed: Path, *options: object) -> None:
    """Launch once more to the end, and compare with a survey that nobody disturbed, which may have more runs."""
    text = launched(space, "--out", out, "--no-ui", *options)
    found, expected = numbers(out), numbers(undisturbed)
    assert f"{len(found):,} of {len(found):,} runs done" in text
    assert found == {run: expected[run] for run in found}
    assert "RUNNING" not in statuses(out)


def address_in(line: str) -> str | None:
    return next((word for word in line.split() if word.startswith("http://127.0.0.1")), None)
