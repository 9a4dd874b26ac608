"""What a launch takes beside training: `python -m benchmarks.startup`, or with a search space and options after it.

Launches a survey of one experiment of ten epochs a few times, each in a new folder and process, and prints when each
stage began, in seconds since the start of the process: the median of all launches. CPU is that of the whole machine
while a launch runs, so nothing else should. The first launch is left out: it fills the cache of files.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psutil

_SPACE = """
name: startup
repetitions: 1
grids:
  - {dataset: "sklearn:iris", shape: rectangle, size: 64, depth: 2, epochs: 10}
"""

_SAID = (
    "starting Ray",
    "MLflow records",
    "Ray dashboard",
    "MLflow UI  ",
    "exporting",
    "leaving Ray",
    "writing the report",
)
"""Lines of a launch, by how they begin, in their usual order."""

Moments = dict[str, float]


def launched(space: Path, out: Path, options: Sequence[str]) -> Moments:
    """Launch a survey; return when each stage began, in seconds since the start, and the CPU seconds."""
    command = [sys.executable, "-m", "survey.launch", str(space), "--out", str(out), *options]
    cpu_s, began = _busy_s(), time.time()
    moments: Moments = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            moments.setdefault("planned", time.time() - began)
            for beginning in _SAID:
                if line.startswith(beginning):
                    moments.setdefault(beginning.strip(), time.time() - began)
    moments["end"] = time.time() - began
    if process.returncode:
        raise SystemExit(f"the launch has ended with status {process.returncode}: {' '.join(command)}")
    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        first_ms, last_ms = database.execute("SELECT min(start_time), max(end_time) FROM runs").fetchone()
    moments |= {"first trial": first_ms / 1000 - began, "last trial has ended": last_ms / 1000 - began}
    return {**dict(sorted(moments.items(), key=lambda each: each[1])), "CPU": _busy_s() - cpu_s}


def _busy_s() -> float:
    """CPU seconds of all processes of this machine since it was started."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def main() -> None:
    """Launch and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", nargs="?", help="A search space; by default one with almost nothing to train.")
    parser.add_argument("--launches", type=int, default=5, help="How many are measured.")
    options, for_launch = parser.parse_known_args()
    found: list[Moments] = []
    with tempfile.TemporaryDirectory() as folder:
        space = Path(options.space or Path(folder) / "startup.yaml")
        if not options.space:
            space.write_text(_SPACE, encoding="utf-8")
        for number in range(options.launches + 1):
            found.append(launched(space, Path(folder) / f"out-{number}", for_launch))
    measured = found[1:] or found
    for name in measured[-1]:
        values = [each[name] for each in measured if name in each]
        print(f"{name:24}{statistics.median(values):6.1f} s   ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
