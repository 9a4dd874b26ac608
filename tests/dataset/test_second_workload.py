"""A data set of another workload than networks: its columns, tables, combination and publication."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import mlcroissant
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from random_walk import COLUMNS, NAME, WalkExperiment, WalkNeeds, walks

import analysis
from survey.dataset.combine import combine
from survey.dataset.completed_runs import CompletedRuns
from survey.dataset.experiments_table import write_experiments
from survey.dataset.history import history_table
from survey.dataset.layout import (
    columns_of,
    existing_tasks,
    floats_in_paths,
    is_file_of_table,
    partition_of,
    partitions,
    task_of,
)
from survey.dataset.partition import PartitionWriter, conform, groups, runs_schema, write_schemas
from survey.dataset.reading import check_task_digest, open_table, read_schema, sweeps_of
from survey.dataset.schema import curve_fields, executive_schema, history_schema, summary_schema
from survey.dataset.summary import summarise
from survey.dataset.sweep_names import sweep_problem
from survey.errors import InputError
from survey.export.publish.description import About
from survey.export.publish.upload import publish
from survey.networks.columns import COLUMNS as NETWORKS_COLUMNS
from survey.workloads import registry
from survey.workloads.experiment import Run
from tests.support.export_data import Survey

EXPERIMENTS = [WalkExperiment(step=step, drift=drift) for step in (0.5, 1.0) for drift in (-0.25, 0.0, 0.1)]
MEASURED = WalkExperiment(error=0.5)
ORIGIN = {
    "batch": "strolls",
    "python_version": "3.11.9",
    "torch_version": "2.11.0",
    "platform": "Linux",
    "device": "cpu",
    "start_time": 1_760_000_000_000,
    "update_time": 1_760_000_001_000,
    "train_seconds": 0.25,
    "trial_id": "abc_00001",
    "mlflow_run_id": "0" * 32,
}


def history(experiment: WalkExperiment, repetitions=(0, 1, 2)) -> pa.Table:
    curves = walks(experiment, [Run(experiment, number).seed for number in repetitions])
    names = WalkNeeds(experiment).metrics
    named = dict(zip(COLUMNS.metrics.only(names).curves, curves, strict=True))
    return history_table(COLUMNS, experiment, repetitions, {"goes_up": experiment.drift > 0}, named, ORIGIN)


def write(folder: Path, experiments=EXPERIMENTS, repetitions=(0, 1, 2)) -> Path:
    """Write the data set of some runs, of which those without drift are in the sweep `level` too."""
    write_schemas(folder, COLUMNS, ["level", "strolls"])
    by_partition: dict[str, list[WalkExperiment]] = {}
    for experiment in sorted(experiments, key=lambda each: each.experiment_id):
        by_partition.setdefault(partition_of(experiment, COLUMNS), []).append(experiment)
    for partition, its in by_partition.items():
        ids = {each.experiment_id for each in its}
        sweeps = {"strolls": ids, "level": {each.experiment_id for each in its if not each.drift}}
        runs = (conform(history(each, repetitions), runs_schema(COLUMNS), COLUMNS) for each in its)
        with ExitStack() as stack:
            writer = PartitionWriter(folder, COLUMNS, partition, sweeps, stack)
            for group in groups(runs, COLUMNS):
                writer.write(group)
            writer.commit()
    write_experiments(folder)
    return folder


@pytest.fixture
def dataset(tmp_path) -> Path:
    return write(tmp_path / "walks")


# ---------------------------------------------------------------- columns


def test_its_schemas_have_its_columns_and_those_of_all_workloads():
    runs = history_schema(COLUMNS)
    assert runs.names[: len(COLUMNS.experiment)] == [*COLUMNS.experiment]
    assert runs.names[-5:] == ["position", "distance", "spread", "measured", "epoch_seconds"]
    assert runs.field("distance").metadata == {b"description": b"How far it is from where it began, by epoch"}
    of_position = [f"position_{statistic}" for statistic in ("q1", "median", "q3", "avg", "stddev")]
    names = [field.name for field in curve_fields(COLUMNS)]
    assert names[:5] == of_position
    assert len(names) == 5 + 8 + 5
    best = [f"{name}_min_{what}" for name in ("distance", "measured") for what in ("epoch", "value")]
    best.append("distance_at_measured_min_value")
    scalars = [f"{name}_{which}" for name in best for which in ("min", "q1", "median", "q3", "max", "avg")]
    summary, executive = summary_schema(COLUMNS, ["strolls"]).names, executive_schema(COLUMNS, ["strolls"]).names
    assert {*scalars, *names, "strolls", "num", "num_runs"} < {*summary}
    assert {name for name in summary if "_min_" in name} == {*scalars}
    assert {*summary} - {*executive} == {"num", *names} - {f"distance_{which}" for which in ("q1", "median", "q3")}


def test_its_columns_go_to_other_processes():
    assert pickle.loads(pickle.dumps(COLUMNS)).metrics == COLUMNS.metrics


def test_a_run_is_described_by_its_fields_its_workload_and_its_origin():
    experiment = EXPERIMENTS[0]
    row = history(experiment, (4,)).to_pylist()[0]
    expected = {
        "experiment_id": experiment.experiment_id,
        "batch": "strolls",
        "draws": "paired",
        "epochs": 10,
        "task_version": experiment.training_version,
        "step": 0.5,
        "drift": -0.25,
        "goes_up": False,
        "run_id": f"{experiment.experiment_id:016x}-0004",
        "repetition": 4,
        "git_hash": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["command"])["drift"] == -0.25


@pytest.mark.parametrize("name", ["step", "DRIFT", "position", "distance_min_epoch_q1", "seed", "complete", "epoch"])
def test_a_sweep_cannot_have_the_name_of_a_column(name):
    assert sweep_problem(name, COLUMNS)


def test_a_sweep_can_have_the_name_of_a_column_of_networks():
    assert sweep_problem("depth", COLUMNS) == ""
    assert sweep_problem("depth", NETWORKS_COLUMNS)


# ---------------------------------------------------------------- the data set


def test_a_partition_is_of_its_columns(dataset):
    experiment = EXPERIMENTS[0]
    assert partition_of(experiment, COLUMNS) == "step=0.5/drift=-0.25/epochs=10"
    found = list(partitions(dataset / "all_repetitions"))
    assert found == sorted(partition_of(each, COLUMNS) for each in EXPERIMENTS)
    assert is_file_of_table(f"{found[0]}/part-0.parquet", COLUMNS)
    assert not is_file_of_table(f"{found[0]}/part-0.parquet", NETWORKS_COLUMNS)
    assert sorted(set(floats_in_paths(dataset))) == [
        *(("drift", drift) for drift in (-0.25, 0.0, 0.1)),
        *(("step", step) for step in (0.5, 1.0)),
    ]


def test_it_has_no_tasks(dataset):
    assert existing_tasks(dataset) == []
    assert {task_of(partition) for partition in partitions(dataset / "all_repetitions")} == {""}
    check_task_digest(dataset, "iris", "0" * 64)


def test_it_says_what_it_is_of_and_files_of_networks_do_not(dataset, tmp_path):
    assert columns_of(dataset) is COLUMNS
    tables = ["all_repetitions", "complete_summary", "complete_executive_summary", "level_summary", "strolls_summary"]
    assert {read_schema(dataset, name).metadata[b"survey.workload"] for name in tables} == {NAME.encode()}
    assert columns_of(tmp_path / "nothing") is NETWORKS_COLUMNS
    write_schemas(tmp_path / "networks", NETWORKS_COLUMNS, [])
    assert columns_of(tmp_path / "networks") is NETWORKS_COLUMNS
    assert read_schema(tmp_path / "networks", "all_repetitions").metadata is None


def test_one_of_a_workload_that_is_not_installed_is_refused(dataset, monkeypatch):
    monkeypatch.setattr(registry, "_installed", lambda: registry._BUILT_IN)
    registry.workload_named.cache_clear()
    for read in (columns_of, lambda folder: analysis.read(folder), lambda folder: combine(folder, folder)):
        with pytest.raises(InputError, match=rf"walks.*'{NAME}' is unknown"):
            read(dataset)


def test_its_summaries_are_those_of_its_runs(dataset):
    rows = open_table(dataset, "complete_summary").to_table().to_pylist()
    assert sorted(row["experiment_id"] for row in rows) == sorted(each.experiment_id for each in EXPERIMENTS)
    by_id = {each.experiment_id: each for each in EXPERIMENTS}
    for row in rows:
        experiment = by_id[row["experiment_id"]]
        position, distance, _ = walks(experiment, [Run(experiment, number).seed for number in range(3)])
        assert (row["strolls"], row["level"]) == (True, experiment.drift == 0)
        assert (np.float32(row["step"]), row["epochs"]) == (np.float32(experiment.step), 10)
        assert (row["num_runs"], row["num"]) == (3, [3] * 10)
        np.testing.assert_array_equal(row["position_median"], np.median(position, axis=0))
        np.testing.assert_array_equal(row["distance_max"], distance.max(0))
        assert row["distance_min_value_min"] == distance.min()
        assert row["distance_min_epoch_median"] == np.median(distance.argmin(1) + 1)


@pytest.fixture
def measured(tmp_path) -> Path:
    """A data set of which one experiment records what the others do not."""
    return write(tmp_path / "measured", [*EXPERIMENTS, MEASURED])


def test_what_an_experiment_does_not_record_is_null(measured):
    for row in open_table(measured, "all_repetitions").to_table().to_pylist():
        assert (row["measured"] is None) == (row["error"] == 0)
    for row in open_table(measured, "complete_summary").to_table().to_pylist():
        told = {name for name, value in row.items() if "measured" in name and value is not None}
        assert bool(told) == (row["error"] > 0)
        assert not told or told == {name for name in row if "measured" in name}
        assert row["distance_min_value_avg"] is not None
    experiments = pq.read_table(measured / "experiments.parquet").to_pandas()
    assert experiments["distance_at_measured_min_value_avg"].notna().sum() == 1


def test_a_metric_is_told_at_the_epoch_that_another_chooses(measured):
    names = [f"distance_at_measured_min_value_{statistic}" for statistic in ("min", "median", "max", "avg")]
    found = analysis.read(measured, filters=[("error", ">", 0)], columns=names).iloc[0]
    _, distance, _, seen = walks(MEASURED, [Run(MEASURED, number).seed for number in range(3)])
    chosen = np.take_along_axis(distance, seen.argmin(1)[:, None], 1)[:, 0]
    expected = [chosen.min(), np.median(chosen), chosen.max(), chosen.mean()]
    np.testing.assert_allclose(found.to_numpy(float), expected, rtol=1e-6)
    assert not np.array_equal(chosen, distance.min(1)), "what was chosen is not what looks best afterwards"


def test_a_chosen_epoch_is_found_again_among_the_first_ones(measured):
    name = "distance_at_measured_min_value_max"
    found = analysis.read(measured, columns=["error", name], epochs=4)
    assert found.loc[found["error"] == 0, name].isna().all()
    _, distance, _, seen = walks(MEASURED, [Run(MEASURED, number).seed for number in range(3)])
    chosen = np.take_along_axis(distance, seen[:, :4].argmin(1)[:, None], 1)
    assert found.loc[found["error"] > 0, name].item() == chosen.max()


def test_no_epoch_is_chosen_where_nothing_is_finite():
    runs = history(MEASURED)
    curves = np.stack(runs["measured"].to_numpy())
    curves[0], curves[1, 3] = np.nan, -np.inf
    place = runs.schema.get_field_index("measured")
    runs = runs.set_column(place, "measured", pa.array([*curves], runs.schema.field(place).type))
    row = summarise(runs, summary_schema(COLUMNS, []), COLUMNS.metrics).to_pylist()[0]
    distance = np.stack(runs["distance"].to_numpy())
    known = [distance[run, np.where(np.isfinite(curves[run]), curves[run], np.inf).argmin()] for run in (1, 2)]
    assert row["distance_at_measured_min_value_max"] == max(known)
    assert row["distance_at_measured_min_value_q3"] == np.inf, "a run without a choice counts as the worst"


def test_what_is_recorded_by_some_is_combined(measured, dataset, tmp_path):
    one = write(tmp_path / "one", [MEASURED], (0, 1))
    other = write(tmp_path / "other", [MEASURED], (1, 2))
    result = combine(dataset, one, other, out=tmp_path / "both")
    assert (result.num_runs, result.num_equal) == (21, 1)
    for table in ("all_repetitions", "complete_summary"):
        assert open_table(result.dataset, table).to_table() == open_table(measured, table).to_table()


def test_a_boolean_column_of_its_own_is_no_sweep(dataset):
    assert sweeps_of(read_schema(dataset, "complete_summary"), dataset) == ["level", "strolls"]


def test_its_experiments_are_one_file(dataset):
    rows = pq.read_table(dataset / "experiments.parquet")
    assert len(rows) == len(EXPERIMENTS)
    assert rows.schema.field("drift").type == pa.float32()
    assert sorted(rows["drift"].to_pylist()) == sorted(np.float32(each.drift).item() for each in EXPERIMENTS)


def test_its_runs_are_found(dataset):
    assert CompletedRuns.of_dataset(dataset) == {each.experiment_id: {0, 1, 2} for each in EXPERIMENTS}


def test_analysis_reads_it(dataset):
    rows = analysis.read(dataset, filters=[("drift", "=", 0.1)], columns=["step", "distance_median"])
    assert sorted(rows["step"]) == [0.5, 1.0]


# ---------------------------------------------------------------- combination


def test_halves_are_the_whole(dataset, tmp_path):
    one = write(tmp_path / "one", EXPERIMENTS[:4], (0, 1, 2))
    other = write(tmp_path / "other", EXPERIMENTS[4:], (0,))
    more = write(tmp_path / "more", EXPERIMENTS[3:], (1, 2))
    result = combine(one, other, more, out=tmp_path / "both")
    assert (result.num_experiments, result.num_runs, result.num_equal) == (6, 18, 2)
    whole = {file.relative_to(dataset): file.read_bytes() for file in dataset.rglob("*") if file.is_file()}
    assert whole == {
        file.relative_to(result.dataset): file.read_bytes() for file in result.dataset.rglob("*") if file.is_file()
    }


def test_a_conflict_names_the_run_by_its_partition(dataset, tmp_path, monkeypatch):
    real = walks
    monkeypatch.setattr(f"{__name__}.walks", lambda experiment, seeds: real(experiment, seeds) + 1)
    other = write(tmp_path / "other", EXPERIMENTS[:1], (2,))
    run_id = Run(EXPERIMENTS[0], 2).run_id
    with pytest.raises(InputError, match=rf"run {run_id} \(step 0.5, drift -0.25, epochs 10\): position at epoch 1"):
        combine(dataset, other, out=tmp_path / "both")


def test_two_workloads_are_not_combined(dataset, tmp_path, empty_store):
    survey = Survey(tmp_path / "out", empty_store)
    survey.export()
    for pair in ((dataset, survey.folder), (survey.folder, dataset)):
        with pytest.raises(InputError, match=r"cannot be combined: .* of the workload '.*', .* of '.*'; read both"):
            combine(*pair, out=tmp_path / "both")
    assert not (tmp_path / "both").exists()


# ---------------------------------------------------------------- publication


@pytest.fixture
def published(dataset, tmp_path) -> Path:
    publish(dataset, str(tmp_path / "published"), About("Strolls"))
    return tmp_path / "published"


def test_the_card_speaks_of_what_was_surveyed(published):
    card = (published / "README.md").read_text()
    for part in (
        "Training curves: 6 experiments",
        "18 runs and 180 epochs",
        "run\n4 statistics are kept.\n\n##",
        "partitioned by\nstep, drift and epochs.",
        "| `step` | 0.5, 1 |",
        "| `drift` | &#45;0.25, 0, 0.1 |",
        "| `draws` | paired |",
        "the workload `random_walk`",
        "in these files.\n\n## Licence",
        "- Only the settings above.",
    ):
        assert part in card, part
    words = ("network", "BUTTER", "split", "weights", "layer", "regression", "accurac", "loss", "task |", "| kind")
    assert [word for word in words if word in card] == []
    assert "\n\n\n" not in card


def test_the_code_of_the_card_runs(published):
    (code,) = re.findall(r"```python\n(.*?)```", (published / "README.md").read_text(), flags=re.DOTALL)
    check = f"{code}\nprint(len(summary), rows.num_rows)"
    result = subprocess.run([sys.executable, "-c", check], cwd=published, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("6 3\n", "")


def test_the_page_of_columns_has_all_and_says_nothing_of_published_ones(published):
    page = (published / "columns.md").read_text()
    for table in ("all_repetitions", "complete_summary"):
        names = pq.read_schema(published / table / "_common_metadata").names
        assert [name for name in names if f"| `{name}` |" not in page] == []
    assert "published" not in page
    assert "| `step` | `float` | path | Standard deviation of a step |" in page


def test_its_croissant_description_is_read(published):
    described = mlcroissant.Dataset(str(published / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    assert len(list(described.records("experiments"))) == 6
    text = (published / "croissant.json").read_text()
    assert [word for word in ("network", "BUTTER") if word in text] == []


def test_it_is_published_again(dataset, published):
    result = publish(dataset, str(published), About("Strolls"))
    assert (result.num_sent, result.num_removed) == (0, 0)
