"""Histories that the data set holds are dropped from the artifacts, and no others."""

from __future__ import annotations

import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from survey.dataset.completed_runs import CompletedRuns
from survey.dataset.table_writer import write_table
from survey.errors import ExportError
from survey.export import prune, update
from survey.export.mappers import in_processes
from tests.support.export_data import EXPERIMENTS, files, read


def test_what_the_data_set_holds_is_dropped(exported):
    before, size = files(exported.folder), sum(f.stat().st_size for f in exported.output.artifacts.rglob("*.parquet"))
    assert exported.prune() == prune.PruneResult(6, size)
    assert not list(exported.output.artifacts.rglob("*"))
    assert len(list(exported.store.finished.trials())) == 6, "the MLflow runs stay"
    assert exported.export() == update.ExportResult(0, 0, ()), "and are known to be done"
    assert files(exported.folder) == before
    assert exported.prune() == prune.PruneResult(0, 0)


def test_pruned_experiments_are_extended(survey):
    survey.train(EXPERIMENTS[0], (0, 1))
    survey.export()
    survey.prune()
    survey.train(EXPERIMENTS[0], (2,))
    assert survey.export() == update.ExportResult(1, 1, ())
    assert CompletedRuns.of_dataset(survey.folder) == {EXPERIMENTS[0].experiment_id: {0, 1, 2}}
    assert read(survey.folder, "complete_summary")["num_runs"].to_pylist() == [3]


def test_what_is_not_exported_stays(survey):
    exported = survey.train(EXPERIMENTS[0])
    survey.export()
    later, unfinished = survey.train(EXPERIMENTS[0], (2, 3)), survey.train(EXPERIMENTS[1], finish=False)
    twice = survey.train(EXPERIMENTS[0], (1, 2))
    assert survey.prune().num_artifacts == 1
    assert not survey.artifact(exported).exists()
    assert survey.artifact(later).exists()
    assert survey.artifact(twice).exists()
    assert not survey.artifact(unfinished).exists(), "there never was one"


@pytest.mark.parametrize("column", ["val_loss", "train_seconds", "widths"])
def test_an_artifact_that_differs_from_the_data_set_stays(survey, column):
    run_id = survey.train(EXPERIMENTS[0])
    survey.export()
    file = survey.artifact(run_id)
    table = pq.ParquetFile(file).read()
    values = table[column].to_pylist()
    values[1] = [*values[1][:-1], 7] if isinstance(values[1], list) else 7
    at = table.schema.get_field_index(column)
    field = table.schema.field(at)
    changed = table.set_column(at, field, pa.array(values, field.type))
    write_table(changed, file)
    assert survey.prune() == prune.PruneResult(0, 0)
    assert file.exists()


@pytest.mark.parametrize("how", ["truncated", "rows"])
def test_a_damaged_artifact_stays(survey, how):
    survey.train(EXPERIMENTS[1])
    file = survey.artifact(survey.train(EXPERIMENTS[0]))
    survey.export()
    if how == "rows":
        write_table(pq.ParquetFile(file).read().slice(1), file)
    else:
        file.write_bytes(file.read_bytes()[:-20])
    assert survey.prune().num_artifacts == 1
    assert file.exists()


def test_an_artifact_whose_row_is_gone_stays(survey):
    survey.train(EXPERIMENTS[0])
    survey.export()
    (file,) = (survey.folder / "all_repetitions").rglob("*.parquet")
    write_table(pq.ParquetFile(file).read().slice(1), file)
    assert survey.prune() == prune.PruneResult(0, 0)


_KILLED = """
import os, signal, sys
from survey.export.artifacts import Artifacts
from survey.export.prune import prune_artifacts
from survey.output.folder import Output
from survey.tracking.store import TrackingStore

remove, left = Artifacts.remove, int(sys.argv[2])

def remove_some(self, trial):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return remove(self, trial)

Artifacts.remove = remove_some
output = Output.at(sys.argv[1])
prune_artifacts(output, TrackingStore(output.default_tracking_uri, output_id=output.output_id))
"""


@pytest.mark.launch
def test_a_kill_in_the_midst_loses_nothing(exported):
    before = files(exported.folder)
    command = [sys.executable, "-c", _KILLED, str(exported.output.folder), "3"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(list(exported.output.artifacts.rglob("history.parquet"))) == 3
    assert exported.export() == update.ExportResult(0, 0, ())
    assert files(exported.folder) == before
    assert exported.prune(in_processes).num_artifacts == 3


def test_a_machine_without_the_output_drops_nothing(survey, monkeypatch):
    run_id = survey.train(EXPERIMENTS[0])
    survey.export()
    monkeypatch.setattr(prune, "is_output", lambda *_: False)
    assert survey.prune() == prune.PruneResult(0, 0)
    assert survey.artifact(run_id).exists()


def test_an_artifact_that_cannot_be_removed_is_told(survey, monkeypatch):
    survey.train(EXPERIMENTS[0])
    survey.export()
    monkeypatch.setattr("survey.export.artifacts.Path.unlink", lambda file: (file / "below").stat())
    with pytest.raises(ExportError, match="cannot be removed"):
        survey.prune()
