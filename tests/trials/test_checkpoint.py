"""Checkpoints: a trial that was stopped goes on where it was, and gives what it would have given."""

from __future__ import annotations

import logging
import re
import signal
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from survey.errors import OutputError, TrackingAwayError, TrackingError
from survey.networks.cores import make_trainer
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import METRICS, WITHOUT_VALIDATION
from survey.output.folder import Output
from survey.tracking import trial_run
from survey.tracking.trial_run import Waits
from survey.trials import checkpoint
from survey.trials.checkpoint import Checkpoint, CheckpointPace, begun, drop_useless
from survey.trials.messages import trial_config
from tests.support.awaiting import HANGS_S, await_that
from tests.support.launching import launched, rows, start_read, stop
from tests.support.planned import planned
from tests.support.trial_outside_ray import Trial, TrialFolder

EXPERIMENT = NetworkExperiment(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=6)


def make(folder, experiment=EXPERIMENT, repetitions=(0, 1), digest="d") -> Checkpoint:
    return Checkpoint(folder, experiment, repetitions, data_digest=digest)


def test_what_is_saved_is_loaded(tmp_path):
    folder = tmp_path / "checkpoints"
    state = {"epoch": 3, "curves": torch.arange(4.0)}
    make(folder).save(state)
    found = make(folder).load()
    assert found is not None
    assert found["epoch"] == 3
    assert torch.equal(found["curves"], state["curves"])
    make(folder).remove()
    assert make(folder).load() is None
    make(folder).remove()


def test_a_checkpoint_is_for_its_own_runs_and_data_alone(tmp_path):
    make(tmp_path / "c").save({"epoch": 3})
    others = [make(tmp_path / "c", repetitions=[0, 1, 2]), make(tmp_path / "c", digest="other")]
    others.append(
        make(tmp_path / "c", NetworkExperiment(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=7))
    )
    assert [other.load() for other in others] == [None, None, None]


def test_a_damaged_checkpoint_is_told_and_left_alone(tmp_path, caplog):
    for damage in (
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"no zip at all",
        lambda data: data.replace(b"\x00\x00\x80\x3f", b"\x00\x00\x81\x3f", 1),  # a 1.0 in the midst of a tensor
    ):
        saved = make(tmp_path / "c")
        saved.save({"epoch": 3, "curves": torch.ones(1000)})
        saved.file.write_bytes(damage(saved.file.read_bytes()))
        with caplog.at_level(logging.WARNING):
            assert make(tmp_path / "c").load() is None
        assert "its trial starts over" in caplog.text


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "c").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        make(tmp_path / "c").save({"epoch": 3})
    assert "cannot be written" in caplog.text
    elsewhere = make(tmp_path / "not on this machine" / "c")
    elsewhere.save({"epoch": 3})
    assert not elsewhere.is_due
    assert elsewhere.load() is None


def test_slow_writing_makes_checkpoints_rarer(tmp_path, monkeypatch):
    """Writing takes a hundredth of the time at most."""
    now = [1000.0]
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now[0]))
    slow = make(tmp_path / "c")
    now[0] += CheckpointPace().every_s - 1
    assert not slow.is_due
    now[0] += 1
    assert slow.is_due
    monkeypatch.setattr(torch, "save", lambda state, stream: now.__setitem__(0, now[0] + 30))
    slow.save({"epoch": 3})
    now[0] += 2999
    assert not slow.is_due
    now[0] += 1
    assert slow.is_due


# ---------------------------------------------------------------- a trial


CONFIG = trial_config(planned(sizes=[64]).bundles)


@pytest.fixture
def around(tmp_path, database) -> TrialFolder:
    return TrialFolder(tmp_path, database, repetition_runs=True)


@pytest.fixture
def start(around):
    """Starts trials of the same experiment, one epoch for each step."""
    return lambda **changes: Trial(CONFIG, replace(around.settings, **changes))


def test_a_machine_without_the_output_folder_trains_nothing(start, around):
    with pytest.raises(OutputError, match="lacks the output folder"):
        Trial(CONFIG, replace(around.settings, output_id="another")).step()
    output = Output.at(around.folder / "there")
    output.prepare()
    settings = replace(around.settings, checkpoints=output.checkpoints, output_id=output.output_id)
    assert Trial(CONFIG, settings).step()["epoch"] == 1


def finish(running: Trial) -> str:
    """Train to the end; return the id of the MLflow run."""
    return running.train()[-1]["mlflow_run_id"]


