"""Wall time of the built-in survey, 64 experiments of 5 repetitions, three ways: `python -m benchmarks.whole`.

This project runs all 320 runs, from launch to report. The others run a part of them, every so-manieth, and the time is
multiplied; their starts are left out, and what they have to show for it are the MLflow runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_NUM_RUNS = 320


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--every", type=int, default=16, help="part of the runs that others train (default: 1 of 16)")
    every = parser.parse_args().every
    os.environ["OMP_NUM_THREADS"] = "1"
    ours, rows = _ours()
    print(f"{'':44}{'runs':>6}{'seconds':>9}{'all 320 runs':>14}{'times ours':>12}{'metric rows a run':>20}")
    print(f"{'this project':44}{_NUM_RUNS:>6}{ours:>9.0f}{ours:>13.0f}s{1:>12.1f}{rows:>20.0f}")
    for title, module, library in (
        ("Ray Tune, a trial a run, its MLflow callback", "ray_tune", "ray"),
        ("Optuna's grid sampler, two workers, MLflow", "optuna_grid", "optuna"),
    ):
        if not importlib.util.find_spec(library):
            print(f"{title}: left out, {library} is not installed (pip install -e '.[bench]')")
            continue
        seconds, rows = _other(module, every)
        num_runs = len(range(every // 2, _NUM_RUNS, every))
        whole = seconds * _NUM_RUNS / num_runs
        print(f"{title:44}{num_runs:>6}{seconds:>9.0f}{whole:>13.0f}s{whole / ours:>12.1f}{rows:>20.0f}")


def _ours() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        command = [sys.executable, "-m", "survey.launch", "--num-cpus", "2", "--out", f"{folder}/out"]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.monotonic() - began
        return seconds, _metric_rows(Path(folder) / "out" / "mlflow.db") / _NUM_RUNS


def _other(module: str, every: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"benchmarks.whole.{module}", folder, str(every)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds = float(said.split("seconds ")[1].split()[0])
        num_runs = len(range(every // 2, _NUM_RUNS, every))
        return seconds, _metric_rows(Path(folder) / "mlflow.db") / num_runs


def _metric_rows(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        return connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
    finally:
        connection.close()


if __name__ == "__main__":
    main()
