"""What is said to MLflow: the same rows by either writer, medians over repetitions, and a status that is true."""

from __future__ import annotations

import base64
import json
import math
import shutil
import sqlite3
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert
from sqlalchemy.dialects.mysql import pymysql
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.dialects.sqlite import pysqlite

from survey.errors import TrackingError
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import WITHOUT_VALIDATION as METRICS
from survey.tracking import sql_writer
from survey.tracking.database import holds_experiments, remove_half_made
from survey.tracking.rows import InputData, MetricRow, NewRun, Writer
from survey.tracking.sql_writer import SqlWriter
from survey.tracking.store import TrackingStore
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, TrialRun, Waits, recorded_epochs
from survey.tracking.ui_view import VIEW, entrance, shared_view
from survey.tracking.writer import make_writer
from survey.workloads.experiment import Run
from tests.support.awaiting import await_that
from tests.support.copies import copy_sqlite

EXPERIMENT = NetworkExperiment(dataset="537_houses", shape="rectangle", size=256, depth=3, epochs=6)
NAN, INF = math.nan, math.inf


@pytest.fixture
def store(database) -> TrackingStore:
    return TrackingStore(f"sqlite:///{database}", output_id="output-1")


def open_experiment(store: TrackingStore, name: str = "first") -> str:
    location = (Path(store.uri.removeprefix("sqlite:///")).parent / "artifacts").as_uri()
    return store.open_experiment(name, note="What for.", artifact_location=location)


def start(
    store: TrackingStore, experiment: NetworkExperiment = EXPERIMENT, repetitions=(0, 1, 2), **settings
) -> TrialRun:
    chosen = {"all_epochs": True, "repetition_runs": True, **settings}
    experiment_id = open_experiment(store)
    tracking = TrackingSettings(
        store.uri, experiment_id, metrics=METRICS, sql_artifacts=store.sql_artifacts(experiment_id), **chosen
    )
    params = {"num_free_parameters": 241, "nothing": None}
    return TrialRun(tracking, TrackedTrial(experiment, repetitions, 5, params, "abc_00001"))


def writer_of(store: TrackingStore) -> Writer:
    experiment_id = open_experiment(store)
    return make_writer(store.uri, experiment_id, sql_artifacts=store.sql_artifacts(experiment_id))


def rows(database: Path, query: str) -> list[tuple]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


# ---------------------------------------------------------------- writers


def write_all(writer) -> list[str]:
    now = 1_760_000_000_000
    data = InputData("sklearn:iris", "0123456789abcdef" * 4)
    tags = {"survey.role": "experiment", "mlflow.user": "ada", "note": "ü"}
    parent = NewRun("parent", now, tags, {"size": "8", "lr": "1e-05"}, data)
    children = [
        NewRun(f"child {k}", now + k, {"mlflow.parentRunId": "", "k": str(k)}, {"seed": str(k)}, data) for k in (1, 2)
    ]
    ids = writer.create_runs([parent, *children])
    points = [0.5, NAN, INF, -INF, 1e-300, -0.25]
    for first in (0, 3):  # two calls: the latest values are replaced
        writer.log_metrics(
            [
                MetricRow(run_id, key, value + shift, epoch + 1, now + 10 * epoch)
                for shift, run_id in enumerate(ids)
                for key in ("test_loss", "test_accuracy")
                for epoch, value in list(enumerate(points))[first : first + 3]
            ]
        )
    writer.log_metrics([])
    writer.end_runs(ids[1:], "FINISHED", now + 1000)
    writer.end_runs(ids[:1], "KILLED", now + 2000)
    return ids


def contents(database: Path, ids: list[str]) -> dict[str, list]:
    """All rows of the tables that a run has, with its number in the place of its id, without ids of data sets."""
    number = {run_id: f"run {k}" for k, run_id in enumerate(ids)}

    def neutral(value):
        for run_id, name in number.items():
            value = value.replace(run_id, name) if isinstance(value, str) else value
        return value

    found = {}
    random = {"dataset_uuid", "input_uuid", "source_id"}
    for table in ("runs", "tags", "params", "metrics", "latest_metrics", "datasets", "inputs", "input_tags"):
        names = sorted({name for _, name, *_ in rows(database, f"PRAGMA table_info({table})")} - random)
        found[table] = sorted(
            ([neutral(value) for value in row] for row in rows(database, f"SELECT {', '.join(names)} FROM {table}")),
            key=repr,
        )
    return found