@pytest.mark.parametrize(
    ("axes", "metrics"),
    [({}, WITHOUT_VALIDATION), ({"validation_split": 0.2, "train_fraction": 0.5}, METRICS)],
    ids=["plain", "validation"],
)
def test_a_trial_that_was_stopped_goes_on_and_gives_the_same(around, axes, metrics):
    config = trial_config(planned(sizes=[64], **axes).bundles)

    def start() -> Trial:
        return Trial(config, around.settings)

    straight = around.curves(finish(start()))
    assert straight.shape == (len(metrics.all), 3, 6)
    stopped = start()
    for _ in range(4):
        killed = stopped.step()["mlflow_run_id"]
    stopped.cleanup()
    assert len(list((around.checkpoints).iterdir())) == 1
    assert around.store.client.get_run(killed).info.status == "KILLED"

    resumed = start()
    assert resumed.step()["epoch"] == 5, "the first step is the epoch after the last one trained"
    run_id = finish(resumed)
    np.testing.assert_array_equal(around.curves(run_id), straight)
    assert list((around.checkpoints).iterdir()) == [], "results are safe elsewhere"
    run = around.store.client.get_run(run_id)
    assert run.data.tags["resumed_at_epoch"] == "5"
    assert around.epochs(run_id) == [1, 2, 3, 4, 5, 6], "its curves are whole"
    assert len(run.data.metrics) == metrics.num_rows


def test_a_trial_whose_process_dies_goes_on_from_the_last_checkpoint(start, around):
    straight = around.curves(finish(start()))
    died = start(checkpoint_pace=CheckpointPace(every_s=0.0, share=1e9))
    for _ in range(3):
        died.step()
    resumed = start()
    assert resumed.step()["epoch"] == 4
    np.testing.assert_array_equal(around.curves(finish(resumed)), straight)


def test_a_checkpoint_that_cannot_be_used_is_in_the_way_once(start):
    stopped = start()
    stopped.step()
    state = {"epoch": 1, "bundle": {"of": "another layout"}}
    training = stopped._experiments[0]
    training.save_checkpoint = lambda: training.saved.save_checkpoint(state)
    stopped.cleanup()
    with pytest.raises(KeyError):
        start().step()
    assert start().step()["epoch"] == 1, "tried again, it starts over"


def test_a_trial_whose_runs_do_not_fit_trains_them_in_groups_and_gives_the_same(start, around, monkeypatch):
    """Memory for two of the three runs: the one that is left comes after them, and the trial can stop in between."""
    straight = around.curves(finish(start()))

    def for_two(*arguments, seeds, **options):
        if len(seeds) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return make_trainer(*arguments, seeds=seeds, **options)

    monkeypatch.setattr("survey.networks.cores.make_trainer", for_two)
    stopped = start()
    told = [stopped.step() for _ in range(8)]
    assert [each["run_epochs"] for each in told] == 6 * [2] + 2 * [1]
    assert [each["epoch"] for each in told] == 6 * [0] + [1, 2]
    stopped.cleanup()
    resumed = start()
    assert resumed.step()["epoch"] == 3
    run_id = finish(resumed)
    np.testing.assert_array_equal(around.curves(run_id), straight)
    assert around.epochs(run_id) == [1, 2, 3, 4, 5, 6], "medians of all runs, once for each epoch"


def test_a_history_that_is_refused_does_not_cost_the_training(start, around, monkeypatch):
    straight = around.curves(finish(start()))
    with monkeypatch.context() as refusing:
        store_artifacts(refusing, raising(TrackingError("no such bucket")))
        with pytest.raises(TrackingError, match="no such bucket"):
            finish(start())
    told = start().step()
    assert (told["epoch"], told["run_epochs"], told["done"]) == (6, 0, True), "nothing is trained again"
    np.testing.assert_array_equal(around.curves(told["mlflow_run_id"]), straight)
    assert around.statuses() == ["FAILED", "FINISHED", "FINISHED"]
    assert list((around.checkpoints).iterdir()) == []


def test_what_is_trained_is_kept_while_its_history_waits_for_a_store_that_is_away(start, around, monkeypatch):
    kept = []

    def back_at_the_third_try(log_artifact, *arguments):
        kept.append(len(list(around.checkpoints.glob("*.pt"))))
        raising(TrackingAwayError("away"))() if len(kept) < 3 else log_artifact(*arguments)

    store_artifacts(monkeypatch, back_at_the_third_try)
    finish(start(tracking=replace(around.settings.tracking, waits=Waits(ask_again_s=0.0))))
    assert kept == [0, 1, 1]
    assert list((around.checkpoints).iterdir()) == []


def test_a_store_that_stays_away_stops_the_survey_and_the_next_launch_trains_nothing_again(start, around, monkeypatch):
    with monkeypatch.context() as away:
        store_artifacts(away, raising(TrackingAwayError("away")))
        running = start(tracking=replace(around.settings.tracking, waits=Waits(patience_s=0.0)))
        while "fatal_error" not in (told := running.step()):
            pass
    assert "launch again when it is back" in told["fatal_error"]
    told = start().step()
    assert (told["run_epochs"], told["done"]) == (0, True)


