"""An output of training version 1, as its program left it, half of it not exported: all but launching goes on."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import analysis
from analysis.report.page import write_report
from survey.dataset.combine import combine
from survey.dataset.completed_runs import CompletedRuns
from survey.errors import InputError, OutputError
from survey.export.prune import prune_artifacts
from survey.export.publish.description import About
from survey.export.publish.upload import publish
from survey.export.update import update_dataset
from survey.launch.api import prepare, run
from survey.launch.options import Options
from survey.output.folder import Output
from survey.status import survey_status
from survey.tracking.store import TrackingStore
from tests.support.paths import ROOT

NEW = {
    "core",
    "draws",
    "epoch_seconds",
    "target_variance",
    "train_fraction",
    "weight_decay",
    "schedule",
    "warmup_epochs",
}
NEW |= {"step_epochs", "step_factor", "gradient_clip", "initialization", "dropout", "normalization", "precision"}
"""Columns that version 1 did not record, beside those of validation sets and of networks before training."""


@pytest.fixture
def old(tmp_path) -> Path:
    """The output, beside the tables of its whole data set as version 1 has exported it."""
    with zipfile.ZipFile(ROOT / "tests" / "data" / "version_1.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path / "out"


def export(folder: Path):
    output = Output.at(folder)
    store = TrackingStore(output.default_tracking_uri, output_id=output.output_id)
    return output, store, update_dataset(output, store)


def rows(frame, order) -> list[str]:
    new = [name for name in frame if name in NEW or "validation" in name or name.startswith("initial_")]
    frame = frame.drop(columns=new).sort_values(order)
    return [repr([(name, list(value) if hasattr(value, "__len__") else value) for name, value in sorted(row.items())])
            for row in frame.to_dict("records")]  # fmt: skip


@pytest.mark.parametrize(("table", "order"), [("all_repetitions", "run_id"), ("complete_summary", "experiment_id")])
def test_an_export_gives_what_version_1_would_have_given(old, table, order):
    assert CompletedRuns.of_dataset(old / "dataset").num_runs == 4
    _, _, result = export(old)
    assert (result.num_new_runs, result.damaged) == (8, ())
    found, expected = analysis.read(old / "dataset", table=table), pq.read_table(old.parent / f"{table}.parquet")
    assert rows(found, order) == rows(expected.to_pandas(), order)
    assert set(found["draws"]) == {"independent"}
    assert (set(found["validation_split"]), set(found["train_fraction"])) == ({0.0}, {1.0})
    assert found["old"].all()


def test_it_is_read_before_an_export_too(old):
    assert len(analysis.read(old / "dataset", table="all_repetitions")) == 4


@pytest.mark.usefixtures("without_pictures")
def test_it_is_reported_pruned_published_and_combined(old, tmp_path):
    output, store, _ = export(old)
    write_report(output.dataset, output.report)
    page = (output.report / "index.html").read_text(encoding="utf-8")
    assert "independent draws" in page
    assert prune_artifacts(output, store).num_artifacts == 6
    assert survey_status(old).num_runs_done == 12
    published = publish(output.dataset, str(tmp_path / "published"), About("An old survey"))
    assert "no two runs share a seed" in (tmp_path / "published" / "README.md").read_text(encoding="utf-8")
    assert published
    assert combine(output.dataset, output.dataset, out=tmp_path / "both").num_equal == 12


def test_a_launch_refuses_to_add_to_it(old):
    before = {file: file.read_bytes() for file in old.rglob("*") if file.is_file()}
    with pytest.raises(OutputError, match=r"training version 1.*version 2.*choose another --out"):
        run(old / "search_spaces" / "old.yaml", out=old)
    with pytest.raises(InputError, match="choose another --out"):
        prepare(old / "search_spaces" / "old.yaml", Options(out=old))
    assert {file: file.read_bytes() for file in old.rglob("*") if file.is_file()} == before