def test_both_writers_leave_the_same_rows(empty_store, tmp_path):
    from survey.tracking.client_writer import ClientWriter  # not above: MLflow is slow to import

    found = {}
    for kind in (SqlWriter, ClientWriter):
        file = tmp_path / f"{kind.__name__}.db"
        copy_sqlite(empty_store, file)
        store = TrackingStore(f"sqlite:///{file}", output_id="o")
        experiment_id = store.open_experiment("x", note="", artifact_location="file:///nowhere/artifacts")
        artifacts = store.sql_artifacts(experiment_id)
        assert artifacts == "file:///nowhere/artifacts", "a database at hand is written by SQL"
        writer = make_writer(store.uri, experiment_id, sql_artifacts=artifacts if kind is SqlWriter else None)
        assert isinstance(writer, kind)
        found[kind] = contents(file, write_all(writer))
    assert found[SqlWriter] == found[ClientWriter]
    counts = {table: len(lines) for table, lines in found[SqlWriter].items()}
    expected = {"runs": 3, "tags": 3 + 1 * 3 + 1 * 2 + 2, "params": 4, "metrics": 36, "latest_metrics": 6}
    assert counts == {**expected, "datasets": 1, "inputs": 3, "input_tags": 3}


def test_values_are_read_back_through_mlflow(store):
    run_id, *children = write_all(writer_of(store))
    history = store.client.get_metric_history(run_id, "test_loss")
    values = {metric.step: metric.value for metric in history}
    assert values[1] == 0.5
    assert math.isnan(values[2])
    assert values[3] > 1e308
    assert values[4] < -1e308
    assert values[6] == -0.25
    run = store.client.get_run(run_id)
    assert run.data.metrics == {"test_loss": -0.25, "test_accuracy": -0.25}
    assert run.info.status == "KILLED"
    assert run.info.end_time == 1_760_000_002_000
    assert run.info.run_name == "parent"
    assert run.data.params == {"size": "8", "lr": "1e-05"}
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("sklearn:iris", "0123456789abcdef0123456789abcdef0123")
    for child in children:
        assert store.client.get_run(child).data.tags["mlflow.parentRunId"] == run_id


def test_a_column_that_is_not_known_leaves_writing_to_mlflow(store, database):
    from survey.tracking.client_writer import ClientWriter

    assert isinstance(writer_of(store), SqlWriter)
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE params ADD COLUMN meaning TEXT")
    assert isinstance(writer_of(TrackingStore(store.uri, output_id="output-1")), ClientWriter)


@pytest.mark.parametrize("by_sql", [True, False])
def test_an_artifact_is_found_through_mlflow(store, tmp_path, by_sql):
    experiment_id = open_experiment(store)
    artifacts = store.sql_artifacts(experiment_id) if by_sql else None
    writer = make_writer(store.uri, experiment_id, sql_artifacts=artifacts)
    (run_id,) = writer.create_runs([NewRun("one", 1)])
    file = tmp_path / "note.txt"
    for text in ("first", "second"):
        file.write_text(text)
        writer.log_artifact(run_id, file)
    writer.log_artifact(run_id, file, "a/b")
    assert [artifact.path for artifact in store.client.list_artifacts(run_id)] == ["a", "note.txt"]
    assert [artifact.path for artifact in store.client.list_artifacts(run_id, "a/b")] == ["a/b/note.txt"]
    assert Path(store.client.download_artifacts(run_id, "note.txt", str(tmp_path))).read_text() == "second"
    with pytest.raises(TrackingError, match=r"cannot store the artifact gone\.txt"):
        writer.log_artifact(run_id, tmp_path / "gone.txt")


