"""Other tools read a data set: each with the tool itself, where it is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import analysis
from survey.errors import InputError
from tests.support.analysis_data import bowl, experiment, write_data_set
from tests.support.workload_data import MADE, hills, write_workload


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna", reason="optuna is not installed")


def test_optuna_finds_the_best_setting_and_what_matters(tmp_path, made_is_installed, optuna):
    curves = hills(rates=(1.0, 2.0, 16.0), count=(1, 3, 4), kind=("plain", None))
    dataset = write_workload(tmp_path / "dataset", MADE, curves)
    study = analysis.to_optuna(dataset)
    assert len(study.trials) == 18
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.best_params == {"rate": 2.0, "count": 3, "kind": None}
    summary = analysis.read(dataset)
    values = summary.set_index(summary["experiment_id"].astype(str))["height_max_value_median"]
    assert all(trial.value == values[trial.user_attrs["experiment_id"]] for trial in study.trials)
    assert study.trials[0].distributions["rate"] == optuna.distributions.FloatDistribution(1.0, 16.0, log=True)
    importances = optuna.importance.get_param_importances(study)
    assert max(importances, key=lambda name: importances[name]) == "rate"
    analysis.to_optuna(dataset, storage=f"sqlite:///{tmp_path / 'study.db'}")
    stored = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert stored.best_params == study.best_params


def test_a_study_is_of_one_task_and_what_diverged_has_failed(tmp_path, optuna):
    rows = [experiment(task, "rectangle", 3, size, bowl(0.1, 9, 10)) for task in ("a", "b") for size in (256, 512)]
    rows.append(experiment("a", "rectangle", 3, 1024, lambda _, epochs: np.full(len(epochs), np.nan)))
    dataset = write_data_set(tmp_path, rows, 2)
    with pytest.raises(InputError, match=r"several tasks, .* name one: a, b"):
        analysis.to_optuna(dataset)
    with pytest.raises(InputError, match="no task is called 'c'"):
        analysis.to_optuna(dataset, "c")
    states = [trial.state.name for trial in analysis.to_optuna(dataset, "a").trials]
    assert sorted(states) == ["COMPLETE", "COMPLETE", "FAIL"]


def test_a_tool_that_is_not_installed_is_named(tmp_path, made_is_installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="run: pip install optuna"):
        analysis.to_optuna(write_workload(tmp_path / "dataset", MADE, hills(rates=(1.0, 2.0))))
