"""Runs that are done, trained anew: replaced only when the new ones are there, and once."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

from survey.dataset.completed_runs import CompletedRuns, trained_runs
from survey.errors import InputError
from survey.export import update
from survey.launch.__main__ import command
from survey.launch.redo import Redo, RedoFilter
from survey.networks.experiment import NetworkExperiment
from survey.plan.plan import Plan
from survey.spaces.yaml_file import dump_space
from survey.tasks.loading import load
from survey.workloads.registry import workload_named
from tests.support.awaiting import await_that
from tests.support.commands import run_here
from tests.support.export_data import BETA, EXPERIMENTS, read, runs_of
from tests.support.launching import launch, launched, rows, site, start
from tests.support.planned import plan_of

EXPERIMENT = NetworkExperiment(dataset="sklearn:iris", shape="rectangle", size=128, depth=3, learning_rate=0.003)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("depth=3", True),
        ("dataset=sklearn:iris, depth=3,learning_rate=3e-3", True),
        ("depth=4", False),
        ("depth=3,shape=trapezoid", False),
        ("size=128,optimizer=adam,momentum=0", True),
        ("kernel_regularizer.type=none", True),
        ("kernel_regularizer_type=l2", False),
    ],
)
def test_filters(text, matches):
    assert RedoFilter.parse(text, workload_named().hyperparameters).matches(EXPERIMENT) is matches


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected NAME=VALUE"),
        ("depth", "expected NAME=VALUE"),
        ("depth=", "expected NAME=VALUE"),
        ("dept=3", "'dept' is not a hyperparameter \\(did you mean 'depth'\\?\\); expected one of dataset, "),
        ("depth=three", "expected a number for depth, found 'three'"),
        ("depth=3,,size=4", "expected NAME=VALUE"),
    ],
)
def test_what_is_no_filter_is_refused(text, told):
    with pytest.raises(InputError, match=told):
        RedoFilter.parse(text, workload_named().hyperparameters)


def redo(survey, experiment: NetworkExperiment) -> set[str]:
    """Let what trained an experiment count no more, as a launch does before it trains."""
    ids = {experiment.experiment_id}
    trained = [*survey.store.finished.trained_runs(ids), *trained_runs(survey.folder, ids)]
    replaced = {each.mlflow_run_id for each in trained}
    survey.output.redo_log.add("a filter", replaced)
    return replaced


def test_rows_stay_until_the_new_ones_are_there(survey):
    chosen, other, *_ = BETA.experiments()
    survey.train(chosen, (0, 1))
    survey.train(chosen, (1, 2))
    survey.train(other, (0,))
    survey.export()
    before = runs_of(survey.folder)
    replaced = redo(survey, chosen)
    assert len(replaced) == 2
    assert CompletedRuns.of_dataset(survey.folder, survey.output.redo_log.superseded) == {other.experiment_id: {0}}
    assert survey.store.finished.completed_runs(survey.output.redo_log.superseded) == {other.experiment_id: {0}}
    assert survey.export() == update.ExportResult(0, 0, ()), "old MLflow runs do not count"
    assert repr(runs_of(survey.folder)) == repr(before)

    again = survey.train(chosen, (0, 1))
    assert survey.export() == update.ExportResult(2, 1, ())
    found = runs_of(survey.folder)
    assert found.keys() == before.keys()
    of = {(row["experiment_id"], row["repetition"]): row["mlflow_run_id"] for row in found.values()}
    assert of[chosen.experiment_id, 0] == of[chosen.experiment_id, 1] == again
    assert of[chosen.experiment_id, 2] in replaced, "not trained anew yet"
    assert CompletedRuns.of_dataset(survey.folder, survey.output.redo_log.superseded)[chosen.experiment_id] == {0, 1}

    survey.train(chosen, (2,))
    assert survey.export() == update.ExportResult(1, 1, ())
    assert not {row["mlflow_run_id"] for row in runs_of(survey.folder).values()} & replaced
    assert sorted(read(survey.folder, "complete_summary")["num_runs"].to_pylist()) == [1, 3]
    assert survey.export() == update.ExportResult(0, 0, ())


def test_a_data_set_made_anew_has_the_new_runs(survey):
    survey.train(EXPERIMENTS[0])
    survey.export()
    redo(survey, EXPERIMENTS[0])
    again = survey.train(EXPERIMENTS[0])
    survey.export()
    shutil.rmtree(survey.folder)
    assert survey.export() == update.ExportResult(2, 1, ())
    assert {row["mlflow_run_id"] for row in runs_of(survey.folder).values()} == {again}


# ---------------------------------------------------------------- what a launch marks

ALL = "dataset=sklearn:iris"
FIRST, SECOND, *_ = BETA_EXPERIMENTS = list(BETA.experiments())


def planner(*, limit: int | None = None, repetitions: int = 2):
    """`Request.plan` of a launch over BETA with these options."""

    def plan(done: dict[int, set[int]], *, limited: bool = True) -> Plan:
        taken = limit if limited else None
        return plan_of([BETA], done=done, repetitions=repetitions, limit=taken)

    return plan


def marked(survey, text: str = ALL, **options: int) -> dict[int, set[int]]:
    """Export and mark, as a launch does before it trains; return what is to be trained."""
    survey.export()
    found = Redo(RedoFilter.parse(text, workload_named().hyperparameters), survey.output, BETA_EXPERIMENTS)
    plan = planner(**options)
    found.mark(found.find(survey.store, plan))
    trials = plan(CompletedRuns.of_dataset(survey.folder, survey.output.redo_log.superseded)).bundles
    return {trial.experiment.experiment_id: set(trial.repetitions) for trial in trials}


def missing(survey) -> set[int]:
    """What a launch without `--redo` would train."""
    trials = planner()(CompletedRuns.of_dataset(survey.folder, survey.output.redo_log.superseded)).bundles
    return {trial.experiment.experiment_id for trial in trials}


@pytest.fixture
def trained(survey):
    """All of BETA is done, each experiment in a trial of its own."""
    for experiment in BETA_EXPERIMENTS:
        survey.train(experiment, (0, 1), task=load("sklearn:iris"))
    return survey


def test_with_limit_only_what_the_launch_takes_is_marked(trained):
    first = FIRST.experiment_id
    assert marked(trained, limit=1) == {first: {0, 1}}
    assert missing(trained) == {first}
    trained.train(FIRST, (0, 1))
    trained.export()
    assert missing(trained) == set()
    assert marked(trained, limit=1) == {first: {0, 1}}, "that came to its end: it is a new request"


def test_what_an_earlier_launch_has_begun_with_is_not_begun_again(trained):
    assert len(marked(trained)) == len(BETA_EXPERIMENTS)
    trained.train(FIRST, (0, 1))  # and then the launch is killed
    assert marked(trained, limit=1) == {}, "the rest is left, beyond the limit"
    assert missing(trained) == {each.experiment_id for each in BETA_EXPERIMENTS[1:]}
    assert marked(trained).keys() == missing(trained)


def test_what_was_beyond_an_earlier_limit_is_marked_too(trained):
    marked(trained, limit=2)
    trained.train(FIRST, (0, 1))  # and then the launch is killed
    assert marked(trained).keys() == {each.experiment_id for each in BETA_EXPERIMENTS[1:]}


def test_where_none_is_left_a_redo_is_refused(trained):
    with pytest.raises(InputError, match="takes no experiment with size=256: --limit"):
        marked(trained, "size=256", limit=1)
    with pytest.raises(InputError, match="no experiment of this survey has depth=7"):
        marked(trained, "depth=7")
    assert not trained.output.redo_log.superseded


def test_with_fewer_repetitions_trials_of_others_are_not_marked(trained):
    trained.train(SECOND, (2,))
    assert marked(trained, f"size={SECOND.size}", repetitions=1)[SECOND.experiment_id] == {0}
    assert 2 in CompletedRuns.of_dataset(trained.folder, trained.output.redo_log.superseded)[SECOND.experiment_id]


def test_a_kill_between_checkpoints_and_mark_costs_time_alone(trained, monkeypatch):
    trained.export()
    checkpoints = [trained.output.checkpoints / f"{each.experiment_id:016x}-a.pt" for each in (FIRST, SECOND)]
    trained.output.checkpoints.mkdir()
    for file in checkpoints:
        file.touch()
    with monkeypatch.context() as patched:
        patched.setattr(type(trained.output.redo_log), "add", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            marked(trained, limit=1)
    assert [file.exists() for file in checkpoints] == [False, True]
    assert missing(trained) == set()
    assert marked(trained, limit=1).keys() == missing(trained) == {FIRST.experiment_id}
    checkpoints[0].touch()
    assert marked(trained, limit=1).keys() == {FIRST.experiment_id}
    assert checkpoints[0].exists(), "it is that of the redo, which goes on"


def test_a_launch_that_is_refused_marks_nothing(tmp_path, trained):
    trained.export()
    space, out = tmp_path / "beta.yaml", tmp_path / "copy"
    space.write_text(dump_space(BETA))
    shutil.copytree(trained.output.folder, out)  # this process has the store of the other one open
    (checkpoint := out / "checkpoints" / f"{FIRST.experiment_id:016x}-a.pt").parent.mkdir()
    checkpoint.touch()
    arguments = (space, "--out", out, "--repetitions", 2)
    done = run_here(command, *arguments, "--no-ui", "--redo", ALL, "--address", "127.0.0.1:9")
    assert (done.returncode, "no Ray cluster can be reached" in done.stderr) == (2, True), done.stderr
    assert checkpoint.exists()
    assert not (out / "redo.json").exists()
    done = run_here(command, *arguments, "--dry-run", "--json")
    assert (done.returncode, json.loads(done.stdout)["runs_to_train"]) == (0, 0), done.stderr


# ---------------------------------------------------------------- launches

SPACE = """
name: tiny
repetitions: 2
grids:
  - {dataset: "sklearn:iris", shape: rectangle, size: [64, 128], depth: [3, 4], epochs: %d}