def store_artifacts(monkeypatch, store) -> None:
    """Have trials store artifacts by a function, which is given the one that it replaces before the arguments."""
    make_writer = trial_run.make_writer

    def made(*arguments, **options):
        writer = make_writer(*arguments, **options)
        writer.log_artifact = partial(store, writer.log_artifact)
        return writer

    monkeypatch.setattr(trial_run, "make_writer", made)


def raising(error: Exception):
    def raises(*_):
        raise error

    return raises


@pytest.mark.launch
def test_a_launch_whose_terminal_was_closed_goes_on_in_the_middle_of_a_trial(tmp_path):
    """The shell sends the signal to all that the launch has started, Ray's processes among them."""
    space, out = tmp_path / "long.yaml", tmp_path / "out"
    grid = "{dataset: 'sklearn:digits', shape: rectangle, size: 4096, depth: 3, epochs: 10000}"
    space.write_text(f"name: long\nrepetitions: 2\ngrids: [{grid}]\n")
    process, lines, reader = start_read(space, "--out", out, "--no-ui", "--num-cpus", 1)
    await_that(lambda: query(out, "SELECT max(step) FROM metrics") >= 30 or process.poll() is not None)
    stop(process, signal.SIGHUP, whole_group=True)
    reader.join(HANGS_S)
    assert process.returncode == 130, "".join(lines)
    assert len(list((out / "checkpoints").iterdir())) == 1
    told = [line.strip() for line in lines if re.search("interrupted|exporting|missing", line)]
    assert "interrupted: stopping 1 trial and writing checkpoints" in told[0]
    assert told[-3].startswith("interrupted: stopping 1 trial and writing checkpoints")
    assert told[-2] == "exporting what is finished"
    assert told[-1].startswith("interrupted: launch again with the same arguments to continue (2 runs of 1 experiment ")

    launched(space, "--out", out, "--no-ui")
    assert query(out, "SELECT max(value) FROM tags WHERE key = 'resumed_at_epoch'") > 30
    assert len(rows(out)) == 2
    assert not (out / "checkpoints").exists()

    experiment = NetworkExperiment(dataset="sklearn:digits", shape="rectangle", size=4096, depth=3, epochs=10_000)
    useless, useful = (make(out / "checkpoints", experiment, repetitions) for repetitions in ((0, 1), (3, 4)))
    for each in (useless, useful):
        each.save({"epoch": 3})
    launched(space, "--out", out, "--no-ui", "--repetitions", 3)
    assert list((out / "checkpoints").iterdir()) == [useful.file]


def test_checkpoints_that_no_trial_can_go_on_from_are_dropped(tmp_path):
    other = NetworkExperiment(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=7)
    useless = [make(tmp_path / "c", repetitions=numbers) for numbers in ((0, 1), (1, 2, 3))]
    useful = [make(tmp_path / "c", repetitions=(3, 4)), make(tmp_path / "c", other)]
    for each in (*useless, *useful):
        each.save({"epoch": 3, "curves": torch.ones(1000)})
    damaged = tmp_path / "c" / f"{EXPERIMENT.experiment_id:016x}-0a.pt"
    damaged.write_bytes(b"no zip at all")
    others = [tmp_path / "c" / name for name in (".note.tmp", ".DS_Store", f"copy-of-{useless[0].file.name}")]
    for each in others:
        each.write_bytes(useless[0].file.read_bytes())
    (tmp_path / "c" / f".{useful[0].file.name}.17.tmp").touch()
    drop_useless(tmp_path / "c", {EXPERIMENT.experiment_id: {0, 1, 2}})
    assert set((tmp_path / "c").iterdir()) == {damaged, *others, *(each.file for each in useful)}
    drop_useless(tmp_path / "none", {})


def query(out, statement: str) -> int:
    """The one number that a statement gives, or 0 as long as there is no such table."""
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True)) as db,
    ):
        return int(db.execute(statement).fetchone()[0] or 0)
    return 0


def test_what_was_begun_is_found(tmp_path):
    for repetitions in ((0, 1), (2,)):
        make(tmp_path / "c", repetitions=repetitions).save({"epoch": 3})
    (tmp_path / "c" / f"{1:016x}-ab.pt").write_bytes(b"damaged")
    assert sorted(begun(tmp_path / "c")[EXPERIMENT.experiment_id]) == [(0, 1), (2,)]
    assert len(begun(tmp_path / "c")) == 1
    assert begun(tmp_path / "nowhere") == {}