def test_a_worker_that_writes_by_sql_does_not_import_mlflow(store):
    """It costs three seconds and 100 MB in every worker."""
    experiment_id = open_experiment(store)
    script = f"""
import sys
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import WITHOUT_VALIDATION as METRICS
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, TrialRun
settings = TrackingSettings({store.uri!r}, {experiment_id!r}, True, True, METRICS,
                            sql_artifacts={store.sql_artifacts(experiment_id)!r})
experiment = NetworkExperiment(dataset="537_houses", shape="rectangle", size=256, depth=3, epochs=6)
run = TrialRun(settings, TrackedTrial(experiment, [0, 1], num_repetitions=2, params={{}}, trial_id="t"))
run.fail("a traceback")
print([name for name in sys.modules if name.split(".")[0] in ("mlflow", "pandas", "ray")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    (run,) = store.client.search_runs([experiment_id], "attributes.status = 'FAILED' and tags.trial_id = 't'")
    assert [artifact.path for artifact in store.client.list_artifacts(run.info.run_id)] == ["traceback.txt"]


def test_a_new_key_leaves_the_latest_of_others(store):
    writer = writer_of(store)
    (run_id,) = writer.create_runs([NewRun("one", 1)])
    writer.log_metrics([MetricRow(run_id, "loss", 0.5, 1, 1)])
    writer.log_metrics([MetricRow(run_id, "accuracy", 0.25, 1, 1)])
    assert store.client.get_run(run_id).data.metrics == {"loss": 0.5, "accuracy": 0.25}


def test_the_latest_of_a_key_outlives_other_keys(store):
    writer = writer_of(store)
    one, two = writer.create_runs([NewRun("one", 1), NewRun("two", 1)])
    writer.log_metrics([MetricRow(one, "loss", 0.5, 1, 1)])
    writer.log_metrics([MetricRow(one, "accuracy", 0.25, 1, 1), MetricRow(two, "loss", 0.75, 1, 1)])
    assert store.client.get_run(one).data.metrics == {"loss": 0.5, "accuracy": 0.25}


def test_points_whose_commit_was_not_answered_are_there_once(store):
    writer = writer_of(store)
    (run_id,) = writer.create_runs([NewRun("one", 1)])
    points = [MetricRow(run_id, "loss", 1 / step, step, step) for step in (1, 2, 3)]
    writer.log_metrics(points[:2])
    writer.log_metrics(points)
    history = store.client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_a_refused_write_is_a_tracking_error(store):
    writer = writer_of(store)
    (run_id,) = writer.create_runs([NewRun("one", 1)])
    nameless = MetricRow(run_id, None, 0.5, 1, 1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TrackingError):
        writer.log_metrics([nameless, nameless])


# ---------------------------------------------------------------- a trial's run


def statistics(epochs: int, repetitions: int, seed: int = 0) -> np.ndarray:
    """float32 [epochs, 20, repetitions]"""
    return np.random.default_rng(seed).normal(1, 0.3, (epochs, len(METRICS.all), repetitions)).astype(np.float32)


def history_of(run: TrialRun, store: TrackingStore, key: str, run_id: str | None = None) -> dict[int, float]:
    return {metric.step: metric.value for metric in store.client.get_metric_history(run_id or run.run_id, key)}


def logged(store: TrackingStore, values: np.ndarray, **settings) -> TrialRun:
    run = start(store, repetitions=range(values.shape[2]), **settings)
    for epoch, now in enumerate(values, start=1):
        run.log_epoch(epoch, now)
    run.flush()
    return run


@pytest.mark.parametrize("repetitions", [1, 2, 3, 4, 7])
def test_medians_and_quartiles_over_repetitions_are_numpys(store, repetitions):
    values = statistics(6, repetitions)
    run = logged(store, values)
    for k, name in enumerate(METRICS.names):
        expected = dict(enumerate(np.median(values[:, k].astype(np.float64), axis=1), start=1))
        assert history_of(run, store, name) == pytest.approx(expected, rel=1e-12)
    for name in ("test_loss", "test_accuracy"):
        for quartile, q in (("q1", 0.25), ("q3", 0.75)):
            numbers = np.quantile(values[:, METRICS.names.index(name)].astype(np.float64), q, axis=1)
            expected = dict(enumerate(numbers, start=1))
            assert history_of(run, store, f"{name}_{quartile}") == pytest.approx(expected, rel=1e-12)
    assert len(store.client.get_run(run.run_id).data.metrics) == METRICS.num_rows == 24


def test_metrics_are_the_twenty_statistics_by_part():
    assert METRICS.names[0] == "test_loss"
    assert METRICS.names[10] == "train_loss"
    assert METRICS.names[9] == "test_kullback_leibler_divergence"
    assert len(set(METRICS.names)) == 20


def test_a_run_that_diverged_counts_as_the_worst(store):
    values = statistics(2, 3)
    values[:, METRICS.names.index("test_loss")] = [[1.0, NAN, 2.0], [NAN, 3.0, -INF]]
    run = logged(store, values)
    assert history_of(run, store, "test_loss") == {1: 2.0, 2: 1.7976931348623157e308}
    assert history_of(run, store, "test_loss_q1")[1] == pytest.approx(1.5)


def test_each_repetition_has_a_child_run(store):
    values = statistics(6, 3)
    run = logged(store, values)
    children = store.client.search_runs(
        [open_experiment(store)], f"tags.`mlflow.parentRunId` = '{run.run_id}'", order_by=["params.repetition"]
    )
    assert [child.data.params["repetition"] for child in children] == ["0", "1", "2"]
    for number, child in enumerate(children):
        assert child.data.params["seed"] == str(Run(EXPERIMENT, number).seed)
        assert child.data.tags["survey.role"] == "repetition"
        assert child.data.tags["experiment_id"] == f"{EXPERIMENT.experiment_id:016x}"
        assert set(child.data.metrics) == {"test_loss", "test_accuracy", "train_loss", "train_accuracy"}
        assert len(child.data.metrics) == METRICS.num_run_rows
        for name in child.data.metrics:
            expected = dict(enumerate(values[:, METRICS.names.index(name), number].tolist(), start=1))
            assert history_of(run, store, name, child.info.run_id) == expected


def test_without_child_runs_there_is_one_run(store, database):
    logged(store, statistics(6, 3), repetition_runs=False)
    assert rows(database, "SELECT count(*) FROM runs") == [(1,)]


def test_the_run_says_what_is_trained(store):
    run = start(store, repetitions=[0, 1, 3], git_commit="c0ffee")
    found = store.client.get_run(run.run_id)
    tags, params = found.data.tags, found.data.params
    assert NetworkExperiment(**json.loads(tags["survey.experiment"])) == EXPERIMENT
    assert json.loads(tags["survey.repetitions"]) == [0, 1, 3]
    assert tags["survey.role"] == "experiment"
    assert tags["repetitions"] == "0-1, 3 of 5"
    assert tags["trial_id"] == "abc_00001"
    assert tags["experiment_id"] == f"{EXPERIMENT.experiment_id:016x}"
    assert tags["epochs_logged"] == "all"
    assert tags["mlflow.source.git.commit"] == "c0ffee"
    assert found.info.run_name == EXPERIMENT.label
    assert found.info.status == "RUNNING"
    assert params["num_free_parameters"] == "241"
    assert params["learning_rate"] == "0.0001"
    assert params["size"] == "256"
    assert "nothing" not in params
    assert "task_content" not in params
    assert "kernel_regularizer_type" not in params


def test_the_entrance_to_the_page_leads_there_with_the_assistant_closed():
    text = entrance("/#/experiments/1/runs?a=b&c=<d>")
    assert "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true'); location.replace(" in text
    assert r'location.replace("/#/experiments/1/runs?a=b&c=\u003cd>")' in text
    assert 'href="/#/experiments/1/runs?a=b&amp;c=&lt;d&gt;"' in text, "without scripts"


def test_the_page_of_a_survey_is_a_shared_view_of_the_mlflow_ui(store):
    view = shared_view(METRICS, ["size", "depth"])
    number = store.open_experiment("viewed", note="", artifact_location=None, view=view)
    tags = store.client.get_experiment(number).tags
    state = json.loads(zlib.decompress(base64.b64decode(tags[VIEW].removeprefix("deflate;"))))
    assert state["selectedColumns"][:3] == ["params.`size`", "params.`depth`", "metrics.`test_loss`"]
    shown = [chart["metricKey"] for chart in state["compareRunCharts"] if chart["metricSectionId"] == "survey-curves"]
    assert shown == ["test_loss", "train_loss", "test_accuracy", "train_accuracy"][: len(shown)]
    assert {chart["metricKey"] for chart in state["compareRunCharts"]} >= {*METRICS.names, "test_loss_q1"}
    assert state["orderByKey"] == "metrics.`test_loss`"
    # A survey that is extended by an axis has a column for it.
    view = shared_view(METRICS, ["size", "shape"])
    assert store.open_experiment("viewed", note="", artifact_location=None, view=view) == number
    assert store.client.get_experiment(number).tags[VIEW] == view
    assert len(view) < 5000  # what MLflow takes as a tag


@pytest.mark.parametrize("epochs", [1, 2, 10, 39, 40, 41, 300, 3000, 30000])
def test_log_spaced_epochs_span_the_training(epochs):
    found = recorded_epochs(epochs, all_epochs=False).tolist()
    assert found == sorted(set(found))
    assert found[0] == 1
    assert found[-1] == epochs
    assert len(found) <= 40
    if epochs >= 3000:
        assert len(found) > 30
        ratios = np.diff(np.log(found[-15:]))
        assert ratios.max() < 1.05 * ratios.min(), "evenly spaced in their logarithm"


def test_only_log_spaced_epochs_are_logged_where_asked(store):
    long = NetworkExperiment(**{**EXPERIMENT.to_dict(), "epochs": 500})
    run = start(store, long, all_epochs=False)
    for epoch, now in enumerate(statistics(500, 3), start=1):
        run.log_epoch(epoch, now)
    run.flush()
    assert list(history_of(run, store, "test_loss")) == recorded_epochs(500, all_epochs=False).tolist()
    assert store.client.get_run(run.run_id).data.tags["epochs_logged"] == "log-spaced"


def test_epochs_are_written_before_the_end(store):
    run = start(store)
    values = statistics(6, 3)
    run.log_epoch(1, values[0])
    assert not store.client.get_run(run.run_id).data.metrics, "not one by one"
    run._epochs._tried = time.monotonic() - 60
    run.log_epoch(2, values[1])
    await_that(lambda: list(history_of(run, store, "test_loss")) == [1, 2])


def statuses(store: TrackingStore) -> list[str]:
    return [run.info.status for run in store.client.search_runs([open_experiment(store)])]


def test_finishing_stores_the_history_and_marks_every_run_finished(store):
    run = start(store)
    run.log_epoch(1, statistics(1, 3)[0])
    table = pa.table({"run_id": ["a", "b"], "val_loss": pa.array([[1.0, 2.0], [3.0, NAN]], pa.list_(pa.float32()))})
    run.finish(table)
    assert statuses(store) == ["FINISHED"] * 4
    assert list(history_of(run, store, "test_loss")) == [1], "what was noted is written"
    (trial,) = store.finished.trials()
    assert trial.mlflow_run_id == run.run_id
    assert trial.experiment == EXPERIMENT
    assert trial.repetitions == (0, 1, 2)
    stored = pq.read_table(trial.history_uri.removeprefix("file://"))
    assert stored.drop(["val_loss"]).equals(table.drop(["val_loss"]))
    np.testing.assert_array_equal(
        stored["val_loss"].combine_chunks().flatten().to_numpy(), np.array([1, 2, 3, NAN], np.float32)
    )
    assert store.finished.completed_runs() == {EXPERIMENT.experiment_id: {0, 1, 2}}
    assert store.client.get_run(run.run_id).info.end_time >= store.client.get_run(run.run_id).info.start_time


def test_a_trial_is_not_finished_before_its_history_is_stored(store, monkeypatch):
    run = start(store)
    monkeypatch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(TrackingError, match=r"history\.parquet.*disk full"):
        run.finish(pa.table({"a": [1]}))
    assert statuses(store) == ["RUNNING"] * 4
    assert list(store.finished.trials()) == []


def test_a_failed_trial_keeps_its_traceback(store, tmp_path):
    run = start(store)
    run.fail("Traceback ...\nValueError: ü")
    assert statuses(store) == ["FAILED"] * 4
    (artifact,) = store.client.list_artifacts(run.run_id)
    assert artifact.path == "traceback.txt"
    file = tmp_path / "artifacts" / run.run_id / "artifacts" / "traceback.txt"
    assert file.read_text(encoding="utf-8") == "Traceback ...\nValueError: ü"
    assert list(store.finished.trials()) == []


def test_a_failed_trial_is_marked_as_failed_where_its_traceback_cannot_be_stored(store, monkeypatch):
    run = start(store)
    monkeypatch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError("refused")))
    with pytest.raises(TrackingError, match=r"traceback\.txt"):
        run.fail("Traceback ...")
    assert statuses(store) == ["FAILED"] * 4


def test_a_killed_trial_keeps_its_epochs(store):
    run = start(store)
    run.log_epoch(1, statistics(1, 3)[0])
    run.kill()
    assert statuses(store) == ["KILLED"] * 4
    assert list(history_of(run, store, "test_loss")) == [1]
    assert list(store.finished.trials()) == []


def test_repetitions_of_several_trials_are_joined(store):
    for repetitions in ([0, 1], [2], [1, 4]):
        start(store, repetitions=repetitions).finish(pa.table({"a": [1]}))
    other = NetworkExperiment(**{**EXPERIMENT.to_dict(), "size": 512})
    start(store, other, [0]).finish(pa.table({"a": [1]}))
    start(store, other, [1]).kill()
    assert store.finished.completed_runs() == {EXPERIMENT.experiment_id: {0, 1, 2, 4}, other.experiment_id: {0}}


def test_abandoned_runs_are_closed(store):
    finished = start(store)
    finished.finish(pa.table({"a": [1]}))
    start(store)
    store.open_experiment("second", note="", artifact_location=None)
    assert store.close_abandoned_runs() == 4
    assert sorted(statuses(store)) == ["FINISHED"] * 4 + ["KILLED"] * 4
    assert store.close_abandoned_runs() == 0


# ---------------------------------------------------------------- the store


def test_the_database_counts_its_rows_for_its_query_planner(store, database):
    for seed in range(3):
        logged(store, statistics(1, 3, seed), repetition_runs=False)
    store.optimize()
    counted = {name: int(counts.split()[0]) for name, counts in rows(database, "SELECT tbl, stat FROM sqlite_stat1")}
    assert (counted["runs"], counted["latest_metrics"]) == (3, 3 * METRICS.num_rows)


def test_the_ui_opens_connections_anew_and_so_sees_the_counts(database, monkeypatch):
    from mlflow.store.db.utils import create_sqlalchemy_engine

    from survey.tracking import server

    for name, value in server.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    engine = create_sqlalchemy_engine(f"sqlite:///{database}")

    def connection():
        with engine.connect() as connected:
            return connected.connection.dbapi_connection

    first = connection()
    assert connection() is first
    later = time.time() + 61
    monkeypatch.setattr("sqlalchemy.pool.base.time.time", lambda: later)
    assert connection() is not first


def test_sqlite_has_a_write_ahead_log(database):
    assert rows(database, "PRAGMA journal_mode=DELETE") == [("delete",)]
    TrackingStore(f"sqlite:///{database}", output_id="o")
    assert rows(database, "PRAGMA journal_mode") == [("wal",)]


def test_a_network_file_system_gets_no_write_ahead_log(tmp_path, monkeypatch):
    from survey.tracking import sqlite

    monkeypatch.setattr(sqlite, "on_network", lambda _: True)
    sqlite.use_write_ahead_log(tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_two_outputs_in_one_store_do_not_see_each_other(store, database):
    other = TrackingStore(f"sqlite:///{database}", output_id="output-2")
    start(store, repetitions=[0]).finish(pa.table({"a": [1]}))
    start(other, repetitions=[1]).finish(pa.table({"a": [1]}))
    start(other, repetitions=[2])
    assert open_experiment(store) != open_experiment(other)
    assert store.finished.completed_runs() == {EXPERIMENT.experiment_id: {0}}
    assert other.finished.completed_runs() == {EXPERIMENT.experiment_id: {1}}
    assert store.close_abandoned_runs() == 0
    assert other.close_abandoned_runs() == 2


def test_an_experiment_is_opened_again_by_its_name(store):
    first, second = open_experiment(store, "first"), open_experiment(store, "second")
    assert first != second
    assert open_experiment(store, "first") == first
    found = store.client.get_experiment(first)
    assert found.name == "first"
    assert found.tags["mlflow.note.content"] == "What for."


def test_names_that_another_output_has_taken_are_told_apart(store, database):
    open_experiment(store)
    other = TrackingStore(f"sqlite:///{database}", output_id="output-2")
    assert other.client.get_experiment(open_experiment(other)).name == "first (2)"


def test_more_trials_than_fit_a_page_are_all_found(store):
    writer = writer_of(store)
    of_a_trial = {
        "survey.role": "experiment",
        "experiment_id": f"{EXPERIMENT.experiment_id:016x}",
        "survey.experiment": json.dumps(EXPERIMENT.to_dict()),
    }
    runs = [
        NewRun(
            f"{k}",
            k,
            {**of_a_trial, "survey.repetitions": json.dumps([k])},
        )
        for k in range(1010)
    ]
    writer.end_runs(writer.create_runs(runs), "FINISHED", 5000)
    found = list(store.finished.trials())
    assert [trial.repetitions for trial in found] == [(k,) for k in range(1010)], "oldest first"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


UNREACHABLE = "http://ada:s3cret@127.0.0.1:9"


def test_an_unreachable_store_is_named(impatient):
    with pytest.raises(TrackingError, match=r"the tracking store http://.*127\.0\.0\.1:9 cannot be used"):
        TrackingStore(UNREACHABLE, output_id="o")
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1"):
        TrialRun(
            TrackingSettings("http://127.0.0.1:9", "1", True, True, METRICS, waits=Waits(patience_s=0.0)),
            TrackedTrial(EXPERIMENT, [0], num_repetitions=1, params={}, trial_id="t"),
        )


def test_a_password_is_not_shown(impatient):
    with pytest.raises(TrackingError) as error:
        TrackingStore(UNREACHABLE, output_id="o")
    assert "s3cret" not in str(error.value)


def test_a_database_without_its_driver_is_a_tracking_error():
    with pytest.raises(TrackingError):
        TrackingStore("mysql+nosuchdriver://ada:s3cret@127.0.0.1:9/db", output_id="o")


def test_a_place_that_cannot_be_written_is_a_tracking_error(tmp_path):
    with pytest.raises(TrackingError, match=r"missing/m\.db"):
        TrackingStore(f"sqlite:///{tmp_path}/missing/m.db", output_id="o")
    (tmp_path / "text.db").write_text("this is no database, whatever its name says " * 50)
    with pytest.raises(TrackingError, match=r"text\.db"):
        TrackingStore(f"sqlite:///{tmp_path}/text.db", output_id="o")


# ---------------------------------------------------------------- a database that was cut off


def test_a_database_that_was_cut_off_while_it_was_made_is_made_anew(empty_store, store, tmp_path):
    file = tmp_path / "half.db"
    remove_half_made(file)  # there is none
    copy_sqlite(empty_store, file)
    with sqlite3.connect(file) as target:
        target.execute("CREATE TABLE _alembic_tmp_experiments (id INTEGER)")
        target.execute("UPDATE alembic_version SET version_num = 'c8d9e0f1a2b3'")
    target.close()
    copy = Path(shutil.copy(file, tmp_path / "copy.db"))  # MLflow keeps its connections to a file that it has seen
    with pytest.raises(TrackingError):
        TrackingStore(f"sqlite:///{copy}", output_id="o")
    remove_half_made(file)
    assert not file.exists()
    open_experiment(TrackingStore(f"sqlite:///{file}", output_id="o"))
    remove_half_made(file)
    assert holds_experiments(file), "what holds experiments stays"


def test_a_database_of_something_else_is_left_alone(tmp_path):
    file = tmp_path / "mlflow.db"
    file.write_text("not a database, but somebody's file")
    remove_half_made(file)
    assert file.exists()
    file.write_bytes(b"")
    remove_half_made(file)
    assert not file.exists(), "an empty file is what a database begins as"


class _Connection:
    """Notes what is executed, as a database of a dialect would get it."""

    def __init__(self, dialect: Any) -> None:
        self.dialect, self.executed = dialect, []

    def exec_driver_sql(self, sql: str, values: Any) -> None:
        self.executed.append((sql, values))

    def execute(self, statement: Any, values: Any) -> None:
        self.executed.append((str(statement.compile(dialect=self.dialect)), values))


@pytest.mark.parametrize("name", ["mysql", "postgresql", "sqlite"])
def test_many_rows_are_inserted_as_each_database_takes_them(name):
    dialects = {"mysql": pymysql.dialect, "postgresql": psycopg2.dialect, "sqlite": pysqlite.dialect}
    rows = [{"key": "loss", "value": 0.5}, {"key": "100%", "value": 1.0}]
    connection: Any = _Connection(dialects[name]())
    sql_writer._insert_many(connection, insert(sql_writer._METRICS).prefix_with("IGNORE"), rows)
    ((sql, values),) = connection.executed
    ways = {"mysql": "(%s, %s)", "postgresql": "(%(key)s, %(value)s", "sqlite": "(?, ?)"}
    assert ways[name] in sql
    assert sql.startswith("INSERT IGNORE INTO metrics (")
    assert values == (rows if name == "postgresql" else [("loss", 0.5), ("100%", 1.0)])
