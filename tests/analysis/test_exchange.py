"""Other tools read a data set: each with the tool itself, where it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
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


@pytest.mark.parametrize(("module", "make"), [("optuna", analysis.to_optuna), ("syne_tune", analysis.to_blackbox)])
def test_a_tool_that_is_not_installed_is_named(tmp_path, monkeypatch, module, make):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"needs {module}.*, which is not installed; run: pip install"):
        make(tmp_path)


@pytest.fixture
def syne_tune():
    return pytest.importorskip("syne_tune", reason="syne-tune is not installed")


def test_syne_tune_finds_the_best_setting_on_a_blackbox(tmp_path, made_is_installed, syne_tune, monkeypatch):
    monkeypatch.setenv("SYNETUNE_FOLDER", str(tmp_path / "syne-tune"))
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
    from syne_tune.blackbox_repository import UserBlackboxBackend
    from syne_tune.experiments import load_experiment
    from syne_tune.optimizer.baselines import ASHA

    curves = hills(rates=(1.0, 2.0, 16.0), count=(1, 3, 4), kind=("plain", None))
    blackbox = analysis.to_blackbox(write_workload(tmp_path / "dataset", MADE, curves))
    assert blackbox.objectives_evaluations.shape == (18, 3, 8, 2)
    best = {"rate": 2.0, "count": 3, "kind": "none"}
    found = blackbox.objective_function(best, fidelity={"epoch": 5}, seed=2)
    assert found == {"height": pytest.approx(10.6), "elapsed_time": pytest.approx(0.25 * 5 / 8)}
    scheduler = ASHA(
        blackbox.configuration_space, metric="height", time_attr="epoch", max_t=8, do_minimize=False, random_seed=1
    )
    tuner = Tuner(
        trial_backend=UserBlackboxBackend(blackbox, elapsed_time_attr="elapsed_time", seed=1),
        scheduler=scheduler,
        stop_criterion=StoppingCriterion(max_num_trials_finished=200),
        n_workers=2,
        sleep_time=0,
        callbacks=[SimulatorCallback()],
    )
    tuner.run()
    results = load_experiment(tuner.name).results
    winner = results.loc[results["height"].idxmax()]
    assert {name: winner[f"config_{name}"] for name in best} == best


def test_a_blackbox_is_a_full_grid_with_all_seeds_and_finite_values(tmp_path, syne_tune):
    def diverges(size, epochs):
        return np.where(epochs < 30, 2.0, np.nan)

    rows = [experiment("a", shape, 3, 256, bowl(0.1, 9, 10)) for shape in ("rectangle", "trapezoid")]
    rows += [experiment("a", "rectangle", 3, 512, bowl(0.1, 9, 10)), experiment("a", "trapezoid", 3, 512, diverges)]
    rows.append(experiment("a", "rectangle", 3, 512, bowl(0.1, 9, 10), epochs=20))
    rows.append(experiment("a", "rectangle", 3, 1024, bowl(0.1, 9, 10)))
    dataset = write_data_set(tmp_path, rows, 2)
    with pytest.warns(UserWarning, match="leaves out 2 settings outside the largest full grid"):
        blackbox = analysis.to_blackbox(dataset)
    assert blackbox.objectives_names == ["test_loss", "elapsed_time"]
    assert blackbox.objectives_evaluations.shape == (4, 2, 60, 2)
    known = blackbox.objective_function({"shape": "trapezoid", "size": 512}, seed=1)
    np.testing.assert_allclose(known[:29, 0], 2 * 1.02)  # of the second of two repetitions
    np.testing.assert_allclose(known[29:, 0], blackbox.objectives_evaluations[..., 0].max())
    np.testing.assert_allclose(known[:, 1], 12.5 * np.arange(1, 61) / 60)


def test_a_blackbox_of_one_axis_can_be_asked(tmp_path, made_is_installed, syne_tune):
    blackbox = analysis.to_blackbox(write_workload(tmp_path / "dataset", MADE, hills(rates=(0.1, 2.0))))
    found = blackbox.objective_function({"rate": 0.1, "workload": "made"}, fidelity={"epoch": 5}, seed=1)
    assert found["height"] == pytest.approx(6.1)


def test_a_run_that_ended_early_keeps_its_last_value(tmp_path, made_is_installed, syne_tune):
    curves = hills(rates=(1.0, 2.0))
    short = {name: values[:, :3] for name, values in curves[next(iter(curves))].items()}
    curves[next(iter(curves))] = short
    values = analysis.to_blackbox(write_workload(tmp_path / "dataset", MADE, curves)).objectives_evaluations
    assert values.shape == (2, 3, 8, 2)
    np.testing.assert_allclose(values[0, :, 2:, 0], np.repeat(short["height"][:, 2:], 6, axis=1), rtol=1e-6)
    np.testing.assert_allclose(values[0, :, 2:, 1], 0.25)


def test_settings_without_the_runs_that_most_have_are_left_out(tmp_path, made_is_installed, syne_tune):
    curves = hills(rates=tuple(map(float, range(1, 21))))
    last = list(curves)[-1]
    curves[last] = {name: values[:1] for name, values in curves[last].items()}
    dataset = write_workload(tmp_path / "dataset", MADE, curves)
    with pytest.warns(UserWarning, match="leaves out 1 setting without the runs that most have"):
        assert analysis.to_blackbox(dataset).objectives_evaluations.shape == (19, 3, 8, 2)


def test_a_blackbox_needs_settings_that_differ(tmp_path, made_is_installed, syne_tune):
    with pytest.raises(InputError, match="to_blackbox needs settings that differ"):
        analysis.to_blackbox(write_workload(tmp_path / "dataset", MADE, hills(rates=(2.0,))))


_DEEPCAVE = """
import json, sys
from deepcave.config import Config
from deepcave.evaluators.fanova import fANOVA
path = sys.argv[1]
(converter,) = [each for each in Config().CONVERTERS if each.is_valid_run(path)]
run = converter.from_path(path)
objective = run.get_objectives()[0]
best, cost = run.get_incumbent(objective, budget=run.get_highest_budget())
evaluator = fANOVA(run)
evaluator.calculate(objective, budget=run.get_highest_budget())
importances = {name[0] if isinstance(name, tuple) else name: float(found[0])
               for name, found in evaluator.get_importances(depth=1).items()}
