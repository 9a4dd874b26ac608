"""An export in several processes, on a Ray cluster, and in pieces: the same bytes as in one go."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
import ray

from survey.cluster.export_mapper import on_cluster
from survey.dataset import partition
from survey.errors import ExportError
from survey.export import mappers, update
from survey.export.artifacts import Artifacts
from survey.export.mappers import in_processes
from survey.export.partition import PartitionJob, update_partition
from tests.support.export_data import EXPERIMENTS, files, sweep


@pytest.fixture(scope="module")
def cluster():
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(
    params=[
        pytest.param("processes", marks=pytest.mark.launch),
        pytest.param("cluster", marks=pytest.mark.service),
    ]
)
def mapper(request, monkeypatch):
    monkeypatch.setattr(mappers, "FEW_TRIALS", 0)
    if request.param == "processes":
        return in_processes
    request.getfixturevalue("cluster")
    return on_cluster


def test_partitions_are_shared_out_and_the_bytes_are_the_same(survey, mapper):
    survey.train_all()
    assert survey.export().num_new_runs == 30
    in_one_process = files(survey.folder)
    shutil.rmtree(survey.folder)
    assert update.update_dataset(survey.output, survey.store, mapper) == update.ExportResult(30, 4, ())
    assert files(survey.folder) == in_one_process
    assert update.update_dataset(survey.output, survey.store, mapper) == update.ExportResult(0, 0, ())


def test_what_goes_wrong_elsewhere_is_told_here(survey, mapper):
    survey.train(EXPERIMENTS[0])
    survey.export()
    survey.train(EXPERIMENTS[0], (2,))
    survey.artifact(survey.train(EXPERIMENTS[1])).unlink()
    (damaged,) = update.update_dataset(survey.output, survey.store, mapper).damaged
    assert EXPERIMENTS[1].label in damaged

    survey.train(EXPERIMENTS[0], (3,))
    jobs = jobs_of(survey)
    (file,) = (survey.folder / "all_repetitions").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ExportError, match=r"part-0\.parquet.*damaged"):
        list(mapper(update_partition, jobs))


def jobs_of(survey) -> list[PartitionJob]:
    """What an export has to do in an output without a data set."""
    artifacts = Artifacts.of(survey.output, survey.store, None)
    columns = survey.output.workload.columns
    return update._jobs(survey.output, columns, survey.store.finished.trials(), {}, {}, artifacts)


@pytest.mark.service
def test_a_machine_without_the_output_leaves_the_work_to_another(survey, cluster, monkeypatch):
    monkeypatch.setattr(mappers, "FEW_TRIALS", 0)
    survey.train_all()
    (job, *_) = jobs = jobs_of(survey)
    assert update_partition(replace(job, output_id="another")) is None
    assert not survey.folder.exists()

    here = os.getpid()
    results = on_cluster(lambda job: update_partition(job) if os.getpid() == here else None, jobs)
    assert sum(result.num_new_runs for result in results) == 30


@pytest.mark.scale
def test_row_groups_of_any_size_give_the_same_rows(survey, monkeypatch):
    chosen = [e for e in (*EXPERIMENTS, *sweep("x", size=[512, 1024, 2048]).experiments()) if e.shape == "rectangle"]
    for experiment in chosen:
        survey.train(experiment, (0, 2))
    survey.export()
    whole = survey.rows("all_repetitions"), survey.rows("complete_summary")
    shutil.rmtree(survey.folder)
    monkeypatch.setattr(partition, "_GROUP_RUN_EPOCHS", 11)  # two experiments of two runs of five epochs
    survey.export()
    assert (survey.rows("all_repetitions"), survey.rows("complete_summary")) == whole
    in_one_step = files(survey.folder)
    shutil.rmtree(survey.folder)
    for path in survey.output.artifacts.iterdir():
        path.rename(path.with_name(f"{path.name}.later"))
    for k, path in enumerate(sorted(survey.output.artifacts.iterdir())):
        path.rename(path.with_name(path.name.removesuffix(".later")))
        if k % 3 == 0:
            survey.export()
    survey.export()
    assert files(survey.folder) == in_one_step
