"""What a launch prints at its end: commands that can be copied."""

from __future__ import annotations

import subprocess

import pytest
import requests

from survey.launch.messages import show_result
from survey.launch.result import SurveyResult
from survey.text.terminal import SafeConsole
from survey.tracking.store import TrackingStore
from tests.support.awaiting import await_that
from tests.support.servers import free_port

RESULT = {"num_experiments": 1, "num_runs": 1, "num_runs_done": 1, "num_runs_trained": 1, "failures": (), "missing": ()}


@pytest.mark.service
def test_the_line_that_is_printed_brings_the_mlflow_ui_back(tmp_path, capsys):
    TrackingStore(f"sqlite:///{tmp_path / 'mlflow.db'}", output_id="o").open_experiment(
        "x", note="", artifact_location=None
    )
    ends = {"interrupted": False, "out_of_time": False, "seconds": 1.0, "loop_seconds": 1.0}
    result = SurveyResult(**RESULT, **ends, dataset=tmp_path / "dataset", report=None)
    show_result(result, SafeConsole(), with_mlflow=True)
    (line,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("MLflow UI")]
    assert "--app-name survey" in line  # without it, many searches at once can get status 500
    port = free_port()
    command = f"exec env {line.removeprefix('MLflow UI').strip()} --port {port}"
    server = subprocess.Popen(["sh", "-c", command], cwd=tmp_path, start_new_session=True)
    try:
        await_that(lambda: _answers(f"http://127.0.0.1:{port}/health"), "the server does not answer", every_s=0.2)
    finally:
        server.terminate()
        server.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
