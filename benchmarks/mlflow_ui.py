"""What the MLflow UI asks of a large store: `python -m benchmarks.mlflow_ui FOLDER --experiments 100000`.

The store is filled by the survey's own writer: full parameters, tags and latest metrics of every experiment, with two
epochs of history each, and 40 log-spaced ones for the last 5,000. With `--copies 9` each run is there nine times more,
copied by SQL under another id, with other metrics and no history of them: ten times the store in a minute.

Then `mlflow server` is started on it as a launch starts it, and each call that the page of runs makes is made three
times, in the form in which the page makes it. A folder that is filled already is measured as it is.
`survey ui FOLDER` shows its page.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests

from benchmarks.filled import space
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import WITHOUT_VALIDATION as METRICS
from survey.networks.topology import layer_widths
from survey.output.folder import Output
from survey.spaces.search_space import varied_axes
from survey.system import supervise
from survey.tracking.rows import MetricRow, Writer
from survey.tracking.server import MlflowServer
from survey.tracking.store import TrackingStore
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, parent_run, recorded_epochs
from survey.tracking.ui_view import shared_view
from survey.tracking.writer import make_writer

_EPOCHS, _REPETITIONS = 300, 10
_AT_ONCE = 500
_KEYS = (*METRICS.names, "test_loss_q1", "test_loss_q3", "test_accuracy_q1", "test_accuracy_q3")
_NAME = "filled"


def opened(output: Output) -> tuple[TrackingStore, str]:
    """The store of an output, and the id of its MLflow experiment, with the page that a launch gives it."""
    store = TrackingStore(output.default_tracking_uri, output_id=output.output_id)
    view = shared_view(METRICS, varied_axes([space(_EPOCHS)]))
    location = output.artifacts.as_uri()
    return store, store.open_experiment(_NAME, note="", artifact_location=location, view=view)


def fill(output: Output, experiments: Sequence[NetworkExperiment], num_full: int) -> None:
    """Write the runs of finished trials; the last `num_full` have all the epochs that a long survey records."""
    store, experiment_id = opened(output)
    artifacts, axes = store.sql_artifacts(experiment_id), varied_axes([space(_EPOCHS)])
    settings = TrackingSettings(store.uri, experiment_id, False, False, METRICS, axes=axes, sql_artifacts=artifacts)
    writer = make_writer(store.uri, experiment_id, sql_artifacts=artifacts)
    first_full = len(experiments) - num_full
    few, many = np.array([1, _EPOCHS]), recorded_epochs(_EPOCHS, all_epochs=False)
    for first, end, epochs in ((0, first_full, few), (first_full, len(experiments), many)):
        part = iter(experiments[first:end])
        while some := list(islice(part, _AT_ONCE * len(few) // len(epochs) or 1)):
            _write(writer, settings, some, epochs)


def _write(
    writer: Writer, settings: TrackingSettings, experiments: Sequence[NetworkExperiment], epochs: np.ndarray
) -> None:
    runs, now = [], int(time.time() * 1000)
    for experiment in experiments:
        widths, exact = layer_widths(experiment.shape, experiment.size, experiment.depth, 64, 10)
        params = {"num_free_parameters": exact, "widths": list(widths)}
        trial = TrackedTrial(experiment, range(_REPETITIONS), _REPETITIONS, params, "made-up")
        runs.append(parent_run(settings, trial, start_time_ms=now))
    ids = writer.create_runs(runs)
    draws = np.random.default_rng(experiments[0].experiment_id)
    level = draws.uniform(0.1, 2.0, (len(ids), len(_KEYS), 1))
    values = (level * epochs**-0.3).tolist()
    steps = epochs.tolist()
    writer.log_metrics(
        [
            MetricRow(run_id, key, value, step, now)
            for run_id, of_run in zip(ids, values, strict=True)
            for key, curve in zip(_KEYS, of_run, strict=True)
            for step, value in zip(steps, curve, strict=True)
        ]
    )
    writer.end_runs(ids, "FINISHED", now)


def copy(database: Path, copies: int) -> None:
    """Add copies of all runs: the same rows but for the run's id, of which a digit is replaced, and latest metrics."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TEMP TABLE original AS SELECT run_uuid FROM runs")
        for number in range(1, copies + 1):
            for table in ("runs", "params", "tags", "latest_metrics"):
                names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
                other = {"run_uuid": f"substr(run_uuid, 1, 16) || '{number:x}' || substr(run_uuid, 18)"}
                if table == "latest_metrics":
                    other["value"] = f"value * {1 + number / 1000}"
                values = ", ".join(other.get(name, name) for name in names)
                # Where the digit is the same already, the copy would be the run itself.
                connection.execute(
                    f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} "
                    "WHERE run_uuid IN (SELECT run_uuid FROM original)"
                )
        connection.commit()


