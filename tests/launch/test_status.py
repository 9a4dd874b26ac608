"""How a survey stands, as seen from another process; and what Ray's own pages say of it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from rich.console import Console

from survey.networks.experiment import NetworkExperiment
from survey.output.folder import Output
from survey.output.launch_record import process_start_s, read_record
from survey.output.progress import Figures, block, line
from survey.status import Status, render, survey_status
from survey.status import status as status_function
from survey.text.json_files import read_json
from survey.trials.counts import Counts
from survey.trials.progress import Progress, ReportCounter
from tests.support.awaiting import HANGS_S, await_that
from tests.support.commands import run_here
from tests.support.exposure import Exposure, others_reach
from tests.support.launching import start
from tests.support.small_survey import EXPERIMENTS, REPETITIONS, RUNS, write_space

SOON = {"RAY_metrics_report_interval_ms": "1000"}
"""Ten seconds otherwise."""


def status_command(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "survey.status", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False)


def shown(what: object) -> str:
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(what)
    return console.export_text()


def test_a_survey_that_is_done(undisturbed):
    before = {file: file.stat().st_mtime_ns for file in undisturbed.rglob("*")}
    command = status_command(undisturbed)
    assert command.returncode == 0, command.stderr
    assert f"{RUNS} of {RUNS} runs done (100.0%)" in command.stdout
    assert "done (20" in command.stdout
    assert "running" not in command.stdout
    answer = json.loads(run_here(status_function, undisturbed, "--json", "--watch").stdout)
    assert (answer["state"], answer["num_runs_done"], answer["num_runs"]) == ("done", RUNS, RUNS)
    assert answer["launch"]["num_experiments"] == EXPERIMENTS
    assert all(answer["disk"]["parts"][name] > 0 for name in ("data set", "artifacts", "MLflow store"))
    after = {file: file.stat().st_mtime_ns for file in undisturbed.rglob("*")}
    assert {f: t for f, t in after.items() if "mlflow.db" not in f.name} == {
        f: t for f, t in before.items() if "mlflow.db" not in f.name
    }


def test_without_a_folder_there_is_a_line_for_each_survey(undisturbed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    none = run_here(status_function)
    assert (none.returncode, f"no survey in {tmp_path}/surveys" in none.stdout.replace("\n", "")) == (0, True)
    for name, files in {"older": ["survey.json"], "a": ["survey.json", "launch.json"], "no survey": []}.items():
        (tmp_path / "surveys" / name).mkdir(parents=True)
        for file in files:
            shutil.copy(undisturbed / file, tmp_path / "surveys" / name)
    (tmp_path / "surveys" / "broken").mkdir()
    (tmp_path / "surveys" / "broken" / "survey.json").write_text("no JSON")
    head, first, *others = run_here(status_function).stdout.splitlines()
    assert head.split("  ")[0] == "survey"
    assert re.fullmatch(rf"surveys/a +done +{RUNS} of {RUNS} +20\d\d-\d\d-\d\d [\d:]{{8}} *", first)
    assert sorted(line.split()[:3] for line in others) == [
        ["surveys/broken", "unknown", "0"],
        ["surveys/older", "unknown", "0"],
    ]
    assert json.loads(run_here(status_function, "--json").stdout)[0]["out"] == f"{tmp_path}/surveys/a"
    assert run_here(status_function, "--watch").returncode == 2


def test_a_folder_without_a_survey_and_a_survey_without_a_launch(tmp_path):
    command = run_here(status_function, tmp_path)
    assert command.returncode == 2
    assert "there is no survey here" in command.stderr
    Output.at(tmp_path / "out").prepare()
    status = survey_status(tmp_path / "out")
    assert (status.state, status.num_runs_done, status.num_runs) == ("unknown", 0, None)
    assert "launch again" in shown(render(status))


@pytest.mark.launch
def test_a_survey_that_runs_and_is_killed(tmp_path):
    """Seen by `survey.status`, in Ray's dashboard, and on the endpoint for Prometheus."""
    out = tmp_path / "out"
    process = start(write_space(tmp_path, epochs=50_000), "--out", out, "--num-cpus", 2, **SOON)
    exposure = Exposure(process)

    def status() -> Status | None:
        return survey_status(out) if (out / "survey.json").exists() else None

    def figures() -> Figures | None:
        now = status()
        return now.launch.figures if now and now.launch else None

    try:
        await_that(
            lambda: (now := figures()) and now.seconds_left and [each.epochs for each in now.running] == [50_000] * 2
        )
        now = status()
        assert now
        assert (now.state, now.is_running, now.num_runs_done, now.num_runs) == ("training", True, 0, RUNS)
        assert now.launch
        assert now.launch.pid == process.pid
        assert now.launch.figures.runs_running == 2 * REPETITIONS
        assert [each.epochs for each in now.launch.figures.running] == [50_000, 50_000]
        assert now.launch.figures.classes["1 CPU core"].trials_running == 2
        text = shown(render(now))
        assert "training: process" in text
        assert "epochs/s  time left: " in text
        assert "iris" in text or "diabetes" in text
        session = next(Path(tempfile.gettempdir()).glob(f"survey-*/r/session_*_{process.pid}"))
        await_that(lambda: counted(session) > 0)
        check_dashboard(process, session)
        exposure.look()
        assert others_reach(exposure.listeners) == []
    finally:
        process.kill()
        process.communicate()
    now = status()
    assert now
    assert (now.state, now.is_running) == ("lost", False)
    assert "ended unexpectedly" in shown(render(now))
    assert status_command(out, "--watch").returncode == 0, "there is nothing to wait for"


