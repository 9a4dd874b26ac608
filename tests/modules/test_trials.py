"""Trials of a module, from its source to the data set, the report, and the comparison with networks."""

from __future__ import annotations

import numpy as np
import pytest

import analysis
import survey
from analysis.report.page import write_report
from survey.errors import InputError
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.spaces.yaml_file import load_space
from survey.status import survey_status
from survey.workloads.experiment import Run
from tests.support.function_trials import finish, surveying
from tests.support.modules import NET, request, write_space
from tests.support.paths import ROOT

RECURRENT = """
from typing import Literal

from torch import nn


class Rows(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.recurrent, self.last = nn.GRU(2, 3, batch_first=True), nn.Linear(3, outputs)

    def forward(self, x):
        return self.last(self.recurrent(x.view(-1, 2, 2))[0][:, -1])


def build(*, inputs, outputs, kind: Literal["mlp", "gru"] = "mlp", width: int = 3):
    if kind == "gru":
        return Rows(outputs)
    return nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, outputs))
"""
GRID = (
    "[{dataset: sklearn:iris, kind: [mlp, gru], learning_rate: 0.01, batch_size: 32, epochs: 6, validation_split: 0.1}]"
)


def runs_of(out) -> list[dict]:
    return analysis.read(out / "dataset", table="all_repetitions").to_dict("records")


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    """A survey of two modules, of which one trial is stopped in the middle and goes on in another."""
    folder = tmp_path_factory.mktemp("modules")
    found = request(folder, GRID, text=RECURRENT, repetitions=3, record_initial="true")
    with surveying(found) as held:
        stopped = held.trials()[0]
        while stopped.step()["epoch"] < 3:
            pass
        stopped.cleanup()
        for trial in held.trials():
            finish(trial)
        held.export()
    return folder


def test_rows_have_the_columns_of_networks_and_the_axes_of_the_module(surveyed):
    rows = runs_of(surveyed / "out")
    assert len(rows) == 6
    for row in rows:
        experiment = next(each for each in load_space(surveyed / "nets.yaml").experiments() if each.kind == row["kind"])
        assert (row["run_id"], row["seed"]) == (
            Run(experiment, row["repetition"]).run_id,
            Run(experiment, row["repetition"]).seed,
        )
        assert (row["dataset"], row["width"], row["optimizer"], row["task"]) == (
            *("sklearn:iris", 3),
            *("adam", "classification"),
        )
        assert row["num_free_parameters"] == {"mlp": 15 + 12, "gru": 3 * 3 * 2 + 3 * 3 * 3 + 2 * 9 + 12}[row["kind"]]
        assert len(row["val_loss"]) == len(row["loss"]) == len(row["validation_loss"]) == 6
        assert np.isfinite(row["val_loss"]).all()
        assert np.isfinite([row[f"initial_{name}"] for name in ("val_loss", "loss", "validation_loss")]).all()
        assert row["source_digest"]
        assert "shape" not in row
        told = row["fused"]
        assert (
            told == "no: torch.vmap cannot take gru.input"
            if row["kind"] == "gru"
            else told.startswith(("yes", "no: one"))
        )
    assert len({row["initial_val_loss"] for row in rows}) == 6, "each run starts from parameters of its own"


@pytest.mark.usefixtures("without_pictures")
def test_the_report_says_which_runs_were_trained_as_one(surveyed):
    page = write_report(surveyed / "out" / "dataset", surveyed / "report").read_text(encoding="utf-8")
    assert "torch.vmap cannot take gru.input" in page
    assert "Learning curves" in page
    assert "kind" in page


def test_a_survey_is_extended_and_counts_what_is_done(surveyed):
    assert survey_status(surveyed / "out").num_runs_done == 6
    write_space(surveyed, GRID.replace("kind:", "width: [3, 5], kind:"), text=RECURRENT)
    found = prepare(surveyed / "nets.yaml", Options(out=surveyed / "out", repetitions=3))
    from survey.dataset.completed_runs import CompletedRuns

    plan = found.plan(CompletedRuns.of_dataset(surveyed / "out" / "dataset"))
    assert {bundle.experiment.width for bundle in plan.bundles} == {5}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Networks on the same task."""
    folder = tmp_path_factory.mktemp("networks")
    grid = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 27, "depth": 2, "learning_rate": 0.01}
    grid |= {"batch_size": 32, "epochs": 6, "validation_split": 0.1}
    space = survey.SearchSpace(name="rectangle", repetitions=3, grids=[grid])
    with surveying(prepare(space, Options(out=folder / "out"))) as held:
        held.train()
    return folder / "out" / "dataset"


def test_modules_and_networks_are_two_data_sets_that_compare_run_by_run(surveyed, networks, tmp_path):
    modules = surveyed / "out" / "dataset"
    found = analysis.difference(modules, {"kind": "mlp"}, {}, other=networks)
    assert (found.paired, found.a.runs, found.b.runs) == (True, 3, 3)
    rows = [
        analysis.read(folder, table="all_repetitions").query(query).set_index("seed")
        for folder, query in ((modules, "kind == 'mlp'"), (networks, "size == 27"))
    ]
    best = [
        frame.apply(lambda row: row["val_loss"][np.argmin(row["validation_loss"])], axis=1).sort_index()
        for frame in rows
    ]
    assert found.difference == pytest.approx(float((best[1] - best[0]).mean()), rel=1e-6)
    assert "modules:net.build kind mlp" in str(found)
    with pytest.raises(InputError, match=r"is of the workload 'modules:net.build'.*read both separately"):
        analysis.combine(modules, networks, out=tmp_path / "both")
    with pytest.raises(InputError, match="a: nothing fits 2 experiments"):
        analysis.difference(modules, {}, {}, other=networks)


def test_a_failing_module_is_one_message(tmp_path):
    text = NET.replace("    hidden", "    assert width < 9\n    hidden", 1)
    found = request(tmp_path, "[{dataset: sklearn:iris, width: 8, epochs: 2}]", text=text)
    with surveying(found) as held:
        (trial,) = held.trials()
        for experiment in trial._configs:
            experiment["rest"] = [["dropout", 0.0], ["norm", "none"], ["width", 9]]
        with pytest.raises(Exception, match=r"net\.py, line 9: AssertionError$") as error:
            finish(trial)
    assert "survey/" not in str(error.value)


def test_the_examples_are_of_the_same_size_and_in_pairs():
    modules = prepare(ROOT / "examples" / "own_module" / "modules.yaml", Options(out="none"))
    networks = prepare(ROOT / "examples" / "own_module" / "rectangle.yaml", Options(out="none"))
    sizes = [
        bundle.needs.details["num_free_parameters"] for each in (modules, networks) for bundle in each.plan({}).bundles
    ]
    assert max(sizes) / min(sizes) < 1.1
    seeds = {Run(bundle.experiment, 3).seed for each in (modules, networks) for bundle in each.plan({}).bundles}
    assert len(seeds) == 1