told = {"optimize": objective.optimize, "best": dict(best), "cost": float(cost), "importances": importances,
        "budgets": run.get_budgets(include_combined=False), "trials": len(list(run.get_trials()))}
print(json.dumps(told, default=float))
"""


@pytest.fixture
def deepcave():
    """What DeepCAVE tells of a folder. It needs an older Python than ours, which is run beside."""
    if not (python := os.environ.get("DEEPCAVE_PYTHON")):
        pytest.skip("deepcave is not installed, which is told by DEEPCAVE_PYTHON, the Python that has it")

    def read(folder):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [python, "-c", _DEEPCAVE, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return read


def test_deepcave_finds_the_best_setting_and_what_matters(tmp_path, made_is_installed, deepcave):
    curves = hills(rates=(1.0, 2.0, 16.0), count=(1, 3, 4), kind=("plain", None), flag=(False, True))
    dataset = write_workload(tmp_path / "dataset", MADE, curves)
    told = deepcave(analysis.to_deepcave(dataset, folder=tmp_path / "hills"))
    assert told["optimize"] == "upper"
    assert told["best"] == {"rate": 2.0, "count": 3, "kind": "none", "flag": "'False'"}
    assert told["cost"] == pytest.approx(10.5)
    assert told["budgets"] == [1, 2, 3, 4, 6, 8]
    assert told["trials"] == 36 * 3 * 6
    assert max(told["importances"], key=told["importances"].get) == "rate"


def test_trials_of_deepcave_are_runs_at_budgets(tmp_path):
    def diverges(size, epochs):
        return np.where(epochs < 30, 2.0 / epochs, np.nan)

    def fails(size, epochs):
        return np.full(len(epochs), np.nan)

    rows = [experiment("a", "rectangle", 3, 512, diverges), experiment("a", "rectangle", 3, 1024, fails)]
    rows += [experiment("a", "rectangle", 3, 256, bowl(0.1, 8, 10), epochs=epochs) for epochs in (20, 40)]
    folder = analysis.to_deepcave(write_data_set(tmp_path / "dataset", rows, 2), folder=tmp_path / "run")
    space, trials = pd.read_csv(folder / "configspace.csv"), pd.read_csv(folder / "trials.csv")
    assert space[["name", "type", "lower", "upper", "log"]].to_numpy().tolist() == [
        ["size", "integer", 256, 1024, False]
    ]
    assert trials.groupby("experiment_id").size().to_dict() == {1000: 16, 1001: 16, 1003: 16}
    assert trials.groupby("experiment_id")["status"].unique().map(list).to_dict() == {
        1000: ["success"],
        1001: ["crashed"],
        1003: ["success"],
    }
    cost = next(name for name in trials if name.startswith("metric:test_loss [") and name.endswith("] (minimize)"))
    last = trials[(trials["budget"] == 60) & (trials["seed"] == 1)].set_index("experiment_id")
    assert last.loc[1000, cost] == pytest.approx(2.0 / 29 * 1.02)
    assert last.loc[1003, cost] == pytest.approx(0.1 * 1.02)
    np.testing.assert_allclose(last["end_time"] - last["start_time"], 12.5)
    assert sorted(set(trials["start_time"])) == [12.5 * place for place in range(6)]


def test_a_run_of_deepcave_overwrites_nothing(tmp_path, made_is_installed):
    dataset = write_workload(tmp_path / "dataset", MADE, hills(rates=(1.0, 2.0)))
    with pytest.raises(InputError, match="exists and is not an empty folder; name a new one"):
        analysis.to_deepcave(dataset, folder=dataset)