def calls(experiment_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the page of runs asks for: what it is for people, and the body."""
    newest = ["attributes.start_time DESC"]
    body = {"experiment_ids": [experiment_id], "max_results": 100, "run_view_type": "ACTIVE_ONLY"}
    yield "the newest 100 runs", {**body, "order_by": newest}
    yield "filter by a parameter", {**body, "order_by": newest, "filter": "params.depth = '5'"}
    two = "params.depth = '5' and params.shape = 'trapezoid' and params.batch_size = '64'"
    yield "filter by three parameters", {**body, "order_by": newest, "filter": two}
    yield "filter by a metric", {**body, "order_by": newest, "filter": "metrics.test_loss < 0.05"}
    yield "filter by a tag", {**body, "order_by": newest, "filter": "tags.repetitions = '0-9 of 10'"}
    yield "sort by a metric, upwards", {**body, "order_by": ["metrics.`test_loss` ASC"]}
    yield "sort by a metric, downwards", {**body, "order_by": ["metrics.`test_accuracy` DESC"]}
    yield "sort by a parameter", {**body, "order_by": ["params.`learning_rate` ASC"]}
    both = {"filter": "params.depth = '5'", "order_by": ["metrics.`test_loss` ASC"]}
    yield "filter by a parameter and sort by a metric", {**body, **both}


class Page:
    """The page of runs: makes calls, and prints the wall time of each and the server's processor time.

    Args:
        server: The server that is asked.
    """

    def __init__(self, server: MlflowServer) -> None:
        self._address = server.address
        guard = next(p for p in psutil.Process().children() if supervise.__file__ in p.cmdline())
        self._processes = guard.children(recursive=True)
        self.slowest_s = self.most_cpu_s = 0.0

    def call(self, name: str, method: str, path: str, **given: Any) -> dict[str, Any]:
        """Make a call three times, print the medians, and return the answer."""
        took, used = [], []
        for _ in range(3):
            began, cpu = time.perf_counter(), self._cpu_s()
            answer = requests.request(method, f"{self._address}/ajax-api/2.0/mlflow/{path}", timeout=600, **given)
            took.append(time.perf_counter() - began)
            used.append(self._cpu_s() - cpu)
            answer.raise_for_status()
        clock_s, cpu_s = statistics.median(took), statistics.median(used)
        self.slowest_s, self.most_cpu_s = max(self.slowest_s, clock_s), max(self.most_cpu_s, cpu_s)
        found = answer.json()
        size = len(found.get("runs", found.get("metrics", ())))
        print(f"{name:45} {clock_s:8.2f} s  {cpu_s:8.2f} s of CPU  {size:5} found", flush=True)
        return found

    def _cpu_s(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return sum(each.user + each.system for each in times)


def measure(page: Page, experiment_id: str) -> None:
    """Make all calls of the page."""
    for name, body in calls(experiment_id):
        found = page.call(name, "POST", "runs/search", json=body)
        if "next_page_token" in found and name.startswith("the newest"):
            page.call(
                "the 100 after them", "POST", "runs/search", json={**body, "page_token": found["next_page_token"]}
            )
            query = {"run_ids": found["runs"][0]["info"]["run_id"], "metric_key": "test_loss", "max_results": 320}
            page.call("a curve of a run", "GET", "metrics/get-history-bulk-interval", params=query)


def main() -> None:
    """Fill where there is nothing yet, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--full", type=int, default=5_000, help="experiments with all log-spaced epochs")
    parser.add_argument("--copies", type=int, default=0, help="times that each run is copied, 15 at most")
    options = parser.parse_args()
    output = Output.at(options.folder)
    if not output.database.exists():
        output.prepare()
        output.record([space(_EPOCHS)], {})
        experiments = random.Random(0).sample(list(space(_EPOCHS).experiments({})), options.experiments)
        began, cpu = time.perf_counter(), time.process_time()
        fill(output, experiments, min(options.full, len(experiments)))
        copy(output.database, options.copies)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(f"{len(experiments):,} experiments filled in {took:.0f} s ({cpu:.0f} s of CPU)")
    with closing(sqlite3.connect(output.database)) as database:
        tables = ("runs", "params", "tags", "latest_metrics", "metrics")
        rows = {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    size = sum(file.stat().st_size for file in output.folder.glob("mlflow.db*"))
    print(", ".join(f"{count:,} {name}" for name, count in rows.items()), f"in {size / 1e9:.2f} GB")
    store, experiment_id = opened(output)
    store.optimize()
    server = MlflowServer(store.uri, output.artifacts, log=output.folder / "mlflow-server.log")
    try:
        server.wait()
        page = Page(server)
        measure(page, experiment_id)
    finally:
        server.stop()
    print(f"the slowest took {page.slowest_s:.2f} s, and {page.most_cpu_s:.2f} s of CPU at most")


if __name__ == "__main__":
    main()
