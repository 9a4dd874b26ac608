"""The MLflow UI of a survey, brought back by the command `survey ui`."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import requests

from survey.output.folder import Output
from survey.ui import ui
from tests.support.awaiting import HANGS_S
from tests.support.commands import run_here
from tests.support.launching import address_in


def test_where_there_is_nothing_to_show_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, told in (([], "give the output folder of one"), (["nowhere"], "there is no survey here")):
        result = run_here(ui, *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert told in result.stderr
    Output.at("surveys/first").prepare()
    result = run_here(ui)
    assert result.returncode == 2
    assert "surveys/first: has no MLflow store of its own" in result.stderr


@pytest.mark.service
def test_it_shows_the_survey_until_it_is_interrupted(undisturbed):
    command = [sys.executable, "-u", "-m", "survey.ui", str(undisturbed), "--port", "5100"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        address = next(filter(None, map(address_in, process.stdout)))
        found = requests.post(f"{address}/api/2.0/mlflow/experiments/search", json={"max_results": 9}, timeout=HANGS_S)
        assert "small" in [each["name"] for each in found.json()["experiments"]]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(HANGS_S) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=HANGS_S)
