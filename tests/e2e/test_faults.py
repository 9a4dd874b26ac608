"""Faults and lengths that a survey has to survive: each ends in the numbers of a survey that nobody disturbed."""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from survey.errors import TrackingAwayError
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import WITHOUT_VALIDATION as METRICS
from survey.tracking.sqlite import copy_database
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, TrialRun, Waits
from tests.support.awaiting import HANGS_S, await_that
from tests.support.copies import copy_output
from tests.support.launching import await_training, launch, launched, numbers, rows, seeds, site, start_read, statuses
from tests.support.servers import client_of, free_port, tracking_server
from tests.support.small_survey import EPOCHS, EXPERIMENTS, REPETITIONS, write_space

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


@pytest.mark.service
def test_epochs_of_a_time_without_tracking_server_are_sent_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    experiment = NetworkExperiment(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=6)
    curves = np.random.default_rng(0).random((6, 20, 2), dtype=np.float32)
    trial = TrackedTrial(experiment, [0, 1], num_repetitions=2, params={}, trial_id="t")
    with tracking_server(tmp_path, port):
        waits = Waits(flush_s=0.0, ask_again_s=0.0)
        settings = TrackingSettings(uri, client_of(uri).create_experiment("x"), True, False, METRICS, waits=waits)
        run = TrialRun(settings, trial)
        run.log_epoch(1, curves[0])
        run.flush()
    for epoch in (2, 3, 4):
        run.log_epoch(epoch, curves[epoch - 1])
    with tracking_server(tmp_path, port):
        for epoch in (5, 6):
            run.log_epoch(epoch, curves[epoch - 1])
        run.flush()  # a try that began while the server was away may end here, and leave the epochs to the next one
        run.flush()
        points = client_of(uri).get_metric_history(run.run_id, "test_loss")
        latest = client_of(uri).get_run(run.run_id).data.metrics["test_loss"]
    assert [point.step for point in points] == [1, 2, 3, 4, 5, 6]
    assert [point.value for point in points] == pytest.approx(np.median(curves[:, 0], axis=1).tolist())
    assert latest == points[-1].value

    settings = replace(settings, waits=Waits(patience_s=0.0))
    with pytest.raises(TrackingAwayError, match="cannot be used"):
        TrialRun(settings, trial)


IMPATIENT = """
import sys
if "survey.launch" in sys.orig_argv:
    from dataclasses import replace
    from survey.launch.launcher import Launch
    from survey.tracking.trial_run import Waits
    settings, waits = Launch._tracking_settings, Waits(flush_s=0.2, ask_again_s=0.2, patience_s=0.5)
    Launch._tracking_settings = lambda *arguments: replace(settings(*arguments), waits=waits)
"""
"""Python runs it as `sitecustomize` in every process: here trials send epochs often, and have little patience."""