"""


ONE_AT_MOST = """
import sys
if "default_worker" in " ".join(sys.orig_argv):
    import time
    from pathlib import Path
    from survey.trials.bundle import Bundle
    start_epoch = Bundle.start_epoch

    def held(bundle):
        while len(list(Path("OUT").glob("artifacts/*/artifacts/history.parquet"))) >= 5:
            time.sleep(1)
        start_epoch(bundle)

    Bundle.start_epoch = held
"""
"""Python runs it as `sitecustomize` in every process: after the first trial no other trains before it is killed."""


@pytest.mark.launch
def test_a_launch_redoes_what_is_asked_for_and_goes_on_after_a_kill(tmp_path):
    space, out = tmp_path / "tiny.yaml", tmp_path / "out"
    space.write_text(SPACE % 300)
    arguments = (space, "--out", out, "--no-ui", "--num-cpus", 1)
    launched(*arguments)
    first = rows(out)

    redo = ("--redo", "depth=3")
    status, output = launch(*arguments, *redo, "--dry-run")
    assert (status, output.split("trials to train")[1].split()[0]) == (0, "2"), output
    assert not (out / "redo.json").exists()

    process = start(*arguments, *redo, **site(tmp_path, ONE_AT_MOST.replace("OUT", str(out))))
    # The first trial that is trained anew has finished, and nothing is exported.
    await_that(lambda: len(list(out.glob("artifacts/*/artifacts/history.parquet"))) >= 5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    marked = json.loads((out / "redo.json").read_text())
    assert set(rows(out)["mlflow_run_id"]) == set(first["mlflow_run_id"]), "nothing is replaced before it is there"

    output = launched(*arguments, *redo, "--prune-artifacts")
    assert json.loads((out / "redo.json").read_text()) == marked, "the same redo goes on"
    second = rows(out)
    assert list(second["run_id"]) == list(first["run_id"])
    is_redone = second["mlflow_run_id"] != first["mlflow_run_id"]
    assert list(is_redone) == list(second["depth"].astype(int) == 3)
    for name in ("val_loss", "accuracy"):
        assert all((one == other).all() for one, other in zip(first[name], second[name], strict=True))
    assert "dropped 4 artifacts" in output, "of the first launch all but the replaced one; the one that was finished"
    assert "dropped 1 artifacts" in output

    status, output = launch(*arguments)
    assert (status, "nothing left to train" in output) == (0, True), output
