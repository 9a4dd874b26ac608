"""A workload that is no network, of somebody else's package, surveyed from its search space to its publication."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from random_walk import METRICS, WalkExperiment, WalkNeeds, walks

import analysis
from survey.errors import OutputError
from survey.export.publish.description import About
from survey.export.publish.upload import publish
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.networks.search_space import Grid, SearchSpace
from survey.status import survey_status
from survey.workloads.experiment import Run
from tests.support.launching import launch, launched
from tests.support.paths import ROOT

SPACE = """
workload: random_walk
name: walks
repetitions: {repetitions}
grids:
  - {{step: [0.5, 1], drift: [0, 0.5], epochs: [20, 2000]}}
  - {{error: 0.5, epochs: 20}}
"""
PACKAGE = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support" / "workload_package")])}


def survey(folder: Path, *options: object, repetitions: int = 3) -> str:
    (folder / "walks.yaml").write_text(SPACE.format(repetitions=repetitions))
    return launched(folder / "walks.yaml", "--out", folder / "out", "--no-ui", *options, **PACKAGE)


@pytest.mark.scale
def test_a_walk_is_surveyed_from_end_to_end(tmp_path):
    """Planned, priced, trained, tracked, exported, reported; extended, trained again; read, combined, published."""
    price = json.loads(survey(tmp_path, "--dry-run", "--json", "--pilot"))
    assert (price["experiments_new"], price["experiments_left_out"], price["left_out"]) == (5, 4, "too long")
    said = survey(tmp_path)
    assert "4 experiments left out: too long" in said
    assert "15 of 15 runs done" in said
    out = tmp_path / "out"
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "distance" in page
    assert survey_status(out).num_runs_done == 15

    said = survey(tmp_path, repetitions=5)
    assert "15 done, 10 to train" in said
    assert "20 done, 5 to train" in survey(tmp_path, "--redo", "step=0.5,drift=0.5", repetitions=5)
    assert "20 done, 5 to train" in survey(tmp_path, "--redo", "error=0.5", repetitions=5)

    runs = analysis.read(out / "dataset", table="all_repetitions")
    assert len(runs) == 25
    for row in runs.to_dict("records"):
        experiment = WalkExperiment(step=row["step"], drift=row["drift"], error=row["error"], epochs=20)
        assert row["experiment_id"] == experiment.experiment_id
        assert row["seed"] == Run(experiment, row["repetition"]).seed
        expected, names = walks(experiment, [row["seed"]])[:, 0], WalkNeeds(experiment).metrics
        np.testing.assert_array_equal(np.stack([row[name] for name in names]), expected)
        assert len(row["epoch_seconds"]) == 20
        assert (row["measured"] is None) == (row["error"] == 0)
    assert runs.groupby("repetition")["seed"].nunique().tolist() == [1] * 5, "draws are paired"
    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        keys = {key for (key,) in database.execute("SELECT DISTINCT key FROM metrics")}
        of_measured = "SELECT COUNT(DISTINCT run_uuid) FROM metrics WHERE key = 'measured'"
        num_measured = database.execute(of_measured).fetchone()[0]
        params = {key for (key,) in database.execute("SELECT DISTINCT key FROM params")}
    assert keys == {*METRICS.names, "distance_q1", "distance_q3"}
    assert num_measured == 3, "those of the one experiment: of three repetitions, of two more, and of all again"
    assert {"step", "drift", "goes_up", "draws"} <= params

    summary = analysis.read(out / "dataset")
    assert summary["num_runs"].tolist() == [5] * 5
    assert {"distance_median", "distance_min_value_median", "position_avg"} <= set(summary)
    assert summary["distance_at_measured_min_value_median"].notna().sum() == 1
    assert analysis.combine(out / "dataset", out / "dataset", out=tmp_path / "both").num_equal == 25
    publish(out / "dataset", str(tmp_path / "published"), About("Walks"))
    card = (tmp_path / "published" / "README.md").read_text(encoding="utf-8")
    assert "random_walk" in card
    assert "neural" not in card

    networks = SearchSpace(name="n", grids=[Grid(dataset="sklearn:iris", shape="rectangle", size=64, depth=2)])
    with pytest.raises(OutputError, match="an output holds one workload; choose another --out"):
        prepare(networks, Options(out=out))


@pytest.mark.launch
def test_a_workload_that_is_not_installed_is_told_with_its_line(tmp_path):
    (tmp_path / "walks.yaml").write_text(SPACE.format(repetitions=1).replace("random_walk", "random_wal"))
    status, said = launch(tmp_path / "walks.yaml", "--dry-run", **PACKAGE)
    assert status == 2
    assert "walks.yaml, line 2: workload: 'random_wal' is unknown (did you mean 'random_walk'?)" in said