def counted(session: Path) -> float:
    """Epochs on the node's metrics endpoint."""
    port = next(session.glob("metrics_export_port_*")).read_text()
    try:
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=HANGS_S).text
    except requests.ConnectionError:  # nobody listens there yet
        return 0.0
    for entry in text.splitlines():
        if entry.startswith("ray_survey_epochs_total{") and 'survey="small"' in entry:
            return float(entry.rsplit(" ", 1)[1])
    return 0.0


def check_dashboard(process: subprocess.Popen, session: Path) -> None:
    """The job bears the survey's name, and its actors names for people."""
    address = next(told for told in iter(process.stdout.readline, "") if told.startswith("Ray dashboard")).split()[2]
    shows_token = process.stdout.readline().removeprefix("Ray token")
    shown = subprocess.run(shows_token, shell=True, capture_output=True, text=True, check=True).stdout
    (token,) = shown.splitlines()
    assert shown == f"{token}\n", "a line of its own"
    if os.getuid() == 0:
        refused = subprocess.run(shows_token, shell=True, capture_output=True, text=True, check=False, user=12345)
        assert (refused.returncode, refused.stdout) == (1, ""), "it is this user's alone"
    assert requests.get(f"{address}/api/jobs/", timeout=30).status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    jobs = requests.get(f"{address}/api/jobs/", headers=headers, timeout=HANGS_S).json()
    assert [job["metadata"]["job_name"] for job in jobs] == ["survey small"]
    answer = requests.get(f"{address}/logical/actors", headers=headers, timeout=HANGS_S).json()
    actors = [(each["actorClass"], each["reprName"]) for each in answer["data"]["actors"].values()]
    assert actors == [("SurveyTrial", "trials of small on 1 CPU core")] * 2


def test_a_launch_of_another_machine_is_lost_when_it_has_long_been_silent(undisturbed):
    record = read_record(Output.at(undisturbed))
    assert record
    assert not record.is_silent, "it has ended"
    far = dataclasses.replace(record, phase="training", host="another", updated_s=time.time() - 5)
    assert not far.is_silent
    assert not dataclasses.replace(far, updated_s=time.time() + 5).is_silent, "its clock is a bit ahead"
    assert dataclasses.replace(far, updated_s=time.time() - 120).is_silent
    assert dataclasses.replace(far, updated_s=time.time() + 7200).is_silent, "its clock cannot be trusted"


def test_a_process_of_the_same_number_is_not_taken_for_the_launch(undisturbed):
    record = read_record(Output.at(undisturbed))
    assert record
    other = dataclasses.replace(record, phase="training", pid=os.getpid(), updated_s=record.updated_s - 120)
    assert not dataclasses.replace(other, process_start_s=process_start_s(os.getpid())).is_silent
    assert dataclasses.replace(other, process_start_s=0.0).is_silent