@pytest.mark.parametrize("seed", seeds(1))
def test_a_tracking_server_away_for_good_stops_the_survey_and_the_next_launch_goes_on(
    seed, tmp_path, undisturbed, long, empty_store
):
    """Every other time in one long trial, else at any moment from when trials start to the end of the launch.

    MLflow's own patience, with which a launch waits while it exports, is cut too: by itself it is four minutes.
    """
    copy_database(empty_store, tmp_path / "mlflow.db", scratch=tmp_path)
    draw, out, port = random.Random(seed), tmp_path / "out", free_port()
    whole, space = ((undisturbed, "small.yaml"), (long, "long.yaml"))[seed % 2]
    uri = f"http://127.0.0.1:{port}"
    arguments = (whole.parent / space, "--out", out, "--tracking-uri", uri, "--no-ui", "--num-cpus", 1)
    with tracking_server(tmp_path, port):
        environment = {**site(tmp_path, IMPATIENT), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        process, lines, reader = start_read(*arguments, **environment)
        if seed % 2:
            await_first_point(client_of(uri))
            time.sleep(draw.uniform(0, 1))
        else:
            await_training(out)
            time.sleep(draw.uniform(0, 10))
    status = process.wait(HANGS_S)
    reader.join(HANGS_S)
    said, kept = "".join(lines), len(list(out.glob("checkpoints/*.pt")))
    assert "Traceback" not in said
    if status:  # the fault came before the survey was done
        assert status == 1, said
        assert said.count(f"error: the tracking store {uri} cannot ") == said.count("error: ") == 1, said
    if kept:
        assert "what is trained is kept: launch again when it is back" in said
    with tracking_server(tmp_path, port):
        launched(*arguments)
        assert len(resumed(client_of(uri))) == kept
    assert numbers(out) == numbers(whole)


def resumed(client: MlflowClient) -> list[Run]:
    """Runs of trials that have gone on from a checkpoint to their end."""
    ids = [each.experiment_id for each in client.search_experiments()]
    finished = client.search_runs(ids, "attributes.status = 'FINISHED' and tags.`survey.role` = 'experiment'")
    return [run for run in finished if "resumed_at_epoch" in run.data.tags]


def complete_points(uri: str, *, num_runs: int, epochs: int) -> bool:
    """Whether every MLflow run has each point of its curves once."""
    client = client_of(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "long"]
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == num_runs
    return all(
        sorted(point.step for point in client.get_metric_history(run.info.run_id, key)) == list(range(1, epochs + 1))
        for run in runs
        for key in ("test_loss", "train_loss", "test_accuracy")
    )


@pytest.mark.parametrize("seed", seeds())
def test_a_tracking_server_away_for_a_minute_gets_all_epochs(seed, tmp_path, long, empty_store):
    """The trial trains on meanwhile, and may want to end before the server is back."""
    copy_database(empty_store, tmp_path / "mlflow.db", scratch=tmp_path)
    out, port, draw = tmp_path / "out", free_port(), random.Random(seed)
    uri = f"http://127.0.0.1:{port}"
    arguments = (long.parent / "long.yaml", "--out", out, "--tracking-uri", uri, "--no-ui", "--num-cpus", 1)
    with tracking_server(tmp_path, port):
        process, lines, reader = start_read(*arguments)
        await_first_point(client_of(uri))
        time.sleep(draw.uniform(0, 3))
    time.sleep(60)
    with tracking_server(tmp_path, port):
        status = process.wait(HANGS_S)
        reader.join(HANGS_S)
        assert status == 0, "".join(lines)
        assert complete_points(uri, num_runs=1 + 2, epochs=400)
    assert numbers(out) == numbers(long)


@pytest.mark.parametrize("seed", seeds(0))
def test_artifacts_cut_short_are_told_and_their_runs_trained_again(seed, tmp_path, undisturbed):
    """Before they have been exported: the data set is not there yet."""
    out, draw = tmp_path / "out", random.Random(seed)
    copy_output(undisturbed, out)
    shutil.rmtree(out / "dataset")
    histories = draw.sample(sorted((out / "artifacts").rglob("history.parquet")), draw.randint(1, EXPERIMENTS - 1))
    for history in histories:
        os.truncate(history, int(history.stat().st_size * draw.random()))
    output = launched(undisturbed.parent / "small.yaml", "--out", out, "--no-ui")
    assert output.count("not exported, to be trained again: artifact of MLflow run") >= len(histories)
    assert "Traceback" not in output
    assert f"{REPETITIONS * len(histories)} to train in {len(histories)} trials" in output
    assert numbers(out) == numbers(undisturbed)


ALWAYS_FAILS = """
import sys
if "default_worker" in " ".join(sys.orig_argv):
    from survey.trials.bundle import Bundle
    start_epoch = Bundle.start_epoch

    def failing(bundle):
        if bundle._make_trainer.args[0].experiment_id == EXPERIMENT and bundle.epoch == EPOCH:
            raise RuntimeError("this one always fails")
        start_epoch(bundle)

    Bundle.start_epoch = failing
"""


@pytest.mark.parametrize("seed", seeds())
def test_an_experiment_that_always_fails_is_tried_again_twice_and_named_and_the_rest_goes_on(
    seed, tmp_path, undisturbed
):
    """A random one, at a random epoch; then the error is mended."""
    draw, out, whole = random.Random(seed), tmp_path / "out", rows(undisturbed)
    failing, epoch = draw.choice(sorted(set(whole.experiment_id))), draw.randrange(EPOCHS)
    code = ALWAYS_FAILS.replace("EXPERIMENT", str(failing)).replace("EPOCH", str(epoch))
    arguments = (undisturbed.parent / "small.yaml", "--out", out, "--no-ui", "--num-cpus", 2)
    status, said = launch(*arguments, **site(tmp_path, code))
    assert status == 1, said
    failed = re.findall(r"^failed: (.*): RuntimeError: this one always fails$", said, re.MULTILINE)
    assert re.findall(r"^missing: (.*): 3 of 3 runs$", said, re.MULTILINE) == failed
    assert (len(failed), said.count("failed: "), said.count("missing: ")) == (1, 1, 1), said
    one = 1 + REPETITIONS
    assert statuses(out) == {"FINISHED": (EXPERIMENTS - 1) * one, "FAILED": 3 * one}, "tried three times"
    expected, others = numbers(undisturbed), set(whole.run_id[whole.experiment_id != failing])
    assert numbers(out) == {run: digest for run, digest in expected.items() if run in others}
    said = launched(*arguments)
    assert f"{REPETITIONS} of them now" in said
    assert numbers(out) == expected


OUT_OF_MEMORY = """
import sys
if "default_worker" in " ".join(sys.orig_argv):
    import functools, pathlib, random, torch
    from survey.networks.compiled.trainer import CompiledTrainer
    from survey.networks.training.loop import Trainer

    def short_of_memory(start_epoch, trainer):
        parts = getattr(trainer, "_chunks", [trainer])
        seeds = [seed for part in parts for seed in getattr(part, "seeds", None) or part._seeds]
        experiment = getattr(parts[0], "experiment", None) or parts[0]._experiment
        group = f"{experiment.experiment_id} {seeds[0]}"
        draw = random.Random(f"{SEED} {group}")
        most, epochs = draw.randint(1, 2), draw.sample(range(100), 3)
        if len(seeds) > most and trainer.epoch in epochs:
            pathlib.Path("FOLDER", f"{group} {trainer.epoch}").touch()
            raise torch.OutOfMemoryError("CUDA out of memory")
        start_epoch(trainer)

    for each in (Trainer, CompiledTrainer):
        each.start_epoch = functools.partialmethod(lambda self, start: short_of_memory(start, self), each.start_epoch)
"""
"""Python runs it as `sitecustomize` in every process: what trains finds too little memory for larger groups of runs."""


@pytest.mark.parametrize("seed", seeds(0))
def test_where_a_device_is_out_of_memory_bundles_are_halved_and_trained(seed, tmp_path, undisturbed):
    folder, out = tmp_path / "site", tmp_path / "out"
    folder.mkdir()
    code = OUT_OF_MEMORY.replace("SEED", str(seed)).replace("FOLDER", str(folder))
    launched(write_space(tmp_path), "--out", out, "--no-ui", **site(folder, code))
    assert len(list(folder.glob("* *"))) >= EXPERIMENTS, "each experiment has been out of memory"
    assert numbers(out) == numbers(undisturbed)


def await_first_point(client: MlflowClient) -> None:
    def has_come() -> bool:
        runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
        return any(run.data.metrics for run in runs)

    await_that(has_come, "no trial has sent an epoch", every_s=0.1)
