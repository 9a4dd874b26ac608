"""What a launch says at its end: commands that can be copied, and a result that a notebook shows."""

from __future__ import annotations

import signal
import subprocess

import pytest
import requests

from survey.launch.api import prepare
from survey.launch.messages import show_result
from survey.launch.options import Options
from survey.launch.planning import dry_run
from survey.launch.result import SurveyResult, failure_lines
from survey.output.folder import Output
from survey.text.terminal import SafeConsole
from survey.tracking.store import TrackingStore
from survey.trials.messages import Failure
from tests.support.awaiting import HANGS_S, await_that
from tests.support.servers import free_port
from tests.support.small_survey import write_space

RESULT = {"num_experiments": 1, "num_runs": 1, "num_runs_done": 1, "num_runs_trained": 1, "failures": (), "missing": ()}


@pytest.mark.service
def test_the_line_that_is_printed_brings_the_page_of_the_survey_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    output = Output.at("out")
    output.prepare()
    store = TrackingStore(output.default_tracking_uri, output_id=output.output_id)
    experiment = store.open_experiment("x", note="", artifact_location=None)
    ends = {"interrupted": False, "out_of_time": False, "seconds": 1.0, "loop_seconds": 1.0}
    result = SurveyResult(**RESULT, **ends, dataset=output.dataset, report=None)
    show_result(result, SafeConsole(), with_mlflow=True)
    (line,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("MLflow UI")]
    assert line.endswith("survey ui out")
    url = f"http://127.0.0.1:{free_port()}"
    command = f"exec {line.removeprefix('MLflow UI')} --port {url.rpartition(':')[2]}"
    process = subprocess.Popen(["sh", "-c", command], start_new_session=True)
    try:
        await_that(lambda: _answers(f"{url}/health"), "the server does not answer", every_s=0.2)
        assert f"/#/experiments/{experiment}/" in requests.get(f"{url}/survey", timeout=HANGS_S).text
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(HANGS_S) == 0
    assert not _answers(f"{url}/health")


def test_a_search_space_says_what_the_one_of_its_name_had_and_it_leaves_out(tmp_path):
    file = write_space(tmp_path)
    options = Options(out=tmp_path / "out")
    first = prepare(file, options)
    first.output.prepare()
    first.output.record(list(first.spaces), first.contents)
    assert not list(prepare(file, options).replaced_lines())
    file.write_text(file.read_text().replace("[64, 256]", "[64, 256, 512]").replace("repetitions: 3", "repetitions: 4"))
    assert not list(prepare(file, options).replaced_lines()), "it asks for more"
    file.write_text(file.read_text().replace("[64, 256, 512]", "512"))
    request = prepare(file, options)
    (line,) = request.replaced_lines()
    assert "small: takes the place of the search space that had this name here; 8 experiments of that one are" in line
    assert line in dry_run(request).notes


def test_a_reason_that_many_share_is_told_once():
    """As a mistake in a function of one's own, which fails each experiment."""
    failures = [Failure("d1", "no memory"), *(Failure(f"w{width}", "KeyError: 'x'") for width in (2, 4, 8))]
    assert list(failure_lines(failures)) == [
        "failed: 3 experiments, such as w2: KeyError: 'x'",
        "failed: d1: no memory",
    ]


def test_a_result_shows_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = {**RESULT, "num_experiments": 3, "num_runs": 6, "failures": (Failure("a <b>", "out of memory"),)}
    ends = {"interrupted": False, "out_of_time": True, "seconds": 61.0, "loop_seconds": 9.6}
    left = {"missing": ("2^6 d2 iris: 5 of 6 runs",), "dataset": tmp_path / "out" / "dataset", "report": None}
    result = SurveyResult(**{**counts, **ends, **left})
    assert repr(result) == (
        "<SurveyResult: 3 experiments, 1 of 6 runs done, 1 of them now; took 0:01:01, 0:00:10 of it training; the time "
        "limit is reached; 1 failure; in out>"
    )
    shown = result._repr_html_()
    for words in (
        "0:01:01",
        "out/dataset",
        "the time limit is reached",
        "failed: a &lt;b&gt;: out of memory",
        "2^6 d2",
    ):
        assert words in shown
    assert str(tmp_path) not in shown


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