def test_who_reads_of_failures_is_not_sent_to_launch_the_same_again(undisturbed):
    status = survey_status(undisturbed)
    assert status.launch
    failed = dataclasses.replace(status.launch.figures, failures={"KeyError: 'x'": 3})
    launch = dataclasses.replace(status.launch, phase="incomplete", figures=failed)
    text = shown(render(dataclasses.replace(status, state="incomplete", launch=launch)))
    assert "correct the causes below, then launch again" in text
    assert text.index("causes below") < text.index("failed, 3 runs: KeyError: 'x'")
    launch = dataclasses.replace(launch, figures=status.launch.figures)
    assert "missing: launch again" in shown(render(dataclasses.replace(status, state="incomplete", launch=launch)))


@pytest.mark.parametrize("damage", ["", "{", "{}", "[]", '{"figures": 3}'])
def test_a_record_that_cannot_be_read_counts_as_none(damage, tmp_path):
    output = Output.at(tmp_path / "out")
    output.prepare()
    output.launch_record.write_text(damage)
    assert read_record(output) is None
    assert survey_status(output.folder).state == "unknown"


def test_figures_count_what_tune_reports(tmp_path):
    progress = Progress(Console(file=open(os.devnull, "w")), name="small", num_runs=9, total_cost=30.0)  # noqa: SIM115, PTH123
    progress.counts = Counts(num_runs=9, total_cost=30.0, clock=lambda: 1000.0)
    counter = ReportCounter(progress)
    told = {"iteration": 1, "trials": []}
    good, bad, other = trial("a"), trial("b", error_file=tmp_path / "error.txt"), trial("c", num_gpus=0.5)
    failure = "Failure # {} (occurred at ...)\nray::SurveyTrial.train()\n  in f\nValueError: {}\n\n"
    bad.error_file.write_text(failure.format(1, "perhaps") + failure.format(2, "no"))
    for each in (good, bad, other):
        counter.on_trial_start(**told, trial=each)
    for each in (good, other):
        report = {"run_epochs": 30, "epoch": 10, "by_experiment": {0: (10, 30, each is good)}, "loop_s": 10.0}
        counter.on_trial_result(**told, trial=each, result=report)
    counter.on_trial_complete(**told, trial=good)
    counter.on_trial_error(**told, trial=bad)
    figures = progress.figures()
    assert (figures.runs_done, figures.runs_running, figures.runs_failed) == (3, 3, 3)
    assert figures.failures == {"ValueError: no": 3}
    assert figures.epochs == 60
    assert progress.counts.loop_seconds == 10.0, "both trials had their loops at once"
    assert figures.seconds_left == pytest.approx(figures.seconds / 2, rel=0.01), "two thirds of the cost are spent"
    assert [(name, each.trials_running, each.epochs) for name, each in figures.classes.items()] == [
        ("1 CPU core", 0, 30),
        ("1/2 GPU", 1, 30),
    ]
    (tmp_path / "figures.json").write_text(json.dumps(dataclasses.asdict(figures)))
    assert read_json(tmp_path / "figures.json", Figures) == figures
    assert "failed, 3 runs: ValueError: no" in shown(block(figures))
    assert "running" not in line(figures.over()).plain


def test_a_terminal_shows_the_disk_too(undisturbed):
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    with Progress(console, name="small", num_runs=9, total_cost=30.0, output=Output.at(undisturbed)) as progress:
        await_that(lambda: "free" in shown(progress.render()))
        assert re.search(r"disk: .*data set [\d.]+ .*artifacts [\d.]+ .* free", shown(progress.render()))


def trial(trial_id: str, num_gpus: float = 0.0, error_file: Path | None = None) -> SimpleNamespace:
    """What the callback looks at in a trial of Tune."""
    experiment = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 64, "depth": 3, "epochs": 10}
    config = {
        **NetworkExperiment(**experiment).to_dict(),
        "repetitions": [0, 1, 2],
        "cost_s": 10.0,
        "num_gpus": num_gpus,
    }
    return SimpleNamespace(
        trial_id=trial_id,
        config={"trial": config},
        last_result={"done_training": True},
        error_file=error_file,
    )
